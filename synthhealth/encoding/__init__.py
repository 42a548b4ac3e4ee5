"""Columns and records to numbers and back, by public grids."""

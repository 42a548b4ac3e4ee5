"""Attacks on synthetic patients, each beside controls that show whether it could have found anything."""

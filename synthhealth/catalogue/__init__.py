"""The public catalogue of common laboratory tests: codes, names, units, bounds, and where each figure is from."""

"""What a researcher would do with the data, done on synthetic and on real patients and judged on real ones."""

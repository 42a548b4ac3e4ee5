"""The scoreboard: engines by epsilon on one cohort, beside fresh real patients and whatever other generators wrote."""

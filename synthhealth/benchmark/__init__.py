"""The scoreboard: engines by epsilon on one cohort, beside real patients and whatever other generators wrote."""

"""The audit: the running code is tried against its own claim, with canaries, in tiny worlds, and without real rows."""

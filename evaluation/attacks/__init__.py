"""One file an attack family, each with threat model, baseline and control."""

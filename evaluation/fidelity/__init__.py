"""One file a family of distances between real and synthetic."""

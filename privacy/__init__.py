"""What everyone may know, what one patient is, and what has been spent."""

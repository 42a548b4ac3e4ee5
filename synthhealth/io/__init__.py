"""Tables and exchange formats, in and out."""

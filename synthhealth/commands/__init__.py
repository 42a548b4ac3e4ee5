"""The commands of the command line, each a function that `synthhealth.cli` puts up; heavy imports wait in them."""

"""Open cohorts that anybody may look at, to try the whole pipeline on."""

"""The lab events: when draws happen, which tests they hold, which values they take."""

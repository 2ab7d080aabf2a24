"""How messages are written: RECORD and STATE to standard output, progress to the log."""

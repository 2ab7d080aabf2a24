"""Experiment definitions, kept as files, as Singer records."""

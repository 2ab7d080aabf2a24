"""Reads the files of a definition, and reports every fault found in them with its place and remedy."""

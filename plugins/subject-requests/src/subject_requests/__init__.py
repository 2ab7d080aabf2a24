"""Requests of people for their data: export, verification of a deletion, and the forget list."""

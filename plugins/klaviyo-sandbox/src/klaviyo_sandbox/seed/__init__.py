"""Fills an empty account with a believable shop. Nothing outside this folder imports it."""

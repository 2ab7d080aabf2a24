"""The kinds of streams there are: what the declarations in `streams/` are built on."""

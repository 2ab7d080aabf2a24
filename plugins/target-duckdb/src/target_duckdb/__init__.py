"""Singer streams as the tables of a DuckDB file."""

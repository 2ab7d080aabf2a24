"""The tables and views of a DuckDB schema as Singer records."""

"""Who was shown what, as Parquet files by the hour."""

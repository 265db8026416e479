"""The tables: their columns, Parquet files and Delta logs, kept small and whole."""

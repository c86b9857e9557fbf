"""Peers side by side: the same Parquet files given to Splink, to a join by hand, and to ``linkage run``."""

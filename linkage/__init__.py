"""The method of record linkage, in memory: tables in, tables out."""

__version__ = "0.1.0"

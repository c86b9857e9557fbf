"""Experiments behind choices of the method; see docs/experiments.md."""

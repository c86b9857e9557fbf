"""The generator of a national sample, its vocabularies, and reference tables."""

"""Filters: which entries a scan excludes, and which it selects."""

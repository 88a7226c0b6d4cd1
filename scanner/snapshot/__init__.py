"""Snapshots: what scans have found, in one file."""

"""Moved to scanner.export.arrow."""

from scanner.export.arrow import arrow_table, pandas_frame

__all__ = ["arrow_table", "pandas_frame"]

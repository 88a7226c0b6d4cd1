"""Producer of columns for lines that the coordinator formats, because they hold names of owners or groups."""

from __future__ import annotations

from collections.abc import Sequence

from scanner.fields import with_exact_times
from scanner.kernel.producers.table import EntryColumns
from scanner.options import ScanOptions


class ExactColumns(EntryColumns):
    """The columns of `fields`, and those that make times exact."""

    def __init__(self, options: ScanOptions, fields: Sequence[str]) -> None:
        super().__init__(options, with_exact_times(fields))
        self._times = []  # none is clamped


PRODUCER = ExactColumns

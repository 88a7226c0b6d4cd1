"""Producer of entries as columns, for formats that store columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scanner.encoding import ENCODING, ERRORS
from scanner.fields import TARGET, columns_of
from scanner.kernel.pack import NO_TARGETS, Rows, count_clamped, times_among
from scanner.kernel.producers.base import EntryProducer, nul_of
from scanner.options import ScanOptions


class EntryColumns(EntryProducer):
    """Columns of `fields`, then the paths.

    number of entries, 8 bytes | columns of `fields`, one after the other | paths, joined by NULs
    | with TARGET among `fields`: two NULs | targets, joined by NULs, empty for entries that are no symlinks
    """

    def __init__(self, options: ScanOptions, fields: Sequence[str]) -> None:
        columns = columns_of(options.fields)  # rows may have more columns, for other producers
        self.width = len(columns)
        self._times = [number for number in times_among(columns) if columns[number] in fields]
        self._rows = Rows([columns.index(name) for name in columns_of(fields)], self.width)
        self._paths: list[bytes] = []
        self._targets: list[bytes] | None = [] if TARGET in fields else None
        self._count = 0

    def add_entries(self, paths: Any, rows: bytes, start: int = 0, targets: Mapping[int, bytes] = NO_TARGETS) -> None:
        self._paths.append(paths.encode(ENCODING, ERRORS) if isinstance(paths, str) else paths)
        count = paths.count(nul_of(paths)) + 1
        self._count += count
        if self._targets is not None:
            self._targets += [targets.get(row, b"") for row in range(start, start + count)]
        self._rows.add(rows, start)
        self.clamped += count_clamped(rows, self._times, self.width, start)

    def output(self) -> bytes:
        targets = [b"\0\0", b"\0".join(self._targets)] if self._targets else []
        return b"".join([self._count.to_bytes(8, "little"), self._rows.joined(), b"\0".join(self._paths), *targets])


PRODUCER = EntryColumns

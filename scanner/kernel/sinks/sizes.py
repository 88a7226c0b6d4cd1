"""What directories take, summed where they are read: a record for each, whatever the number of its files.

    path, bytes, blocks, entries, [key, bytes, blocks, ...]

The last are in the sums as well: files with several names, which count once in all. Who has the records of the whole
scan, in walk order, takes back what it has met before.
"""

from __future__ import annotations

import marshal
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Any

from scanner.fields import NULL, columns_of
from scanner.kernel.pack import COUNT
from scanner.kernel.part import Stated
from scanner.kernel.rows import without_first
from scanner.kernel.runs import Run
from scanner.kernel.sinks.again import Again
from scanner.kernel.sinks.base import Sink
from scanner.kernel.status import nothing
from scanner.model import Fault, prefix_of
from scanner.options import ScanOptions

FIELDS = ("size", "blocks", "mode", "ino", "dev", "nlink")


class Sizes(Sink):
    """`depth`: what lies deeper below its root is summed up there; None: a record for every directory.
    `links`: files with several names count once for each. `known`: numbers of files that somebody else has met, under
    one name: device << 64, and inode. `several`: any entry may be met twice, as one file system is mounted twice.
    """

    run_form = COUNT

    def __init__(
        self, options: ScanOptions, depth: int | None, links: bool, known: Collection[int] = (), several: bool = False
    ) -> None:
        columns = columns_of(options.fields)
        self._numbers = [columns.index(name) for name in ("size", "blocks")]
        self.width = len(columns)
        self._depth, self._count_links = depth, links
        self._again = Again(options, known, several=several)
        self._roots = sorted(options.roots, key=len, reverse=True)
        self._only = self._roots[0] if depth == 0 and len(self._roots) == 1 else None
        self._records: list[list[Any]] = []

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        record = self._record(path)
        for rows in (stated.rows if first else without_first(stated.rows, self.width), stated.links):
            self._add([record], [len(rows) // (8 * self.width)], rows)

    def add_run(self, run: Run) -> None:
        if not run.directories:
            return
        counts = memoryview(run.counts).cast("i").tolist()
        lengths = [1 + files + links for files, links in zip(counts[::2], counts[1::2], strict=True)]
        directories = list(accumulate(lengths[:-1], initial=0))
        if self._only is not None:  # one record for all
            self._add([self._record(self._only)], [sum(lengths)], run.rows, directories)
        else:
            self._add(map(self._record, run.paths), lengths, run.rows, directories)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        if path in self._roots or row[:8] not in (b"", nothing(1, 1)):  # what cannot be asked about takes nothing
            self._add([self._record(path)], [len(row) // (8 * self.width)], row)

    def _record(self, path: Any) -> list[Any]:
        if self._depth is not None and path is not self._only:
            path = self._shown(path, self._depth)
        if not self._records or self._records[-1][0] != path:
            self._records.append([path, 0, 0, 0, []])
        return self._records[-1]

    def _shown(self, path: Any, depth: int) -> Any:
        """The directory in whose record `path` is."""
        root = next(root for root in self._roots if path == root or path.startswith(prefix_of(root)))
        if not depth or path == root:
            return root
        prefix = prefix_of(root)
        end = len(prefix) - 1
        for _ in range(depth):
            end = path.find(prefix[-1:], end + 1)
            if end < 0:
                return path
        return path[:end]

    def _add(
        self, records: Iterable[list[Any]], lengths: list[int], rows: bytes, directories: Sequence[int] = ()
    ) -> None:
        """To each of the records so many of the rows. `directories`: those that are known to be of one."""
        view = memoryview(rows).cast("q")
        count = len(view) // self.width
        columns = [view[number * count : (number + 1) * count] for number in self._numbers]
        sizes, blocks = columns[0].tolist(), columns[1].tolist()
        if NULL in sizes:
            sizes, blocks = ([0 if value == NULL else value for value in column] for column in (sizes, blocks))
        again = {} if self._count_links else dict(self._again.rows(view, directories))
        start = 0
        for record, length in zip(records, lengths, strict=True):
            end = start + length
            record[1] += sum(sizes[start:end])
            record[2] += sum(blocks[start:end])
            record[3] += length
            if again:
                for row in range(start, end):
                    if row in again:
                        record[4] += again[row], sizes[row], blocks[row]
            start = end

    def output(self) -> bytes:
        return marshal.dumps(self._records)


SINK = Sizes

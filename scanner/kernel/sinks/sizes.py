"""What directories take, summed where they are read: a record for each, whatever the number of its files.

    path, bytes, blocks, entries, [key, bytes, blocks, ...]

The last are in the sums as well: files with several names, which count once in all. Who has the records of the whole
scan, in walk order, takes back what it has met before.
"""

from __future__ import annotations

import marshal
import stat
from collections.abc import Collection
from typing import Any

from scanner.fields import COLUMNS, NULL, columns_of
from scanner.kernel.part import Stated
from scanner.kernel.sinks.base import Sink
from scanner.model import Fault, prefix_of
from scanner.options import ScanOptions

FIELDS = ("size", "blocks", "mode", "ino", "dev", "nlink")


class Sizes(Sink):
    """`depth`: what lies deeper below its root is summed up there; None: a record for every directory.
    `links`: files with several names count once for each. `known`: numbers of files that somebody else has met, under
    one name: device << 64, and inode.
    """

    def __init__(self, options: ScanOptions, depth: int | None, links: bool, known: Collection[int] = ()) -> None:
        columns = columns_of(options.fields)
        self._numbers = [columns.index(name) for name in COLUMNS if name in FIELDS]
        self._width = len(columns)
        self._depth, self._count_links = depth, links
        self._known = frozenset(known)
        self._several_ways = options.followlinks  # to anything, also to what has one name
        self._roots = sorted(options.roots, key=len, reverse=True)
        self._records: list[list[Any]] = []

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        record = self._record(path)
        self._add(record, stated.rows, 0 if first else 1)
        if links:
            self._add(record, stated.links, 0)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        self._add(self._record(path), row, 0)

    def _record(self, path: Any) -> list[Any]:
        path = self._shown(path)
        if not self._records or self._records[-1][0] != path:
            self._records.append([path, 0, 0, 0, []])
        return self._records[-1]

    def _shown(self, path: Any) -> Any:
        """The directory in whose record `path` is."""
        if self._depth is None:
            return path
        root = next(root for root in self._roots if path == root or path.startswith(prefix_of(root)))
        prefix = prefix_of(root)
        separator = prefix[-1:]
        names = path[len(prefix) :].split(separator) if path != root else []
        if len(names) <= self._depth:
            return path
        return prefix + separator.join(names[: self._depth]) if self._depth else root

    def _add(self, record: list[Any], rows: bytes, start: int) -> None:
        view = memoryview(rows).cast("q")
        count = len(view) // self._width
        # In the order of COLUMNS.
        sizes, blocks, modes, inos, devs, nlinks = (
            view[number * count + start : (number + 1) * count].tolist() for number in self._numbers
        )
        record[3] += count - start
        if not self._count_links and (self._several_ways or self._known or (nlinks and max(nlinks) > 1)):
            for size, taken, mode, ino, dev, nlink in zip(sizes, blocks, modes, inos, devs, nlinks, strict=True):
                key = (dev << 64) + ino
                may_come_again = (nlink > 1 and not stat.S_ISDIR(mode)) or key in self._known
                if mode != NULL and (self._several_ways or may_come_again):
                    record[4] += key, size, taken
        if NULL in sizes:
            sizes, blocks = ([value for value in column if value != NULL] for column in (sizes, blocks))
        record[1] += sum(sizes)
        record[2] += sum(blocks)

    def output(self) -> bytes:
        return marshal.dumps(self._records)


SINK = Sizes

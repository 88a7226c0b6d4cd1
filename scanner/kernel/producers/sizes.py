"""Producer of disk usage: sums for each directory, made where it is read, whatever the number of its files.

    path, bytes, blocks, entries, [key, bytes, blocks, ...]

The last field lists shared files: they count once in a scan, for the first of their paths in walk order. A worker sees
only some of the paths, so it includes them in the sums. The consumer of all records, in walk order, subtracts repeats.
"""

from __future__ import annotations

import marshal
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from scanner.fields import NULL, columns_of
from scanner.kernel.native import COUNT, WalkedRun
from scanner.kernel.pack import FilesWithRows, without_first
from scanner.kernel.producers.base import Producer
from scanner.kernel.status import nothing
from scanner.model import Fault, prefix_of
from scanner.options import ScanOptions

KEY_FIELDS = ("mode", "ino", "dev", "nlink")
SIZE_FIELDS = ("size", "blocks", *KEY_FIELDS)


class SharedFiles:
    """Finds rows of shared files: files that a scan may meet under several paths.

    `known`: keys of files that were met before, under one path. `mounted_twice`: any entry may be met twice, because a
    file system is mounted twice. A key is the device << 64, plus the inode.
    """

    def __init__(self, options: ScanOptions, known: Collection[int] = (), *, mounted_twice: bool = False) -> None:
        columns = columns_of(options.fields)
        self._numbers = [columns.index(name) for name in KEY_FIELDS]
        self._width = len(columns)
        self._known = frozenset(known)
        self._shares_all = options.followlinks or mounted_twice  # entries with one name and directories, too

    def rows(self, rows: memoryview, directories: Sequence[int] = ()) -> Iterator[tuple[int, int]]:
        """Yield row number and key of each shared file. `directories`: numbers of rows known to be of directories."""
        count = len(rows) // self._width
        modes, inos, devs, column = (rows[number * count : (number + 1) * count] for number in self._numbers)
        nlinks = column.tolist()
        every = self._shares_all or self._known
        if not every and nlinks and min(nlinks) > 0:
            of_directories = sum(map(nlinks.__getitem__, directories))
            if sum(nlinks) - of_directories == len(nlinks) - len(directories):
                return  # each file has one name, as in most directories: faster than a look at each row
        for row, nlink in enumerate(nlinks):
            if (nlink > 1 or every) and (mode := modes[row]) != NULL:
                key = (devs[row] << 64) + inos[row]
                if self._shares_all or key in self._known or (nlink > 1 and not stat.S_ISDIR(mode)):
                    yield row, key


class DirectorySizes(Producer):
    """A record for each directory.

    `depth`: levels below a root that have records, each including everything deeper; None: all levels.
    `count_links`: count a file once for each of its names. `known`, `mounted_twice`: see SharedFiles.
    """

    run_form = COUNT

    def __init__(
        self, options: ScanOptions, depth: int | None, count_links: bool, known: Collection[int] = (),
        mounted_twice: bool = False,
    ) -> None:  # fmt: skip
        columns = columns_of(options.fields)
        self._numbers = [columns.index(name) for name in ("size", "blocks")]
        self.width = len(columns)
        self._depth = depth
        self._shared = None if count_links else SharedFiles(options, known, mounted_twice=mounted_twice)
        self._roots = sorted(options.roots, key=len, reverse=True)
        self._only = self._roots[0] if depth == 0 and len(self._roots) == 1 else None
        self._records: list[list[Any]] = []

    def take(self, path: Any, links: list[Any], files: FilesWithRows, first: bool) -> None:
        record = self._record(path)
        for rows in (files.rows if first else without_first(files.rows, self.width), files.links):
            self._add([record], [len(rows) // (8 * self.width)], rows)

    def add_joined_run(self, run: WalkedRun) -> None:
        self.add_run(run)

    def add_run(self, run: WalkedRun) -> None:
        if not run.directories:
            return
        lengths = run.lengths()
        directories = list(accumulate(lengths[:-1], initial=0))
        if self._only is not None:  # one record for all
            self._add([self._record(self._only)], [sum(lengths)], run.rows, directories)
        else:
            self._add(map(self._record, run.paths), lengths, run.rows, directories)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        if path in self._roots or row[:8] not in (b"", nothing(1, 1)):  # skip directories whose `stat` failed
            self._add([self._record(path)], [len(row) // (8 * self.width)], row)

    def _record(self, path: Any) -> list[Any]:
        if self._depth is not None and path is not self._only:
            path = self._ancestor(path, self._depth)
        if not self._records or self._records[-1][0] != path:
            self._records.append([path, 0, 0, 0, []])
        return self._records[-1]

    def _ancestor(self, path: Any, depth: int) -> Any:
        """Return the directory at most `depth` levels below its root whose record includes `path`."""
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
        """Add rows to records: as many to each as `lengths` says. `directories`: see `SharedFiles.rows`."""
        view = memoryview(rows).cast("q")
        count = len(view) // self.width
        columns = [view[number * count : (number + 1) * count] for number in self._numbers]
        sizes, blocks = columns[0].tolist(), columns[1].tolist()
        if NULL in sizes:
            sizes, blocks = ([0 if value == NULL else value for value in column] for column in (sizes, blocks))
        shared = dict(self._shared.rows(view, directories)) if self._shared is not None else {}
        start = 0
        for record, length in zip(records, lengths, strict=True):
            end = start + length
            record[1] += sum(sizes[start:end])
            record[2] += sum(blocks[start:end])
            record[3] += length
            if shared:
                for row in range(start, end):
                    if row in shared:
                        record[4] += shared[row], sizes[row], blocks[row]
            start = end

    def output(self) -> bytes:
        return marshal.dumps(self._records)


PRODUCER = DirectorySizes

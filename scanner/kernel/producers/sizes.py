"""Producer of disk usage: sums for each directory, made where it is read, whatever the number of its files.

    path, bytes, blocks, entries, latest time, shared files, files, device and inode of the directory

Shared files count once in a scan, for the first of their paths in walk order. A worker sees only some of the paths, so
the sums are without them. The consumer of all records, in walk order, adds those that are new: 64-bit numbers of each,
device, inode, bytes, blocks, time. The directory's own are there if a scan may meet it under several paths.
"""

from __future__ import annotations

import marshal
import stat
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any

from scanner.fields import NULL, columns_of
from scanner.kernel.native import COUNT, JOINED, WalkedRun, native
from scanner.kernel.pack import FilesWithRows, count_clamped, without_first, without_rows
from scanner.kernel.producers.base import Producer, depth_below
from scanner.kernel.status import nothing
from scanner.model import Fault, is_below, names, prefix_of
from scanner.options import ScanOptions

KEY_FIELDS = ("mode", "ino", "dev", "nlink")
SIZE_FIELDS = ("size", "blocks", *KEY_FIELDS)


class SharedFiles:
    """Finds rows of shared files: files that a scan may meet under several paths.

    `known`: devices and inodes of files that were met before, under one path. `mounted_twice`: any entry may be met
    twice, because a file system is mounted twice.
    """

    def __init__(
        self, options: ScanOptions, known: Collection[tuple[int, int]] = (), *, mounted_twice: bool = False
    ) -> None:
        columns = columns_of(options.fields)
        self._numbers = [columns.index(name) for name in KEY_FIELDS]
        self._width = len(columns)
        self._known = frozenset(known)
        self.shares_all = options.followlinks or mounted_twice  # entries with one name and directories, too

    def key(self, rows: memoryview, row: int) -> tuple[int, int] | None:
        """Return device and inode of a row; None if it is unknown."""
        count = len(rows) // self._width
        mode, inode, device, _ = (rows[number * count + row] for number in self._numbers)
        return None if mode == NULL else (device, inode)

    def rows(self, rows: memoryview, directories: Sequence[int] = ()) -> Iterator[tuple[int, int, int]]:
        """Yield row number, device and inode of each shared file, by row.

        `directories`: numbers of rows known to be of directories.
        """
        count = len(rows) // self._width
        modes, inos, devs, column = (rows[number * count : (number + 1) * count] for number in self._numbers)
        nlinks = column.tolist()
        every = self.shares_all or self._known
        if not every and nlinks and min(nlinks) > 0:
            of_directories = sum(map(nlinks.__getitem__, directories))
            if sum(nlinks) - of_directories == len(nlinks) - len(directories):
                return  # each file has one name, as in most directories: faster than a look at each row
        for row, nlink in enumerate(nlinks):
            if (nlink > 1 or every) and (mode := modes[row]) != NULL:
                device, inode = devs[row], inos[row]
                if (
                    self.shares_all
                    or (nlink > 1 and not stat.S_ISDIR(mode))
                    or (self._known and (device, inode) in self._known)
                ):
                    yield row, device, inode


class BrokenLinks:
    """Replaces rows of broken symlinks by NULL where symlinks are followed, as `du -L` does."""

    def __init__(self, options: ScanOptions) -> None:
        columns = columns_of(options.fields)
        self._mode, self._width = columns.index("mode"), len(columns)
        self._follows = options.followlinks

    def without(self, rows: bytes) -> bytes:
        if not self._follows:
            return rows
        count = len(rows) // (8 * self._width)
        modes = memoryview(rows).cast("q")[self._mode * count : (self._mode + 1) * count]
        broken = [row for row, mode in enumerate(modes) if mode != NULL and stat.S_ISLNK(mode)]
        return without_rows(rows, self._width, broken) if broken else rows


class DirectorySizes(Producer):
    """A record for each directory.

    depth        levels below a root that have records, each including everything deeper; None: all levels
    count_links  count a file once for each of its names
    known, mounted_twice
                 see SharedFiles
    time         the field of which the latest is wanted
    file_levels  levels of directories whose files are also listed
    drops_broken broken symlinks do not count if symlinks are followed
    """

    run_form = COUNT

    def __init__(
        self, options: ScanOptions, depth: int | None, count_links: bool, known: Collection[tuple[int, int]] = (),
        mounted_twice: bool = False, time: str | None = None, file_levels: int = 0, drops_broken: bool = False,
    ) -> None:  # fmt: skip
        columns = columns_of(options.fields)
        self._numbers = [columns.index(name) for name in ("size", "blocks", time) if name]
        self.width = len(columns)
        self._depth = depth
        self._shared = None if count_links else SharedFiles(options, known, mounted_twice=mounted_twice)
        self._roots = sorted(options.roots, key=len, reverse=True)
        self._only = self._roots[0] if depth == 0 and len(self._roots) == 1 else None
        self._broken = BrokenLinks(options) if drops_broken else None
        self._file_levels = file_levels
        self._times = self._numbers[2:]
        self._records: list[list[Any]] = []
        self._needs_keys = self._shared is not None and self._shared.shares_all
        module = native()
        is_usual = not (options.pure or options.followlinks or self._needs_keys or known)
        self._sum = module.sum_sizes if module is not None and is_usual else None
        numbers = (columns.index(name) for name in (*KEY_FIELDS, "size", "blocks"))
        self._positions = (*numbers, columns.index(time) if time else -1, len(columns))
        if file_levels:
            self.run_form = JOINED

    def take(self, path: Any, links: list[Any], files: FilesWithRows, first: bool) -> None:
        record = self._record(path)
        self._add_keys([record], files.rows, (0,))  # also of a directory that is not selected
        if self._file_levels and depth_below(path, self._root_of(path)) < self._file_levels:
            if first:
                self._add([record], [1], first_row(files.rows, self.width))
            listed = without_first(files.rows, self.width)
            record[6] += [*self._files(names(files.names), listed), *self._files(links, files.links)]
        else:
            for rows in (files.rows if first else without_first(files.rows, self.width), files.links):
                if not self._add_compiled([record], rows):
                    self._add([record], [len(rows) // (8 * self.width)], rows)

    def add_joined_run(self, run: WalkedRun) -> None:
        self.add_run(run)

    def add_run(self, run: WalkedRun) -> None:
        if not run.directories:
            return
        if self._file_levels:
            super().add_joined_run(run)
            return
        records = [self._record(self._only)] if self._only is not None else list(map(self._record, run.paths))
        if self._add_compiled(records, run.rows, b"" if self._only is not None else run.counts):
            return
        lengths = run.lengths()
        directories = list(accumulate(lengths[:-1], initial=0))
        if self._only is not None:  # one record for all
            lengths = [sum(lengths)]
        else:
            self._add_keys(records, run.rows, directories)
        self._add(records, lengths, run.rows, directories)

    def _add_compiled(self, records: list[list[Any]], rows: bytes, counts: bytes = b"") -> bool:
        """Add rows of directories to their records, by `counts` of a run; without counts all rows to one record.

        Returns False if only Python can.
        """
        found = self._sum(counts, rows, self._positions, self._shared is not None) if self._sum is not None else None
        if found is None:
            return False
        self.clamped += count_clamped(rows, self._times, self.width)
        for record, (size, blocks, entries, latest, shared) in zip(records, found, strict=True):
            record[1] += size
            record[2] += blocks
            record[3] += entries
            if latest > record[4]:
                record[4] = latest
            if shared:
                record[5] = record[5] or array("q")
                record[5].frombytes(shared)
        return True

    def _add_keys(self, records: list[list[Any]], rows: bytes, directories: Sequence[int]) -> None:
        """Add the keys of directories to their records. `directories`: numbers of their rows."""
        if self._needs_keys and self._shared is not None and rows:
            view = memoryview(rows).cast("q")
            for record, row in zip(records, directories, strict=True):
                record[7] = self._shared.key(view, row)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        if path in self._roots or row[:8] not in (b"", nothing(1, 1)):  # skip directories whose `stat` failed
            record = self._record(path)
            self._add_keys([record], row, (0,))
            self._add([record], [len(row) // (8 * self.width)], row)

    def _record(self, path: Any) -> list[Any]:
        if self._depth is not None and path is not self._only:
            path = ancestor_of(path, self._root_of(path), self._depth)
        if not self._records or self._records[-1][0] != path:
            self._records.append([path, 0, 0, 0, NULL, b"", [], None])
        return self._records[-1]

    def _root_of(self, path: Any) -> Any:
        return next(root for root in self._roots if is_below(path, root))

    def _columns(self, rows: bytes) -> tuple[memoryview, list[list[int]]]:
        """Return the rows as numbers, and lists of sizes, blocks and times."""
        self.clamped += count_clamped(rows, self._times, self.width)
        rows = rows if self._broken is None else self._broken.without(rows)
        view = memoryview(rows).cast("q")
        count = len(view) // self.width
        columns = [view[number * count : (number + 1) * count].tolist() for number in self._numbers]
        return view, columns if self._times else [*columns, [NULL] * count]

    def _add(
        self, records: Iterable[list[Any]], lengths: list[int], rows: bytes, directories: Sequence[int] = ()
    ) -> None:
        """Add rows to records: as many to each as `lengths` says. `directories`: see `SharedFiles.rows`."""
        view, (sizes, blocks, times) = self._columns(rows)
        known = [int(value != NULL) for value in sizes] if NULL in sizes else None
        if known is not None:
            sizes, blocks = ([0 if value == NULL else value for value in column] for column in (sizes, blocks))
        shared = list(self._shared.rows(view, directories)) if self._shared is not None else []
        start = at = 0
        for record, length in zip(records, lengths, strict=True):
            end, entries = start + length, length if known is None else sum(known[start : start + length])
            if at < len(shared) and shared[at][0] < end:
                some = shared[at : bisect_left(shared, (end,), at)]
                move_shared(some, (sizes, blocks, times), record)
                entries -= len(some)
                at += len(some)
            record[1] += sum(sizes[start:end])
            record[2] += sum(blocks[start:end])
            record[3] += entries
            if self._times and length:
                record[4] = max(record[4], *times[start:end])
            start = end

    def _files(self, listed: list[Any], rows: bytes) -> Iterator[list[Any]]:
        """Yield name, bytes, blocks and time of each file; of shared files also device and inode."""
        view, columns = self._columns(rows)
        shared = {row: key for row, *key in self._shared.rows(view)} if self._shared is not None else {}
        for row, (name, *values) in enumerate(zip(listed, *columns, strict=True)):
            if values[0] != NULL:
                yield [name, *values, *shared.get(row, ())]

    def output(self) -> bytes:
        return marshal.dumps(self._records)


PRODUCER = DirectorySizes


def move_shared(some: list[tuple[int, int, int]], columns: Sequence[list[int]], record: list[Any]) -> None:
    """Move the values of shared files from the columns into a record."""
    sizes, blocks, times = columns
    files = [(*key, sizes[row], blocks[row], times[row]) for row, *key in some]
    record[5] = record[5] or array("q")  # marshal writes its bytes
    record[5].extend(chain.from_iterable(files))
    for row, _, _ in some:
        sizes[row], blocks[row], times[row] = 0, 0, NULL


def ancestor_of(path: Any, root: Any, depth: int) -> Any:
    """Return the directory at most `depth` levels below its root in which `path` is, or `path` itself."""
    if not depth or path == root:
        return root
    prefix = prefix_of(root)
    end = len(prefix) - 1
    for _ in range(depth):
        end = path.find(prefix[-1:], end + 1)
        if end < 0:
            return path
    return path[:end]


def first_row(rows: bytes, width: int) -> bytes:
    """Return the first value of each column."""
    return b"".join([rows[start : start + 8] for start in range(0, len(rows), len(rows) // width)])

"""Producer of the size part of a report: files by size, age, suffix and owner, counted where directories are read."""

from __future__ import annotations

import heapq
import marshal
import os
import stat
import struct
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, count
from typing import Any, TypeAlias

from scanner.encoding import ENCODING, ERRORS, utf8_bytes, utf8_text
from scanner.fields import Columns, columns_of
from scanner.kernel.native import JOINED, WalkedRun, native
from scanner.kernel.pack import FilesWithRows
from scanner.kernel.producers.base import Producer
from scanner.kernel.producers.sizes import SIZE_FIELDS, SharedFiles
from scanner.model import Fault, prefix_of
from scanner.options import ScanOptions

SUMMARY_FIELDS = (*SIZE_FIELDS, "uid", "mtime_ns")
DAY = 86_400 * 10**9  # nanoseconds
AGES = (0, DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 3 * 365 * DAY)
AGES_PACKED = struct.pack(f"{len(AGES)}q", *AGES)
FUTURE = -1
"""The age class of a file whose modification time was later than the time at which it was read."""
LargeFile: TypeAlias = tuple[int, int, bytes, int]
"""Bytes, a number that grows in walk order, the path, and bytes of disk usage. The path is empty if enough larger files
came before.
"""
LONGEST_SUFFIX = 16  # characters: longer ones are part of the name


class Summary(Producer):
    """Counts by class. `now`: the origin of ages, nanoseconds since 1970; `most`: number of largest files to keep."""

    run_form = JOINED

    def __init__(self, options: ScanOptions, now: int, most: int) -> None:
        self._columns = Columns(options.fields, SUMMARY_FIELDS)
        self.width = self._columns.width
        self._shared_files = SharedFiles(options)
        self._native = None if options.pure else native()
        columns = columns_of(options.fields)
        self._positions = (*map(columns.index, ("mode", "uid", "blocks", "size", "mtime_ns")), len(columns))
        self._now, self._most = now, most
        self._sizes: dict[int, list[int]] = defaultdict(_zeros)  # classes end at powers of four
        self._ages: dict[int, list[int]] = defaultdict(_zeros)
        self._suffixes: dict[str, list[int]] = defaultdict(_zeros)
        self._owners: dict[int, list[int]] = defaultdict(_zeros)
        self._types: dict[int, int] = defaultdict(int)
        self._largest: list[LargeFile] = []
        self._least = -1  # bytes of the smallest of these, once there are enough
        self._numbers = count()
        self._shared: list[tuple[Any, ...]] = []

    def take(self, path: Any, links: list[Any], files: FilesWithRows, first: bool) -> None:
        names = ["", *utf8_text(files.names).split("\0")] if files.names else [""]
        self._count(path, names, files.rows, 0 if first else 1, (0,))
        if links:
            self._count(path, [""] * len(links), files.links, 0)

    def add_joined_run(self, run: WalkedRun) -> None:
        """Add a run: in C, unless it has shared files, which need their keys, or sums beyond 64 bits."""
        found = None
        if self._native is not None and run.directories and not self._has_shared_files(run):
            names = run.names[3].encode(ENCODING, ERRORS) if isinstance(run.names[3], str) else run.names[3]
            found = self._native.sum_run(
                names, run.counts, run.rows, self._positions, self._now, time.time_ns(), AGES_PACKED, self._most,
                self._least,
            )  # fmt: skip
        if found is None:
            super().add_joined_run(run)
        else:
            self._add_sums(run, *found)

    def _add_sums(
        self, run: WalkedRun, types: Any, sizes: Any, ages: Any, suffixes: Any, owners: Any, files: Any, odd: Any
    ) -> None:  # fmt: skip
        """Add what `sum_run` has found."""
        for kind, entries, _ in types:
            self._types[kind] += entries
        for sums, found in ((self._sizes, sizes), (self._ages, ages), (self._owners, owners)):
            for key, entries, size in found:
                _add(sums[key], size, entries)
        for suffix, entries, size in suffixes:
            _add(self._suffixes[suffix.decode().lower()], size, entries)
        for name, size in odd:
            _add(self._suffixes[suffix_of(utf8_text(name))], size)
        paths = run.paths if files else []
        for _, size, disk, directory, name in sorted(files):
            full_path = os.fsencode(prefix_of(paths[directory])) + name
            self._keep((size, next(self._numbers), full_path, disk))

    def _has_shared_files(self, run: WalkedRun) -> bool:
        directories = list(accumulate(run.lengths()[:-1], initial=0))
        return any(True for _ in self._shared_files.rows(memoryview(run.rows).cast("q"), directories))

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        if row:
            self._count(path, [""], row, 0)

    def _count(self, path: Any, names: list[str], rows: bytes, start: int, directories: Sequence[int] = ()) -> None:
        """Count types and owners of all entries, and sizes, ages and suffixes of regular files. Shared files are kept
        separately.

        `directories`: numbers of rows known to be of directories.
        """
        view, read_at = memoryview(rows).cast("q"), time.time_ns()
        values = self._columns.values(view)
        shared = {row: tuple(key) for row, *key in self._shared_files.rows(view, directories)}
        columns = (values[name] for name in ("mode", "uid", "blocks", "size", "mtime_ns"))
        for row, (name, mode, uid, blocks, size, mtime) in enumerate(zip(names, *columns, strict=True)):
            if mode is None or row < start:
                continue
            kind, disk = stat.S_IFMT(mode), 512 * blocks
            age = FUTURE if mtime > read_at else bisect(AGES, self._now - mtime)
            if row in shared:
                file = self._large_file(path, name, size, disk)
                self._shared.append((shared[row], kind, uid, disk, age, suffix_of(name), file))
                continue
            self._types[kind] += 1
            _add(self._owners[uid], disk)
            if kind == stat.S_IFREG:
                _add(self._sizes[size_class(size)], size)
                _add(self._ages[age], size)
                _add(self._suffixes[suffix_of(name)], size)
                if size > self._least:
                    self._keep(self._large_file(path, name, size, disk))

    def _large_file(self, path: Any, name: str, size: int, disk: int) -> LargeFile:
        full_path = os.fsencode(prefix_of(path)) + utf8_bytes(name) if size > self._least else b""
        return size, next(self._numbers), full_path, disk

    def _keep(self, file: LargeFile) -> None:
        self._largest.append(file)
        if len(self._largest) > 4 * self._most:
            self._largest = largest(self._most, self._largest)
            self._least = self._largest[-1][0]

    def output(self) -> bytes:
        """Return the sums without shared files, the largest files, and an item for each path of a shared file, in walk
        order: key, type, owner, disk usage, age class, suffix, LargeFile.
        """
        counted: tuple[dict[Any, Any], ...] = (self._types, self._sizes, self._ages, self._suffixes, self._owners)
        return marshal.dumps([*map(dict, counted), largest(self._most, self._largest), self._shared])


PRODUCER = Summary


def largest(most: int, files: list[LargeFile]) -> list[LargeFile]:
    """Return the `most` largest files, the largest first; files of equal size in walk order."""
    return heapq.nsmallest(most, files, key=lambda file: (-file[0], file[1]))


def size_class(size: int) -> int:
    """Return the smallest n for which the size is below 4 ** n."""
    return (size.bit_length() + 1) // 2


def suffix_of(name: str) -> str:
    """Return the suffix with its dot, in lower case; empty if there is none."""
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix.lower() if stem and 0 < len(suffix) <= LONGEST_SUFFIX else ""


def _zeros() -> list[int]:
    return [0, 0]


def _add(sums: list[int], size: int, count: int = 1) -> None:
    sums[0] += count
    sums[1] += size

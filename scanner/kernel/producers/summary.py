"""Producer of sums by class: files by type, size, age, suffix, owner and group, counted where directories are read."""

from __future__ import annotations

import heapq
import marshal
import os
import stat
import struct
import time
from bisect import bisect
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate, count
from typing import Any, TypeAlias

from scanner.encoding import ENCODING, ERRORS, utf8_bytes, utf8_text
from scanner.fields import LAST, Columns, columns_of
from scanner.kernel.native import JOINED, WalkedRun, native
from scanner.kernel.pack import FilesWithRows
from scanner.kernel.producers.base import Producer
from scanner.kernel.producers.sizes import SIZE_FIELDS, BrokenLinks, SharedFiles
from scanner.model import Fault, prefix_of
from scanner.options import ScanOptions

SUMMARY_FIELDS = (*SIZE_FIELDS, "uid", "mtime_ns")
SUMMED = ("mode", "blocks", "size", "uid", "gid", "mtime_ns")
"""Fields that classes need: the last three may be missing."""
DAY = 86_400 * 10**9  # nanoseconds
AGES = (0, DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 3 * 365 * DAY)
AGES_PACKED = struct.pack(f"{len(AGES)}q", *AGES)
FUTURE = -1
"""The age class of a file whose modification time was later than the time at which it was read."""
LargeFile: TypeAlias = tuple[int, int, bytes, int]
"""Bytes, a number that grows in walk order, the path, and bytes of disk usage. The path is empty if enough larger files
came before.
"""
Counts: TypeAlias = dict[Any, list[int]]
"""Number of entries, apparent size and disk usage, by class."""
Key: TypeAlias = tuple[int, int]
"""Device and inode."""
LONGEST_SUFFIX = 16  # characters: longer ones are part of the name


class ClassSums:
    """Number, apparent size and disk usage in bytes of all entries by type, owner and group, and of regular files by
    size, age and suffix.
    """

    TABLES = ("types", "sizes", "ages", "suffixes", "owners", "groups")

    def __init__(self) -> None:
        self.types: Counts = {}  # by the type in a mode
        self.sizes: Counts = {}  # classes end at powers of four
        self.ages: Counts = {}
        self.suffixes: Counts = {}
        self.owners: Counts = {}
        self.groups: Counts = {}

    def add(
        self, kind: int, size: int, disk: int, uid: int | None, gid: int | None, age: int | None, suffix: str
    ) -> None:
        """Add an entry. A class that is None is unknown."""
        add_to(self.types, kind, 1, size, disk)
        if uid is not None:
            add_to(self.owners, uid, 1, size, disk)
        if gid is not None:
            add_to(self.groups, gid, 1, size, disk)
        if kind == stat.S_IFREG:
            add_to(self.sizes, size_class(size), 1, size, disk)
            add_to(self.suffixes, suffix, 1, size, disk)
            if age is not None:
                add_to(self.ages, age, 1, size, disk)


class Summary(Producer):
    """Counts by class. Classes whose field was not fetched (`uid`, `gid`, `mtime_ns`) are not counted.

    now    origin of ages, nanoseconds since 1970
    most   number of largest files to keep
    count_links, known, mounted_twice, drops_broken
           see DirectorySizes
    """

    run_form = JOINED

    def __init__(
        self, options: ScanOptions, now: int, most: int, count_links: bool = False, known: Collection[Key] = (),
        mounted_twice: bool = False, drops_broken: bool = False,
    ) -> None:  # fmt: skip
        columns = columns_of(options.fields)
        self._columns = Columns(options.fields, SUMMED)
        self.width = self._columns.width
        self._shared_files = None if count_links else SharedFiles(options, known, mounted_twice=mounted_twice)
        self._broken = BrokenLinks(options) if drops_broken else None
        self._native = None if options.pure else native()
        self._positions = (*(columns.index(name) if name in columns else -1 for name in SUMMED), len(columns))
        self._now, self._most = now, most
        self._sums = ClassSums()
        self._largest: list[LargeFile] = []
        self._least = -1 if most else LAST  # bytes of the smallest of these, once there are enough
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
        if self._broken is not None:
            run = run._replace(rows=self._broken.without(run.rows))
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
        self, run: WalkedRun, types: Any, sizes: Any, ages: Any, suffixes: Any, owners: Any, groups: Any, files: Any,
        odd: Any,
    ) -> None:  # fmt: skip
        """Add what `sum_run` has found."""
        sums = self._sums
        merge_into(sums.types, types)
        merge_into(sums.sizes, sizes)
        merge_into(sums.ages, ages)
        merge_into(sums.suffixes, ((suffix.decode().lower(), *counts) for suffix, *counts in suffixes))
        merge_into(sums.suffixes, ((suffix_of(utf8_text(name)), 1, *counts) for name, *counts in odd))
        merge_into(sums.owners, owners)
        merge_into(sums.groups, groups)
        paths = run.paths if files else []
        for _, size, disk, directory, name in sorted(files):
            full_path = os.fsencode(prefix_of(paths[directory])) + name
            self._keep((size, next(self._numbers), full_path, disk))

    def _has_shared_files(self, run: WalkedRun) -> bool:
        if self._shared_files is None:
            return False
        directories = list(accumulate(run.lengths()[:-1], initial=0))
        return any(True for _ in self._shared_files.rows(memoryview(run.rows).cast("q"), directories))

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        if row:
            self._count(path, [""], row, 0)

    def _count(self, path: Any, names: list[str], rows: bytes, start: int, directories: Sequence[int] = ()) -> None:
        """Count all entries. Shared files are kept separately.

        `directories`: numbers of rows known to be of directories.
        """
        rows = rows if self._broken is None else self._broken.without(rows)
        view, read_at = memoryview(rows).cast("q"), time.time_ns()
        values = self._columns.values(view)
        shared: dict[int, Key] = {}
        if self._shared_files is not None:
            shared = {row: (device, inode) for row, device, inode in self._shared_files.rows(view, directories)}
        unknown = [None] * len(names)
        columns = (values.get(name, unknown) for name in SUMMED)
        for row, (name, mode, blocks, size, uid, gid, mtime) in enumerate(zip(names, *columns, strict=True)):
            if mode is None or row < start:
                continue
            kind, disk = stat.S_IFMT(mode), 512 * blocks
            age = None if mtime is None else age_class(self._now, mtime, read_at)
            entry = kind, size, disk, uid, gid, age, suffix_of(name)
            if row in shared:
                self._shared.append((shared[row], entry, self._large_file(path, name, size, disk)))
                continue
            self._sums.add(*entry)
            if kind == stat.S_IFREG and size > self._least:
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
        """Return the tables of ClassSums without shared files, the largest files, and an item for each path of a shared
        file, in walk order: key, arguments of `ClassSums.add`, LargeFile.
        """
        tables = [getattr(self._sums, name) for name in ClassSums.TABLES]
        return marshal.dumps([tables, largest(self._most, self._largest), self._shared])


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


def age_class(now: int, mtime: int, read_at: int) -> int:
    """Return the number of AGES that a file has reached `now`. FUTURE: it was modified after it was read."""
    return FUTURE if mtime > read_at else bisect(AGES, now - mtime)


def add_to(counts: Counts, key: Any, count: int, size: int, disk: int) -> None:
    """Add to the sums of a class."""
    sums = counts.get(key)
    if sums is None:
        counts[key] = [count, size, disk]
    else:
        sums[0] += count
        sums[1] += size
        sums[2] += disk


def merge_into(counts: Counts, more: Iterable[Sequence[Any]]) -> None:
    """Add to the sums of several classes: key, count, size and disk usage of each."""
    for key, *sums in more:
        add_to(counts, key, *sums)

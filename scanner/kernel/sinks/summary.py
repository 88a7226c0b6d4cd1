"""What a report says of sizes, summed where directories are read: how many files of which size, age, kind, owner."""

from __future__ import annotations

import heapq
import marshal
import os
import stat
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import Any, TypeAlias

from scanner.fields import Columns
from scanner.kernel.pack import JOINED
from scanner.kernel.part import Stated
from scanner.kernel.sinks.again import Again
from scanner.kernel.sinks.base import Sink
from scanner.model import Fault, prefix_of, utf8_bytes, utf8_text
from scanner.options import ScanOptions

FIELDS = ("size", "blocks", "mode", "uid", "ino", "dev", "nlink", "mtime_ns")
DAY = 86_400 * 10**9  # nanoseconds
AGES = (0, DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 3 * 365 * DAY)
FUTURE = -1
"""The class of what is dated later than the moment at which it was read."""
Large: TypeAlias = tuple[int, int, bytes]
"""Bytes of a file, a number that grows in walk order, and its path; that is empty where others are larger."""
LONGEST_SUFFIX = 16  # characters: what is longer is part of a name


class Summary(Sink):
    """`now`: ages are counted from there, in nanoseconds since 1970; `most`: largest files that are kept."""

    run_form = JOINED

    def __init__(self, options: ScanOptions, now: int, most: int) -> None:
        self._columns = Columns(options.fields, FIELDS)
        self.width = self._columns.width
        self._again = Again(options)
        self._now, self._most = now, most
        self._sizes: dict[int, list[int]] = defaultdict(_none)  # classes that end at powers of four
        self._ages: dict[int, list[int]] = defaultdict(_none)
        self._suffixes: dict[str, list[int]] = defaultdict(_none)
        self._owners: dict[int, list[int]] = defaultdict(_none)
        self._types: dict[int, int] = defaultdict(int)
        self._largest: list[Large] = []
        self._least = -1  # bytes of the smallest of these, once there are enough
        self._numbers = count()
        self._shared: list[tuple[Any, ...]] = []

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        names = ["", *utf8_text(stated.files).split("\0")] if stated.files else [""]
        self._count(path, names, stated.rows, 0 if first else 1, (0,))
        if links:
            self._count(path, [""] * len(links), stated.links, 0)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        if row:
            self._count(path, [""], row, 0)

    def _count(self, path: Any, names: list[str], rows: bytes, start: int, directories: Sequence[int] = ()) -> None:
        """Types and owners of everything; sizes, ages and suffixes of regular files. What may come again: apart.

        `directories`: rows that are known to be of one.
        """
        view, read_at = memoryview(rows).cast("q"), time.time_ns()
        values = self._columns.values(view)
        again = dict(self._again.rows(view, directories))
        columns = (values[name] for name in ("mode", "uid", "blocks", "size", "mtime_ns"))
        for row, (name, mode, uid, blocks, size, mtime) in enumerate(zip(names, *columns, strict=True)):
            if mode is None or row < start:
                continue
            kind, disk = stat.S_IFMT(mode), 512 * blocks
            age = FUTURE if mtime > read_at else bisect(AGES, self._now - mtime)
            if row in again:
                self._shared.append((again[row], kind, uid, disk, age, suffix_of(name), self._large(path, name, size)))
                continue
            self._types[kind] += 1
            _add(self._owners[uid], disk)
            if kind == stat.S_IFREG:
                _add(self._sizes[size_class(size)], size)
                _add(self._ages[age], size)
                _add(self._suffixes[suffix_of(name)], size)
                if size > self._least:
                    self._keep(self._large(path, name, size))

    def _large(self, path: Any, name: str, size: int) -> Large:
        place = os.fsencode(prefix_of(path)) + utf8_bytes(name) if size > self._least else b""
        return size, next(self._numbers), place

    def _keep(self, file: Large) -> None:
        self._largest.append(file)
        if len(self._largest) > 4 * self._most:
            self._largest = largest(self._most, self._largest)
            self._least = self._largest[-1][0]

    def output(self) -> bytes:
        """What comes once, summed; the largest files; and an item for each name of what may come again, in walk order:
        key, type, owner, bytes on the disk, class of age, suffix, and what `largest` takes.
        """
        counted: tuple[dict[Any, Any], ...] = (self._types, self._sizes, self._ages, self._suffixes, self._owners)
        return marshal.dumps([*map(dict, counted), largest(self._most, self._largest), self._shared])


SINK = Summary


def largest(most: int, files: list[Large]) -> list[Large]:
    """The largest first; of those that are equally large, those that come first."""
    return heapq.nsmallest(most, files, key=lambda file: (-file[0], file[1]))


def size_class(size: int) -> int:
    return (size.bit_length() + 1) // 2


def suffix_of(name: str) -> str:
    """With its dot, in small letters; empty where there is none."""
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix.lower() if stem and 0 < len(suffix) <= LONGEST_SUFFIX else ""


def _none() -> list[int]:
    return [0, 0]


def _add(to: list[int], size: int) -> None:
    to[0] += 1
    to[1] += size

"""What a report says of sizes, summed where directories are read: how many files of which size, age, kind, owner."""

from __future__ import annotations

import heapq
import marshal
import os
import stat
from bisect import bisect
from collections import defaultdict
from typing import Any

from scanner.fields import Columns
from scanner.kernel.pack import JOINED
from scanner.kernel.part import Stated
from scanner.kernel.sinks.base import Sink
from scanner.model import Fault, prefix_of, utf8_bytes, utf8_text
from scanner.options import ScanOptions

FIELDS = ("size", "blocks", "mode", "uid", "mtime_ns")
DAY = 86_400 * 10**9  # nanoseconds
AGES = (0, DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 3 * 365 * DAY)
LONGEST_SUFFIX = 16  # characters: what is longer is part of a name


class Summary(Sink):
    """`now`: ages are counted from there, in nanoseconds since 1970; `most`: largest files that are kept."""

    run_form = JOINED

    def __init__(self, options: ScanOptions, now: int, most: int) -> None:
        self._columns = Columns(options.fields, FIELDS)
        self.width = self._columns.width
        self._now, self._most = now, most
        self._sizes: dict[int, list[int]] = defaultdict(_none)  # classes that end at powers of four
        self._ages: dict[int, list[int]] = defaultdict(_none)
        self._suffixes: dict[str, list[int]] = defaultdict(_none)
        self._owners: dict[int, list[int]] = defaultdict(_none)
        self._types: dict[int, int] = defaultdict(int)
        self._largest: list[tuple[int, bytes]] = []
        self._least = -1  # bytes of the smallest of these, once there are enough

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        self._count(stated.rows, 0 if first else 1)
        if links:
            self._count(stated.links, 0)
        if stated.files:
            self._look_at(path, stated)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        self._count(row, 0)

    def _count(self, rows: bytes, start: int) -> None:
        """Types and owners, of everything."""
        values = self._columns.values(memoryview(rows).cast("q"))
        for mode, uid, blocks in zip(*(values[name][start:] for name in ("mode", "uid", "blocks")), strict=True):
            if mode is not None:
                self._types[stat.S_IFMT(mode)] += 1
                _add(self._owners[uid], 512 * blocks)

    def _look_at(self, path: Any, stated: Stated) -> None:
        """Sizes, ages and suffixes, of regular files."""
        values = self._columns.values(memoryview(stated.rows).cast("q"))
        names = utf8_text(stated.files).split("\0")
        columns = (values[name][1:] for name in ("size", "mode", "mtime_ns"))
        large: list[tuple[int, str]] = []
        for name, size, mode, mtime in zip(names, *columns, strict=True):
            if mode is None or not stat.S_ISREG(mode):
                continue
            _add(self._sizes[(size.bit_length() + 1) // 2], size)
            _add(self._ages[bisect(AGES, self._now - mtime)], size)
            _add(self._suffixes[suffix_of(name)], size)
            if size > self._least:
                large.append((size, name))
        if large:
            prefix = os.fsencode(prefix_of(path))
            self._largest += [(size, prefix + utf8_bytes(name)) for size, name in large]
            if len(self._largest) > 4 * self._most:
                self._largest = largest(self._most, self._largest)
                self._least = self._largest[-1][0]

    def output(self) -> bytes:
        counted: tuple[dict[Any, Any], ...] = (self._types, self._sizes, self._ages, self._suffixes, self._owners)
        return marshal.dumps([*map(dict, counted), largest(self._most, self._largest)])


SINK = Summary


def largest(most: int, files: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The largest first; of those that are equally large, those that come first."""
    return heapq.nlargest(most, files, key=lambda file: file[0])


def suffix_of(name: str) -> str:
    """With its dot, in small letters; empty where there is none."""
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix.lower() if stem and 0 < len(suffix) <= LONGEST_SUFFIX else ""


def _none() -> list[int]:
    return [0, 0]


def _add(to: list[int], size: int) -> None:
    to[0] += 1
    to[1] += size

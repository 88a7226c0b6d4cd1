"""Sums of files by class, merged from Chunks in walk order. A file with several names counts once."""

from __future__ import annotations

import marshal
import os
import stat
from collections.abc import Callable
from typing import Any

from scanner.fields import TYPES, in_64_bits
from scanner.kernel.producers import summary
from scanner.kernel.producers.summary import ClassSums, Counts, Key, LargeFile
from scanner.model import Path
from scanner.report.names import suffix_key

KINDS = {"f": "files", "d": "directories", "l": "links", "p": "pipes", "s": "sockets", "b": "block devices",
         "c": "character devices"}  # fmt: skip


class MergedClasses(ClassSums):
    """Merges the outputs of the producer `summary`, in walk order.

    is_new  called with the key of each shared file; returns whether it counts
    most    number of largest files to keep
    """

    def __init__(self, is_new: Callable[[Key], bool], most: int = 0) -> None:
        super().__init__()
        self._is_new = is_new
        self._most = most
        self.largest: list[LargeFile] = []
        self._number = 0  # grows in walk order

    def take(self, output: bytes | memoryview) -> None:
        tables, files, shared = marshal.loads(output)
        found = dict(zip(ClassSums.TABLES, tables, strict=True))
        suffixes = found.pop("suffixes")
        for name, counts in found.items():
            summary.merge_into(getattr(self, name), ((key, *sums) for key, sums in counts.items()))
        for suffix, sums in suffixes.items():
            summary.merge_into(self.suffixes, [(suffix_key(suffix, self.suffixes), *sums)])
        for key, entry, file in shared:
            if self._is_new(key):
                kind, size, disk, uid, gid, age, suffix = entry
                self.add(kind, size, disk, uid, gid, age, suffix_key(suffix, self.suffixes))
                files += [file] if file[2] and stat.S_ISREG(kind) else []
        files = [(size, self._number + number, path, disk) for size, number, path, disk in files]
        self._number = max([self._number, *(number + 1 for _, number, *_ in files)])
        self.largest = summary.largest(self._most, self.largest + files)

    def add_file(self, path: Path, status: os.stat_result, now: int) -> None:
        """Add a file that no worker has read. `now`: nanoseconds since 1970."""
        suffix = suffix_key(summary.suffix_of(os.path.basename(os.fsdecode(path))), self.suffixes)
        age = summary.age_class(now, in_64_bits(status.st_mtime_ns), now)
        kind, disk = stat.S_IFMT(status.st_mode), 512 * status.st_blocks
        self.add(kind, status.st_size, disk, status.st_uid, status.st_gid, age, suffix)


def kind_of(mode: int) -> str:
    """Return the word for a type of entries."""
    return KINDS.get(TYPES.get(mode, "?"), "others")


def by_bytes(counts: Counts, column: int = 1) -> list[tuple[Any, list[int]]]:
    """Return the classes with the most bytes first: of apparent size (1) or disk usage (2)."""
    return sorted(counts.items(), key=lambda item: (-item[1][column], -item[1][0], str(item[0])))


def days_of(age: int) -> int | None:
    """Return the end of an age class in days: -1 for the future, 0 for the time of the scan, None for the oldest."""
    if age == summary.FUTURE:
        return -1
    return summary.AGES[age] // summary.DAY if age < len(summary.AGES) else None


assert set(KINDS) == set(TYPES.values())

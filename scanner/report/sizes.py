"""The size part of a report: files and disk usage by several classes, merged from Chunks in walk order."""

from __future__ import annotations

import heapq
import marshal
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from scanner.export.tree import Total, Tree
from scanner.fields import TYPES
from scanner.kernel.producers.summary import AGES, DAY, FUTURE, SUMMARY_FIELDS, LargeFile, largest, size_class
from scanner.model import Path
from scanner.options import ProducerSpec
from scanner.report.data import path_fields, valid_text
from scanner.report.names import suffix_key

if TYPE_CHECKING:
    from scanner.report.treemap import Treemap

MOST = 10  # largest files and directories
MOST_DRAWN = 200  # largest files in a treemap
KINDS = {"f": "files", "d": "directories", "l": "links", "p": "pipes", "s": "sockets", "b": "block devices",
         "c": "character devices"}  # fmt: skip

Counts = dict[Any, list[int]]


class SizeReport:
    """Merges the outputs of its producers, in walk order."""

    FIELDS = SUMMARY_FIELDS  # includes SIZE_FIELDS

    def __init__(self, roots: Sequence[Path], treemap: Treemap | None = None) -> None:
        """`treemap`: gets the total of each directory as well."""
        self._most_files = MOST if treemap is None else MOST_DRAWN
        summary = ProducerSpec("summary", (time.time_ns(), self._most_files))
        self.producers = (ProducerSpec("sizes", (None, False)), summary)
        self._treemap = treemap
        self._roots = set(roots)
        self._tree = Tree(roots)
        self._size = self._disk = 0
        self._directories: list[tuple[int, int, Total]] = []
        self._number = 0  # falls in walk order: of directories with equal sizes, the first is kept
        self._types: dict[int, int] = {}
        self._sizes: Counts = {}
        self._ages: Counts = {}
        self._suffixes: Counts = {}
        self._owners: Counts = {}
        self._files: list[LargeFile] = []
        self._file_number = 0  # grows in walk order

    def take(self, records: bytes | memoryview, summary: bytes | memoryview) -> None:
        types, sizes, ages, suffixes, owners, files, shared = marshal.loads(summary)
        for kind, uid, disk, age, suffix, file in self._first_paths(shared):
            types[kind] = types.get(kind, 0) + 1
            _merge(owners, {uid: [1, disk]})
            if stat.S_ISREG(kind):
                for counts, key in ((sizes, size_class(file[0])), (ages, age), (suffixes, suffix)):
                    _merge(counts, {key: [1, file[0]]})
                files += [file] if file[2] else []
        self._count(self._tree.add(records))
        for kind, count in types.items():
            self._types[kind] = self._types.get(kind, 0) + count
        for counts, more in ((self._sizes, sizes), (self._ages, ages), (self._owners, owners)):
            _merge(counts, more)
        for suffix, sums in suffixes.items():
            _merge(self._suffixes, {suffix_key(suffix, self._suffixes): sums})
        files = [(size, self._file_number + number, path, disk) for size, number, path, disk in files]
        self._file_number = max([self._file_number, *(number + 1 for _, number, *_ in files)])
        self._files = largest(self._most_files, self._files + files)

    def _first_paths(self, shared: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Yield shared files that were not met before. Must run before the tree adds the records of the same Chunk."""
        seen = set()
        for key, *values in shared:
            if key not in seen and key not in self._tree.met:
                seen.add(key)
                yield tuple(values)

    def _count(self, totals: Iterable[Total]) -> None:
        for total in totals:
            if self._treemap is not None:
                self._treemap.add(total)
            if total.path in self._roots:
                self._size += total.size
                self._disk += total.disk
            self._number -= 1
            item = (total.own_disk, self._number, total)
            (heapq.heappush if len(self._directories) < MOST else heapq.heappushpop)(self._directories, item)

    def data(self) -> dict[str, Any]:
        """Return the merged values. Call it once, after the last output."""
        self._count(self._tree.finish())
        if self._treemap is not None:
            for _, _, path, disk in self._files:
                self._treemap.add_file(os.fsdecode(path), disk)
        directories = [total for _, _, total in sorted(self._directories, reverse=True)]
        return {
            "apparent_bytes": self._size,
            "disk_bytes": self._disk,
            "types": {KINDS.get(TYPES.get(kind, "?"), "others"): count for kind, count in sorted(self._types.items())},
            "largest_files": [{**path_fields(path), "bytes": size} for size, _, path, _ in self._files[:MOST]],
            "largest_directories": [
                {**path_fields(total.path), "own_disk_bytes": total.own_disk, "disk_bytes": total.disk}
                for total in directories
            ],
            "by_size": [
                {"below_bytes": 4**power, "files": count, "bytes": size}
                for power, (count, size) in sorted(self._sizes.items())
            ],
            "by_age": [
                {"below_days": days_of(age), "files": count, "bytes": size}
                for age, (count, size) in sorted(self._ages.items())
            ],
            "by_suffix": [
                {"suffix": suffix, "files": count, "bytes": size}
                for suffix, (count, size) in _by_bytes(self._suffixes)[:100]
            ],
            "by_owner": [
                {"uid": uid, "owner": owner_of(uid), "entries": count, "disk_bytes": size}
                for uid, (count, size) in _by_bytes(self._owners)[:100]
            ],
        }


def days_of(age: int) -> int | None:
    """Return the end of an age class in days: -1 for the future, 0 for the time of the scan, None for the oldest."""
    if age == FUTURE:
        return -1
    return AGES[age] // DAY if age < len(AGES) else None


def owner_of(uid: int) -> str:
    """Return the name of a user, or the number if there is no name."""
    import pwd  # only for sizes

    try:
        return valid_text(pwd.getpwuid(uid).pw_name)
    except (KeyError, OverflowError):
        return str(uid)


def group_of(gid: int) -> str:
    """Return the name of a group, or the number if there is no name."""
    import grp  # only for groups

    try:
        return valid_text(grp.getgrgid(gid).gr_name)
    except (KeyError, OverflowError):
        return str(gid)


def _merge(counts: Counts, more: Counts) -> None:
    for key, (count, size) in more.items():
        sums = counts.setdefault(key, [0, 0])
        sums[0] += count
        sums[1] += size


def _by_bytes(counts: Counts) -> list[tuple[Any, list[int]]]:
    return sorted(counts.items(), key=lambda item: (-item[1][1], -item[1][0], str(item[0])))


assert set(KINDS) == set(TYPES.values())

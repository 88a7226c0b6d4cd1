"""The size part of a report: files and disk usage by several classes, and the largest."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from scanner.export.tree import Total, Tree
from scanner.kernel.producers.summary import SUMMARY_FIELDS, Key
from scanner.model import Path
from scanner.options import ProducerSpec
from scanner.owners import owner_of
from scanner.report.classes import MergedClasses, by_bytes, days_of, kind_of
from scanner.report.data import path_fields

if TYPE_CHECKING:
    from scanner.report.treemap import Treemap

MOST = 10  # largest files and directories
MOST_DRAWN = 200  # largest files in a treemap


class SizeReport:
    """Merges the outputs of its producers, in walk order."""

    FIELDS = SUMMARY_FIELDS  # includes SIZE_FIELDS

    def __init__(self, roots: Sequence[Path], treemap: Treemap | None = None) -> None:
        """`treemap`: gets the total of each directory as well."""
        most = MOST if treemap is None else MOST_DRAWN
        self.producers = (ProducerSpec("sizes", (None, False)), ProducerSpec("summary", (time.time_ns(), most)))
        self._treemap = treemap
        self._roots = set(roots)
        self._tree = Tree(roots)
        self._classes = MergedClasses(self._is_new, most)
        self._met: set[Key] = set()
        self._size = self._disk = 0
        self._directories: list[tuple[int, int, Total]] = []
        self._number = 0  # falls in walk order: of directories with equal sizes, the first is kept

    def take(self, records: bytes | memoryview, summary: bytes | memoryview) -> None:
        self._met = set()
        self._classes.take(summary)  # before the tree adds the records of the same Chunk
        self._count(self._tree.add(records))

    def _is_new(self, key: Key) -> bool:
        """Return whether a shared file was met neither in an earlier Chunk nor in this one."""
        if key in self._met or key in self._tree.met:
            return False
        self._met.add(key)
        return True

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
            for _, _, path, disk in self._classes.largest:
                self._treemap.add_file(os.fsdecode(path), disk)
        directories = [total for _, _, total in sorted(self._directories, reverse=True)]
        classes = self._classes
        return {
            "apparent_bytes": self._size,
            "disk_bytes": self._disk,
            "types": {kind_of(kind): count for kind, (count, _, _) in sorted(classes.types.items())},
            "largest_files": [{**path_fields(path), "bytes": size} for size, _, path, _ in classes.largest[:MOST]],
            "largest_directories": [
                {**path_fields(total.path), "own_disk_bytes": total.own_disk, "disk_bytes": total.disk}
                for total in directories
            ],
            "by_size": [
                {"below_bytes": 4**power, "files": count, "bytes": size}
                for power, (count, size, _) in sorted(classes.sizes.items())
            ],
            "by_age": [
                {"below_days": days_of(age), "files": count, "bytes": size}
                for age, (count, size, _) in sorted(classes.ages.items())
            ],
            "by_suffix": [
                {"suffix": suffix, "files": count, "bytes": size}
                for suffix, (count, size, _) in by_bytes(classes.suffixes)[:100]
            ],
            "by_owner": [
                {"uid": uid, "owner": owner_of(uid), "entries": count, "disk_bytes": disk}
                for uid, (count, _, disk) in by_bytes(classes.owners, 2)[:100]
            ],
        }

"""Add up directories with everything below them, from records in walk order. Memory holds the current path only."""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from scanner.model import Path, is_below

NO_FILES: Mapping[Path, os.stat_result] = {}


class Total(NamedTuple):
    """The apparent size, disk usage (both in bytes) and entries of a directory with everything below it.

    `own_size`, `own_disk`: sums of the entries directly in it.
    """

    path: Path
    size: int
    disk: int
    entries: int
    own_size: int
    own_disk: int


class Tree:
    """Sums up directories. A file counts once, for the first of its names in walk order, however Tasks were cut."""

    def __init__(
        self, roots: Sequence[Path], files: Mapping[Path, os.stat_result] = NO_FILES, *, every_name: bool = False
    ) -> None:
        """Begin without any directory.

        roots       in the order of the scan
        files       status of the roots that are files, which no Task reads
        every_name  a file counts once for each of its names
        """
        self._roots = {root for root in roots if root not in files}
        self._coming = list(reversed(roots))
        self._files = files
        self._every_name = every_name
        self._open: list[list[Any]] = []  # fields of Total; each is below the one before
        self._met: set[int] = set()  # keys of files with several names: 60 to 100 bytes each

    def add(self, records: bytes | memoryview) -> Iterator[Total]:
        """Add the records that `DirectorySizes` made for one Chunk; yield completed directories, the deepest first."""
        for path, size, blocks, entries, shared in marshal.loads(records) if records else ():
            if self._is_again(path, shared):
                continue
            if not self._open or self._open[-1][0] != path:
                while self._open and (path in self._roots or not is_below(path, self._open[-1][0])):
                    yield self._close()
                if path in self._roots:
                    yield from self._files_before(path)
                self._open.append([path, 0, 0, 0, 0, 0])
            size_met, blocks_met = self._met_before(shared) if shared else (0, 0)
            new, disk = size - size_met, 512 * (blocks - blocks_met)
            for number, value in enumerate((new, disk, entries, new, disk), 1):
                self._open[-1][number] += value

    def _is_again(self, path: Path, shared: Sequence[int]) -> bool:
        """Return whether a record belongs to a directory that was met before."""
        return False

    def has_met(self, key: int) -> bool:
        """Return whether the file of this key was met under another name."""
        return key in self._met

    def _files_before(self, root: Path | None) -> Iterator[Total]:
        """Yield the roots before `root` (None: all) that are files, without those that were counted already."""
        while self._coming:
            path = self._coming.pop()
            if path not in self._files:
                if path == root:
                    break
                continue
            status = self._files[path]
            key = key_of(status)
            if self._every_name or key not in self._met:
                size, disk = status.st_size, 512 * status.st_blocks
                yield Total(path, size, disk, 1, size, disk)
            self._met.add(key)

    def _met_before(self, shared: list[int]) -> tuple[int, int]:
        """Return bytes and blocks of the shared files that were met before, and mark all of them as met."""
        size = blocks = 0
        fields = iter(shared)
        for key, its_size, its_blocks in zip(fields, fields, fields, strict=True):
            if key in self._met:
                size, blocks = size + its_size, blocks + its_blocks
            self._met.add(key)
        return size, blocks

    def finish(self) -> Iterator[Total]:
        """Yield the directories that are still open, after the last Chunk."""
        while self._open:
            yield self._close()
        yield from self._files_before(None)

    def _close(self) -> Total:
        total = Total(*self._open.pop())
        if self._open and total.path not in self._roots:
            above = self._open[-1]
            above[1] += total.size
            above[2] += total.disk
            above[3] += total.entries
        return total


class DistinctTree(Tree):
    """A Tree that skips a directory that was met before, with everything below it, as `du` does.

    Directories are met twice by symlinks, or where a file system is mounted twice. The records must have a key for
    each entry, the first of which is the directory's own.
    """

    _excluded: Path | None = None  # the skipped directory that the records belong to

    def _is_again(self, path: Any, shared: Sequence[int]) -> bool:
        above = self._excluded
        if above is not None and (path == above or (path not in self._roots and is_below(path, above))):
            return True
        is_first = not self._open or self._open[-1][0] != path
        self._excluded = path if is_first and shared and shared[0] in self._met else None
        return self._excluded is not None


def key_of(status: os.stat_result) -> int:
    """Return the key of a file, which is the same for all its names."""
    return (status.st_dev << 64) + status.st_ino

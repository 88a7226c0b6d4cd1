"""What directories take with all that is in them, from records in walk order: no more in memory than the way down."""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from scanner.model import Path, is_below

NO_FILES: Mapping[Path, os.stat_result] = {}


class Total(NamedTuple):
    """Of a directory and all below it: bytes, bytes on the disk, entries. `own`: the bytes of what is in it itself."""

    path: Path
    size: int
    disk: int
    entries: int
    own_size: int
    own_disk: int


class Tree:
    """Sums up. Each file counts once, for the first of its names in walk order, however the scan was divided.

    `roots`, in the order of the scan; those of them that are `files` were not scanned: what they are. With `every_name`
    files count for each of their names.
    """

    def __init__(
        self, roots: Sequence[Path], files: Mapping[Path, os.stat_result] = NO_FILES, *, every_name: bool = False
    ) -> None:
        self._roots = {root for root in roots if root not in files}
        self._coming = list(reversed(roots))
        self._files = files
        self._every_name = every_name
        self._open: list[list[Any]] = []  # path, size, disk, entries, own size, own disk; each below the one before
        self._met: set[int] = set()  # files with several names: 60 to 100 bytes each

    def add(self, records: bytes | memoryview) -> Iterator[Total]:
        """Add the records of one Chunk, from the sink `sizes`; yield the completed directories, the deepest first."""
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
        """Whether a record is of a directory that was met before."""
        return False

    def has_met(self, key: int) -> bool:
        """Whether the file of this key came under another name before."""
        return key in self._met

    def _files_before(self, root: Path | None) -> Iterator[Total]:
        """The roots up to this one (None: all) that are files, but for those that have counted already."""
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
        """Of files with several names, the bytes and blocks of those that came before; all have come now."""
        size = blocks = 0
        fields = iter(shared)
        for key, its_size, its_blocks in zip(fields, fields, fields, strict=True):
            if key in self._met:
                size, blocks = size + its_size, blocks + its_blocks
            self._met.add(key)
        return size, blocks

    def finish(self) -> Iterator[Total]:
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


def key_of(status: os.stat_result) -> int:
    """By which a file is known under all its names."""
    return (status.st_dev << 64) + status.st_ino

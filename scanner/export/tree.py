"""Add up directories with everything below them, from records in walk order. Memory holds the current path only."""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple

from scanner.fields import NULL, in_64_bits
from scanner.kernel.met import Key, key_of, met_files
from scanner.model import Path, PathText, is_below, prefix_of

NO_FILES: Mapping[Path, os.stat_result] = {}


class Total(NamedTuple, Generic[PathText]):
    """The sums of a directory with everything in it, of a root that is a file, or of a file in a directory.

    path           as str or bytes like the root
    size           apparent size in bytes, as `du --apparent-size` of coreutils up to 9.1: directories count
    disk           disk usage in bytes
    entries        number of files, directories and symbolic links, the directory itself included
    own_size, own_disk, own_entries
                   the same without sub-directories
    latest_ns      the latest time of all that counts, nanoseconds since 1970; None: not requested, or unknown
    own_latest_ns  the same without sub-directories
    is_directory   whether it is a directory
    """

    path: PathText
    size: int
    disk: int
    entries: int
    own_size: int
    own_disk: int
    own_entries: int = 0
    latest_ns: int | None = None
    own_latest_ns: int | None = None
    is_directory: bool = True


class OpenDirectory:
    """Sums of a directory to which more may come. `below`: of all sub-directories that are complete."""

    __slots__ = ("below_blocks", "below_entries", "below_latest", "below_size", "blocks", "entries", "latest", "path",
                 "size")  # fmt: skip

    def __init__(self, path: Any) -> None:
        self.path = path
        self.size = self.blocks = self.entries = 0
        self.below_size = self.below_blocks = self.below_entries = 0
        self.latest = self.below_latest = NULL

    def add(self, size: int, blocks: int, entries: int, latest: int) -> None:
        self.size += size
        self.blocks += blocks
        self.entries += entries
        self.latest = max(self.latest, latest)

    def add_below(self, other: OpenDirectory) -> None:
        self.below_size += other.size + other.below_size
        self.below_blocks += other.blocks + other.below_blocks
        self.below_entries += other.entries + other.below_entries
        self.below_latest = max(self.below_latest, other.latest, other.below_latest)

    def total(self) -> Total[Any]:
        own, every = self.latest, max(self.latest, self.below_latest)
        return Total(
            self.path, self.size + self.below_size, 512 * (self.blocks + self.below_blocks),
            self.entries + self.below_entries, self.size, 512 * self.blocks, self.entries,
            None if every == NULL else every, None if own == NULL else own,
        )  # fmt: skip


class Tree:
    """Sums up directories. A file counts once, for the first of its names in walk order, however Tasks were cut."""

    def __init__(
        self, roots: Sequence[Path], files: Mapping[Path, os.stat_result] = NO_FILES, *, every_name: bool = False,
        time: str | None = None,
    ) -> None:  # fmt: skip
        """Begin without any directory.

        roots       in the order of the scan
        files       status of the roots that are files, which no Task reads
        every_name  a file counts once for each of its names
        time        the field of which the latest is wanted
        """
        self._roots = {root for root in roots if root not in files}
        self._coming = list(reversed(roots))
        self._files = files
        self._every_name = every_name
        self._time = time
        self._open: list[OpenDirectory] = []  # each is below the one before
        self.met = met_files()

    def add(self, records: bytes | memoryview) -> Iterator[Total[Any]]:
        """Add the records that `DirectorySizes` made for one Chunk.

        Yield completed directories, the deepest first; before them their files, where the records have them.
        """
        for path, size, blocks, entries, latest, shared, files, key in marshal.loads(records) if records else ():
            if self._is_again(path, key):
                continue
            if not self._open or self._open[-1].path != path:
                while self._open and (path in self._roots or not is_below(path, self._open[-1].path)):
                    yield self._close()
                if path in self._roots:
                    yield from self._files_before(path)
                self._open.append(OpenDirectory(path))
            here = self._open[-1]
            here.add(size, blocks, entries, latest)
            if shared:
                here.add(*self.met.first(shared))
            if key is not None:
                self.met.add(*key)  # also if it is not selected, and so does not count
            if files:
                yield from self._add_files(here, files)

    def _is_again(self, path: Path, key: Key | None) -> bool:
        """Return whether a record belongs to a directory that was met before."""
        return False

    def _add_files(self, here: OpenDirectory, files: list[list[Any]]) -> Iterator[Total[Any]]:
        """Yield files of a directory. `files`: name, bytes, blocks, time; of shared files also device and inode."""
        prefix = prefix_of(here.path)
        for name, size, blocks, moment, *key in files:
            if not key or self.met.add(*key):
                here.add(size, blocks, 1, moment)
                yield total_of_file(prefix + name, size, 512 * blocks, None if moment == NULL else moment)

    def _files_before(self, root: Path | None) -> Iterator[Total[Any]]:
        """Yield the roots before `root` (None: all) that are files, without those that were counted already."""
        while self._coming:
            path = self._coming.pop()
            if path not in self._files:
                if path == root:
                    break
                continue
            status = self._files[path]
            if self.met.add(*key_of(status)) or self._every_name:
                moment = None if self._time is None else in_64_bits(getattr(status, f"st_{self._time}"))
                yield total_of_file(path, status.st_size, 512 * status.st_blocks, moment)

    def finish(self) -> Iterator[Total[Any]]:
        """Yield the directories that are still open, after the last Chunk."""
        while self._open:
            yield self._close()
        yield from self._files_before(None)

    def _close(self) -> Total[Any]:
        closed = self._open.pop()
        if self._open and closed.path not in self._roots:
            self._open[-1].add_below(closed)
        return closed.total()


class DistinctTree(Tree):
    """A Tree that skips a directory that was met before, with everything below it, as `du` does.

    Directories are met twice by symlinks, or where a file system is mounted twice.
    """

    _excluded: Path | None = None  # the skipped directory that the records belong to

    def _is_again(self, path: Any, key: Key | None) -> bool:
        above = self._excluded
        if above is not None and (path == above or (path not in self._roots and is_below(path, above))):
            return True
        is_first = not self._open or self._open[-1].path != path
        self._excluded = path if is_first and key is not None and key in self.met else None
        return self._excluded is not None


def total_of_file(path: Any, size: int, disk: int, moment: int | None) -> Total[Any]:
    return Total(path, size, disk, 1, size, disk, 1, moment, moment, is_directory=False)

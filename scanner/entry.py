"""`Entry`: one name with the fields that `stat` returns, made lazily from columns."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice, repeat
from typing import Any, Generic, NamedTuple

from scanner.fields import FIELDS, STATUS, TYPES, Columns, EntryType
from scanner.model import Chunk, Path, PathText, Walked, names, prefix_of, split
from scanner.owners import owner_of


class _Fields(NamedTuple, Generic[PathText]):
    path: PathText
    type: EntryType | None = None
    size: int | None = None
    blocks: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    ino: int | None = None
    dev: int | None = None
    nlink: int | None = None
    mtime_ns: int | None = None
    ctime_ns: int | None = None
    atime_ns: int | None = None


class Entry(_Fields[PathText]):
    """A file, directory or symbolic link with its fields. It is a path-like object: `open(entry)` works.

    path       str or bytes, like the root
    type       f, d, l, p, s, b or c, as in `find -type`
    size       bytes; for a symbolic link, the length of its target's name
    blocks     disk usage in blocks of 512 bytes
    mode, uid, gid, ino, dev, nlink
               as in `os.stat_result`
    mtime_ns, ctime_ns, atime_ns
               nanoseconds since 1970, clamped to 64 bits: from 1677-09-21 to 2262-04-11

    Fields that were not requested, or are unavailable, are None. The fields of a symbolic link describe the link
    itself, unless `followlinks` is set.

    The methods are those of os.DirEntry. Where the fields suffice, they need no system call.
    """

    __slots__ = ()

    @property
    def name(self) -> PathText:
        """The last component of the path."""
        path: Any = self.path
        name: PathText = os.path.basename(path) or path
        return name

    def __fspath__(self) -> PathText:
        return self.path

    def __repr__(self) -> str:
        """Show the fields that have a value."""
        known = ((name, value) for name, value in zip(self._fields, self, strict=True) if value is not None)
        return f"Entry({', '.join(f'{name}={value!r}' for name, value in known)})"

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether this is a directory, or a symbolic link to one if `follow_symlinks` is set.

        A system call is needed for a link, and without the field `type`. As in os.DirEntry, the answer for a path that
        does not exist any more is False.
        """
        return stat.S_ISDIR(self._format(follow_symlinks))

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether this is a regular file, or a symbolic link to one. See `is_dir`."""
        return stat.S_ISREG(self._format(follow_symlinks))

    def is_symlink(self) -> bool:
        """Return whether this is a symbolic link. See `is_dir`."""
        return stat.S_ISLNK(self._format(follow=False))

    def _format(self, follow: bool) -> int:
        """Return the file type bits of the mode; 0 for a path that does not exist any more."""
        if self.type is not None and not (follow and self.type == "l"):
            return FORMATS[self.type]
        try:
            return stat.S_IFMT(os.stat(self.path, follow_symlinks=follow).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return an os.stat_result made of the fields, without a system call; for a symbolic link, that of its target.

        The result of a link's target is requested from the system. `st_blksize` and `st_rdev` are None.

        Raises ValueError if fields are missing, and names them: scan with `stat=True`. Raises OSError for a link that
        leads nowhere.
        """
        if self.type == "l" and follow_symlinks:
            return os.stat(self.path)
        if missing := [name for name in STATUS if getattr(self, name) is None]:
            raise ValueError(
                f"{self.path!r} lacks the fields {', '.join(missing)}: they were not requested "
                "(stat=True requests all), or are unavailable (see the errors of the scan)"
            )
        return status_of(self)

    @property
    def mtime(self) -> float | None:
        """The time of the last modification in seconds since 1970, like `st_mtime`. It has no exact nanoseconds."""
        return None if self.mtime_ns is None else seconds_of(self.mtime_ns)

    @property
    def owner(self) -> str | None:
        """The name of the user `uid`, or the number as text if there is no name, as in `ls -l`."""
        return None if self.uid is None else owner_name(self.uid)


FORMATS = {letter: bits for bits, letter in TYPES.items()} | {"?": 0}
owner_name = lru_cache(maxsize=4096)(owner_of)


def seconds_of(nanoseconds: int) -> float:
    """Return a time as `os.stat` does: not the nearest float, but the same one."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return seconds + 1e-9 * rest


def status_of(entry: Entry[Any]) -> os.stat_result:
    """Return the os.stat_result of an entry that has all fields."""
    times = [getattr(entry, name) for name in ("atime_ns", "mtime_ns", "ctime_ns")]
    some = [getattr(entry, name) for name in ("mode", "ino", "dev", "nlink", "uid", "gid", "size")]
    named = {f"st_{letter}time": seconds_of(time) for letter, time in zip("amc", times, strict=True)}
    named |= {f"st_{letter}time_ns": time for letter, time in zip("amc", times, strict=True)}
    return os.stat_result([*some, *(time // 10**9 for time in times)], {**named, "st_blocks": entry.blocks})


class Part(NamedTuple):
    """Position of the rows of a directory, or of a part of one, in a table: its own row, its files, its links."""

    table: bytes  # 64-bit numbers
    start: int
    files: int
    links: Any
    entered: int


_make = partial(tuple.__new__, Entry)


def made(columns: Columns, paths: Sequence[Any], rows: memoryview) -> Iterator[Entry]:
    """Return the entries of `paths`, whose fields are in `rows`."""
    values = columns.values(rows)
    some = [values.get(name, repeat(None)) for name in FIELDS]
    return map(_make, zip(paths, *some, strict=False))


def entries_of(columns: Columns, table: bytes | memoryview, as_bytes: bool) -> Iterator[Entry]:
    """Return the entries in the output of the producer `table`."""
    joined, rows = columns.take_apart(table)
    if not joined:
        return iter(())
    paths: Any = joined.split(b"\0") if as_bytes else os.fsdecode(joined).split("\0")
    return made(columns, paths, rows)


class Stated:
    """The fields of all entries of a result: columns in the order of arrival, and the position of each directory."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = fields
        self._columns = Columns(fields)
        self._chunks: list[tuple[Any, Any, bytes, bytes]] = []
        self._parts: dict[Path, list[Part]] = {}

    def add(self, chunk: Chunk) -> None:
        if chunk.listings:
            paths, _, links, _ = chunk.listings
            self._chunks.append((paths, links, *chunk.table))

    def _parts_of(self, path: Path) -> list[Part]:
        """Return the parts of a directory. The first call indexes all Chunks."""
        for paths, all_links, rows, counts in self._chunks:
            numbers, start = memoryview(counts).cast("i").tolist(), 0
            listings = split((paths, all_links))
            for (each, links), files, entered in zip(listings, numbers[::2], numbers[1::2], strict=True):
                self._parts.setdefault(each, []).append(Part(rows, start, files, links, entered))
                start += 1 + files + entered
        self._chunks.clear()
        return self._parts.get(path, [])

    def entries(self, walked: Walked) -> Iterator[Entry]:
        """Yield the directory itself, its files, then its directories that are not entered."""
        for paths, rows in self.runs(walked):
            yield from made(self._columns, paths, rows)

    def runs(self, walked: Walked) -> Iterator[tuple[list[Any], memoryview]]:
        """Yield the entries of `entries` as paths and their rows, in runs."""
        path, _, files = walked
        prefix = prefix_of(path)
        left = iter(files)
        shut: list[tuple[list[Any], memoryview]] = []
        for number, part in enumerate(self._parts_of(path)):
            paths = [prefix + name for name in islice(left, part.files)]
            if not number:
                paths.insert(0, path)
            after = part.start + 1 + part.files
            yield paths, self._rows(part.table, after - len(paths), after)
            below = [prefix + name for name in names(part.links)]
            shut.append((below, self._rows(part.table, after, after + part.entered)))
        yield from shut

    def _rows(self, rows: bytes, first: int, last: int) -> memoryview:
        """Return a range of each column."""
        table = memoryview(rows).cast("q")
        size = len(table) // self._columns.width
        columns = [table[start + first : start + last] for start in range(0, len(table), size)]
        return memoryview(b"".join(columns)).cast("q")


assert _Fields._fields[1:] == FIELDS

"""Pack listings and rows of directories into Chunks: names for tuples, bytes for a producer, or counts only.

The names of files are packed where a directory is read, in one of the forms in `native`. So the compiled reader makes
no Python object for each name.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from scanner.encoding import ENCODING, ERRORS
from scanner.fields import FIRST, LAST, NULL, TIMES
from scanner.kernel.native import JOINED, LINES, LIST, WITH_ROWS
from scanner.model import Fault, joined, prefix_of
from scanner.options import ScanOptions

if TYPE_CHECKING:
    from scanner.kernel.facts import ScanFacts
    from scanner.kernel.native import WalkedRun

NULL_BYTES = struct.pack("q", NULL)
ENDS = (struct.pack("q", FIRST), struct.pack("q", LAST))
NO_TARGETS: Mapping[int, bytes] = {}
SUMS = ("sizes", "summary")
"""Producers that add up sizes."""


class ReadPart(NamedTuple):
    """A directory, or a part of a huge one, as a Reader returns it.

    dirs        names of sub-directories
    links       names among `dirs` that are not entered
    files       names of all other entries, packed in the form of the scan
    file_count  number of these entries
    faults      without a (whole) listing the last one gives the reason
    more        whether the directory has more entries to read
    entries     number of entries read, before filters
    """

    dirs: list[Any]
    links: list[Any]
    files: Any
    file_count: int
    faults: list[Fault]
    more: bool
    entries: int


def no_listing(fault: Fault) -> ReadPart:
    """Return the ReadPart of an unreadable directory."""
    return ReadPart([], [], [], 0, [fault], False, 0)


class FilesWithRows(NamedTuple):
    """The names of files, joined, with rows of columns (see `status`).

    `rows`: rows of the directory itself, then of its files; `links`: rows of sub-directories that are not entered;
    `excluded`: excluded names, for a producer that records them. `targets`: targets of symlinks, by
    their row in `rows`.
    """

    names: Any
    rows: bytes
    links: bytes = b""
    excluded: Sequence[Any] = ()
    targets: Mapping[int, bytes] = NO_TARGETS


def pack(names: list[Any], path: Any, form: int, separator: bytes) -> Any:
    """Pack the names of files in `path`."""
    if form == JOINED:
        return join(names, path)
    if form == LINES and names:
        prefix, between = prefix_of(path), separator.decode()
        # Encoded directory by directory: encoding all at once copies them once more, outside of the processor cache.
        return (prefix + (between + prefix).join(names) + between).encode(ENCODING, ERRORS)
    return names if form == LIST else b""


def join(names: list[Any], path: Any) -> Any:
    """Join names by NULs: one large string is cheap to send, and is split only when the names are needed."""
    separator: Any = "\0" if isinstance(path, str) else b"\0"
    return separator.join(names)


class Rows:
    """Columns, joined from those of several directories. `numbers`: the columns to keep, of `width` in all."""

    def __init__(self, numbers: Sequence[int], width: int) -> None:
        self._numbers, self._width = numbers, width
        self._columns: list[list[bytes]] = [[] for _ in numbers]

    def add(self, rows: bytes, start: int = 0) -> None:
        """Add columns that follow one another, without their first `start` values."""
        size = len(rows) // self._width if self._width else 0
        for number, column in zip(self._numbers, self._columns, strict=True):
            column.append(rows[number * size + 8 * start : (number + 1) * size])

    def joined(self) -> bytes:
        return b"".join([value for column in self._columns for value in column])


class DeviceColumn:
    """Changes rows by their device numbers.

    Rows of other file systems become NULL where sizes are added up, as `du -x` does: such rows belong to files that are
    mount points, and to targets of symlinks. On a cluster, the numbers of one machine replace those of the others.
    """

    def __init__(self, options: ScanOptions, columns: Sequence[str]) -> None:
        sums = options.one_file_system and any(producer.kind in SUMS for producer in options.producers or ())
        self._width, self._dev = len(columns), columns.index("dev") if "dev" in columns else -1
        self._canonical = options.canonical
        self.has_one = sums and self._dev >= 0
        self.is_needed = self.has_one or (self._canonical is not None and self._dev >= 0)

    def changed(self, rows: bytes, device: int) -> bytes:
        """Return the rows, with NULL in those of another device than this one where only one counts."""
        rows = self._only(device, rows) if self.has_one else rows
        return rows if self._canonical is None else self._renumbered(rows, self._canonical)

    def _column(self, rows: bytes) -> slice:
        count = len(rows) // (8 * self._width)
        return slice(8 * self._dev * count, 8 * (self._dev + 1) * count)

    def _only(self, device: int, rows: bytes) -> bytes:
        count = len(rows) // (8 * self._width)
        if rows[self._column(rows)] == struct.pack("Q", device) * count:
            return rows
        devices = memoryview(rows).cast("q")[self._dev * count : (self._dev + 1) * count]
        return without_rows(rows, self._width, [row for row, each in enumerate(devices) if each != device])

    def _renumbered(self, rows: bytes, canonical: Callable[[int], int]) -> bytes:
        column = self._column(rows)
        before = rows[column]
        if not before:
            return rows
        first = before[:8]
        if before == first * (len(before) // 8):  # nearly always
            after = _renumber(first, canonical) * (len(before) // 8)
        else:
            after = b"".join(_renumber(before[at : at + 8], canonical) for at in range(0, len(before), 8))
        return rows if after == before else rows[: column.start] + after + rows[column.stop :]


def without_rows(rows: bytes, width: int, some: Sequence[int]) -> bytes:
    """Return the columns with NULL in `some` rows."""
    values = array("q", rows)
    count = len(values) // width
    for row in some:
        values[row::count] = array("q", [NULL]) * width
    return values.tobytes()


def _renumber(number: bytes, canonical: Callable[[int], int]) -> bytes:
    return number if number == NULL_BYTES else struct.pack("Q", canonical(struct.unpack("Q", number)[0]))


def times_among(columns: Sequence[str]) -> list[int]:
    """Return the numbers of the columns whose values may be clamped."""
    return [number for number, name in enumerate(columns) if name in TIMES]


def count_clamped(rows: bytes, numbers: Sequence[int], width: int, start: int = 0) -> int:
    """Count the values, from row `start` on, that are at an end of what 64 bits hold, in the columns `numbers`."""
    size = len(rows) // width if width else 0
    count = 0
    for number in numbers:
        column = rows[number * size + 8 * start : (number + 1) * size]
        if any(end in column for end in ENDS):  # rare, and only a hint: the bytes may belong to two values
            values = memoryview(column).cast("q").tolist()
            count += values.count(FIRST) + values.count(LAST)
    return count


def without_first(rows: bytes, width: int) -> bytes:
    """Return the columns without the first value of each."""
    kept = Rows(range(width), width)
    kept.add(rows, 1)
    return kept.joined()


class Packer(Protocol):
    """Collects the directories of one Chunk.

    `add` takes a directory, or a part of one, with its files in the form of the scan. `unread` takes a directory
    without a listing, with the reason, and with its row if one is known. `add_run` takes a run, with names in the form
    `run_form`, and lines that end with `run_separator`.

    keeps_broken  names read before a listing broke off are kept
    clamped       number of times in its columns that exceed 64 bits
    """

    keeps_broken: bool
    run_form: int
    run_separator: bytes
    clamped: int

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None: ...
    def add_run(self, run: WalkedRun) -> None: ...
    def unread(self, path: Any, row: bytes, fault: Fault) -> None: ...
    def table(self) -> list[bytes]: ...
    def listings(self) -> tuple[Any, ...]: ...
    def output(self) -> bytes: ...


class ListPacker:
    """Keeps lists, for a consumer in this process."""

    run_form, run_separator = JOINED, b""
    clamped = 0

    def __init__(self, keeps_broken: bool) -> None:
        self.keeps_broken = keeps_broken  # os.walk yields no tuple for a directory whose listing broke off
        self._fields: tuple[list[Any], list[Any], list[Any], list[Any]] = [], [], [], []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        for field, value in zip(self._fields, (path, dirs, links, files), strict=True):
            field.append(value)

    def add_run(self, run: WalkedRun) -> None:
        raise NotImplementedError("names that were read in C are joined")

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        pass

    def table(self) -> list[bytes]:
        return []

    def listings(self) -> tuple[Any, ...]:
        return self._fields if self._fields[0] else ()

    def output(self) -> bytes:
        return b""


class JoinedPacker(ListPacker):
    """Joins all names, for a consumer in another process."""

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        super().add(path, join(dirs, path), join(links, path), files, first)

    def add_run(self, run: WalkedRun) -> None:
        if run.directories:
            for field, value in zip(self._fields, run.names, strict=True):
                field.append(value)

    def listings(self) -> tuple[Any, ...]:
        return joined(super().listings())


class RowsPacker(JoinedPacker):
    """Joins all names, and the rows of columns of each."""

    def __init__(self, keeps_broken: bool, columns: Sequence[str]) -> None:
        super().__init__(keeps_broken)
        width = len(columns)
        self._rows, self._counts, self._width = Rows(range(width), width), array("i"), width
        self._times = times_among(columns)

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        with_rows = files if isinstance(files, FilesWithRows) else FilesWithRows(path[:0], b"")
        super().add(path, dirs, links, with_rows.names, first)
        for rows, start in ((with_rows.rows, 0 if first else 1), (with_rows.links, 0)):
            self._rows.add(rows)
            self.clamped += count_clamped(rows, self._times, self._width, start)
        self._counts.extend((len(with_rows.rows) // (8 * self._width) - 1, len(with_rows.links) // (8 * self._width)))

    def add_run(self, run: WalkedRun) -> None:
        super().add_run(run)
        self._rows.add(run.rows)
        self.clamped += count_clamped(run.rows, self._times, self._width)
        self._counts.frombytes(run.counts)

    def table(self) -> list[bytes]:
        return [self._rows.joined(), self._counts.tobytes()]


def new_packer(options: ScanOptions, facts: ScanFacts) -> Packer:
    if options.producers is None:
        if facts.form == WITH_ROWS:
            return RowsPacker(options.partial_listings, facts.columns)
        return (JoinedPacker if facts.form == JOINED else ListPacker)(options.partial_listings)
    from scanner.kernel.producers import producer_of  # not needed otherwise

    return producer_of(options)

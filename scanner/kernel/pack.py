"""What a Chunk holds of each Listing: names for tuples, finished bytes for a sink of paths, or counts only.

The names of files are packed where the directory is read, in one of five forms, so that the compiled reader need not
make a Python object of each.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Protocol

from scanner.fields import columns_of
from scanner.kernel.part import Stated
from scanner.kernel.rows import Rows, count_clamped, times_among
from scanner.kernel.runs import Run
from scanner.model import ENCODING, ERRORS, Fault, prefix_of
from scanner.options import ScanOptions

LIST, JOINED, LINES, COUNT, STATED = range(5)  # as in _listing.c, which does not know the last
"""Names in a list; in one string with NULs between them; as the lines that a sink of paths writes; not at all;
or joined, with what `stat` tells about each."""


def form_of(options: ScanOptions, *, joined: bool) -> int:
    """`joined`: the Chunk will travel to another process."""
    if options.sinks is None:
        return STATED if options.stat else JOINED if joined else LIST
    if not options.sinks:
        return COUNT
    return LINES if not options.stat and [sink.kind for sink in options.sinks] == ["paths"] else STATED


def pack(names: list[Any], path: Any, form: int, separator: bytes) -> Any:
    """Names of files in `path`, in the form that is wanted."""
    if form == JOINED:
        return join(names, path)
    if form == LINES and names:
        prefix, between = prefix_of(path), separator.decode()
        # Encoded directory by directory: all at once would be copied once more, through memory that is cold.
        return (prefix + (between + prefix).join(names) + between).encode(ENCODING, ERRORS)
    return names if form == LIST else b""


def join(names: list[Any], path: Any) -> Any:
    """One large string: cheap to send, and not taken apart again before somebody looks at it."""
    separator: Any = "\0" if isinstance(path, str) else b"\0"
    return separator.join(names)


class Packer(Protocol):
    """Collects the Listings of one Chunk. `keeps_broken`: names read before a listing broke off are kept.

    `add` takes a Listing, or a part of one, with its files in the form that is wanted; `unread` a directory that is
    there but has none, and why, with the row of it if rows are wanted and it can be asked about; `add_run` takes what
    was walked at once, with names in the form `run_form`, and lines that end with `run_separator`. `clamped`: times in
    its columns that 64 bits do not hold.
    """

    keeps_broken: bool
    run_form: int
    run_separator: bytes
    clamped: int

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None: ...
    def add_run(self, run: Run) -> None: ...
    def unread(self, path: Any, row: bytes, fault: Fault) -> None: ...
    def table(self) -> list[bytes]: ...
    def listings(self) -> tuple[Any, ...]: ...
    def output(self) -> bytes: ...


class Names:
    """Lists as they were read, for a consumer in this process."""

    run_form, run_separator = JOINED, b""
    clamped = 0

    def __init__(self, keeps_broken: bool) -> None:
        self.keeps_broken = keeps_broken  # os.walk gives no tuple for a directory whose listing broke off
        self._fields: tuple[list[Any], list[Any], list[Any], list[Any]] = [], [], [], []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        for field, value in zip(self._fields, (path, dirs, links, files), strict=True):
            field.append(value)

    def add_run(self, run: Run) -> None:
        raise NotImplementedError("names that were read in C are joined")

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        pass

    def table(self) -> list[bytes]:
        return []

    def listings(self) -> tuple[Any, ...]:
        return self._fields if self._fields[0] else ()

    def output(self) -> bytes:
        return b""


class JoinedNames(Names):
    """All names joined, for a consumer in another process."""

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        super().add(path, join(dirs, path), join(links, path), files, first)

    def add_run(self, run: Run) -> None:
        if run.directories:
            for field, value in zip(self._fields, run.names, strict=True):
                field.append(value)

    def listings(self) -> tuple[Any, ...]:
        paths, *fields = super().listings() or ((),)
        if not paths:
            return ()
        nul, slash = ("\0", "/") if isinstance(paths[0], str) else (b"\0", b"/")
        return (nul.join(paths), *(slash.join(field) for field in fields))


class StatedNames(JoinedNames):
    """And what is known of each."""

    def __init__(self, keeps_broken: bool, columns: Sequence[str]) -> None:
        super().__init__(keeps_broken)
        width = len(columns)
        self._rows, self._counts, self._width = Rows(range(width), width), array("i"), width
        self._times = times_among(columns)

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        stated = files if isinstance(files, Stated) else Stated(path[:0], b"")
        super().add(path, dirs, links, stated.files, first)
        for rows, start in ((stated.rows, 0 if first else 1), (stated.links, 0)):
            self._rows.add(rows)
            self.clamped += count_clamped(rows, self._times, self._width, start)
        self._counts.extend((len(stated.rows) // (8 * self._width) - 1, len(stated.links) // (8 * self._width)))

    def add_run(self, run: Run) -> None:
        super().add_run(run)
        self._rows.add(run.rows)
        self.clamped += count_clamped(run.rows, self._times, self._width)
        self._counts.frombytes(run.counts)

    def table(self) -> list[bytes]:
        return [self._rows.joined(), self._counts.tobytes()]


def new_packer(options: ScanOptions, form: int) -> Packer:
    if options.sinks is None:
        if form == STATED:
            return StatedNames(options.partial_listings, columns_of(options.fields))
        return (JoinedNames if form == JOINED else Names)(options.partial_listings)
    from scanner.kernel.sinks import producer_of  # not needed otherwise

    return producer_of(options)

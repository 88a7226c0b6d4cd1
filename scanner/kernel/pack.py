"""What a Chunk holds of each Listing: names for tuples, finished bytes for a sink of paths, or counts only.

The names of files are packed where the directory is read, in one of four forms, so that the compiled reader need not
make a Python object of each.
"""

from __future__ import annotations

from typing import Any, Protocol

from scanner.model import ENCODING, ERRORS, prefix_of
from scanner.options import ScanOptions

LIST, JOINED, LINES, COUNT = range(4)  # as in _listing.c
"""Names in a list; in one string with NULs between them; as the lines that a sink of paths writes; not at all."""


def form_of(options: ScanOptions, *, joined: bool) -> int:
    """`joined`: the Chunk will travel to another process."""
    if options.packing == "names":
        return JOINED if joined else LIST
    return LINES if options.packing == "paths" else COUNT


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
    there but has none.
    """

    keeps_broken: bool

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None: ...
    def unread(self, path: Any) -> None: ...
    def listings(self) -> list[Any]: ...
    def output(self) -> bytes: ...


class Names:
    """Lists as they were read, for a consumer in this process."""

    def __init__(self, keeps_broken: bool) -> None:
        self.keeps_broken = keeps_broken  # os.walk gives no tuple for a directory whose listing broke off
        self._listings: list[Any] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        self._listings += (path, dirs, links, files)

    def unread(self, path: Any) -> None:
        pass

    def listings(self) -> list[Any]:
        return self._listings

    def output(self) -> bytes:
        return b""


class JoinedNames(Names):
    """All names joined, for a consumer in another process."""

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        if dirs:
            self._listings += (path, join(dirs, path), join(links, path), files)
        else:
            self._listings += (path, path[:0], path[:0], files)


class Paths:
    """The path of each directory, then of each of its files, as bytes."""

    keeps_broken = True

    def __init__(self, separator: bytes) -> None:
        self._separator = separator
        self._lines: list[bytes] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        if first:
            self.unread(path)
        if files:
            self._lines.append(files)
        for name in links:
            self.unread(prefix_of(path) + name)

    def unread(self, path: Any) -> None:
        self._lines += (path.encode(ENCODING, ERRORS), self._separator)

    def listings(self) -> list[Any]:
        return []

    def output(self) -> bytes:
        return b"".join(self._lines)


class Counts:
    keeps_broken = True

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        pass

    def unread(self, path: Any) -> None:
        pass

    def listings(self) -> list[Any]:
        return []

    def output(self) -> bytes:
        return b""


def new_packer(options: ScanOptions, form: int) -> Packer:
    if form == LINES:
        return Paths(options.separator)
    if form == COUNT:
        return Counts()
    return JoinedNames(options.partial_listings) if form == JOINED else Names(options.partial_listings)

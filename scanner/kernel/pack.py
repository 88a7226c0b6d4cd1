"""What a Chunk holds of each Listing: names for tuples, finished bytes for a sink of paths, or counts only."""

from __future__ import annotations

from typing import Any, Protocol

from scanner.model import ENCODING, ERRORS, prefix_of
from scanner.options import Packing


class Packer(Protocol):
    """Collects the Listings of one Chunk. `keeps_broken`: names read before a listing broke off are kept.

    `add` takes a Listing, or a part of one, `unread` a directory that is there but has none.
    """

    keeps_broken: bool

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None: ...
    def unread(self, path: Any) -> None: ...
    def listings(self) -> list[Any]: ...
    def output(self) -> bytes: ...


class Names:
    """Lists as they were read, for a consumer in this process."""

    def __init__(self, keeps_broken: bool) -> None:
        self.keeps_broken = keeps_broken  # os.walk gives no tuple for a directory whose listing broke off
        self._listings: list[Any] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None:
        self._listings += (path, dirs, links, files)

    def unread(self, path: Any) -> None:
        pass

    def listings(self) -> list[Any]:
        return self._listings

    def output(self) -> bytes:
        return b""


class JoinedNames(Names):
    """Names joined to few large strings at once, while they are in the processor's cache: cheap to send, and not
    taken apart again before somebody looks at them.
    """

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None:
        separator: Any = "\0" if isinstance(path, str) else b"\0"
        join = separator.join
        self._listings += (path, join(dirs), join(links), join(files))


class Paths:
    """The path of each directory, then of each of its files, as bytes."""

    keeps_broken = True

    def __init__(self, separator: bytes) -> None:
        self._separator = separator
        self._between = separator.decode()
        self._lines: list[bytes] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None:
        # Encoded directory by directory: all at once would be copied once more, through memory that is cold.
        if first:
            self._lines.append(path.encode(ENCODING, ERRORS))
        if files:
            prefix = prefix_of(path)
            lines = prefix + (self._between + prefix).join(files)
            self._lines.append(lines.encode(ENCODING, ERRORS))

    def unread(self, path: Any) -> None:
        self._lines.append(path.encode(ENCODING, ERRORS))

    def listings(self) -> list[Any]:
        return []

    def output(self) -> bytes:
        self._lines.append(b"")
        return self._separator.join(self._lines)


class Counts:
    keeps_broken = True

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None:
        pass

    def unread(self, path: Any) -> None:
        pass

    def listings(self) -> list[Any]:
        return []

    def output(self) -> bytes:
        return b""


def new_packer(packing: Packing, separator: bytes, *, keeps_broken: bool, joined: bool) -> Packer:
    """`joined`: the Chunk will travel to another process."""
    if packing == "names":
        return JoinedNames(keeps_broken) if joined else Names(keeps_broken)
    return Paths(separator) if packing == "paths" else Counts()

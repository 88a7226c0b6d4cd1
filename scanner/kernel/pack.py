"""What a Chunk holds of each Listing: names for tuples, finished bytes for a sink of paths, or counts only."""

from __future__ import annotations

from typing import Any, Protocol

from scanner.model import prefix_of
from scanner.options import Packing


class Packer(Protocol):
    """Collects the Listings of one Chunk. `keeps_broken`: names read before a listing broke off are kept."""

    keeps_broken: bool

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None: ...
    def listings(self) -> list[Any]: ...
    def output(self) -> bytes: ...


class Names:
    """Lists as they were read, for a consumer in this process."""

    keeps_broken = False  # os.walk gives no tuple for a directory whose listing broke off

    def __init__(self) -> None:
        self._listings: list[Any] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None:
        self._listings += (path, dirs, links, files)

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
    """The path of each directory, then of each of its files; roots are bytes, so nothing is decoded."""

    keeps_broken = True

    def __init__(self, separator: bytes) -> None:
        self._separator = separator
        self._lines: list[bytes] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None:
        if first:
            self._lines.append(path)
        if files:
            prefix = prefix_of(path)
            self._lines.append(prefix + (self._separator + prefix).join(files))

    def listings(self) -> list[Any]:
        return []

    def output(self) -> bytes:
        self._lines.append(b"")
        return self._separator.join(self._lines)


class Counts:
    keeps_broken = True

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: list[Any], first: bool) -> None:
        pass

    def listings(self) -> list[Any]:
        return []

    def output(self) -> bytes:
        return b""


def new_packer(packing: Packing, separator: bytes, *, joined: bool) -> Packer:
    """`joined`: the Chunk will travel to another process."""
    if packing == "names":
        return JoinedNames() if joined else Names()
    return Paths(separator) if packing == "paths" else Counts()

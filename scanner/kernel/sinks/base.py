"""What all sinks have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scanner.kernel.part import Stated
from scanner.model import Fault


class Sink:
    """For a consumer that takes bytes only."""

    keeps_broken = True

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        if isinstance(files, Stated):  # there was no listing, otherwise
            self.take(path, links, files, first)

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        """What was read of the directory `path`: itself, if this is the `first` of it and it is shown, files, links."""

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        pass

    def table(self) -> list[bytes]:
        return []

    def listings(self) -> list[Any]:
        return []

    def output(self) -> bytes:
        return b""


class Several(Sink):
    """More than one, of one scan."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        for sink in self._sinks:
            sink.add(path, dirs, links, files, first)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        for sink in self._sinks:
            sink.unread(path, row, fault)

    def output(self) -> bytes:
        """The length of each, in 8 bytes, then all of them."""
        outputs = [sink.output() for sink in self._sinks]
        return b"".join([*(len(each).to_bytes(8, "little") for each in outputs), *outputs])


def apart(output: bytes | memoryview, count: int) -> Sequence[bytes | memoryview]:
    """What each of so many sinks has made."""
    if count == 1:
        return [output]
    view = memoryview(output)
    parts, start = [], 8 * count
    for number in range(count):
        length = int.from_bytes(view[8 * number : 8 * number + 8], "little")
        parts.append(view[start : start + length])
        start += length
    return parts

"""What all sinks have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from scanner.kernel.pack import COUNT, JOINED
from scanner.kernel.part import Stated
from scanner.kernel.runs import Run
from scanner.model import Fault, names


class Sink:
    """For a consumer that takes bytes only. Of a run a Sink gets each directory, unless it can do better."""

    keeps_broken = True
    run_form, run_separator = COUNT, b""
    width = 0  # of rows
    clamped = 0

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        if isinstance(files, Stated):  # there was no listing, otherwise
            self.take(path, links, files, first)

    def take(self, path: Any, links: list[Any], stated: Stated, first: bool) -> None:
        """What was read of the directory `path`: itself, if this is the `first` of it and it is shown, files, links."""

    def add_run(self, run: Run) -> None:
        if self.run_form == JOINED:
            for path, dirs, links, files, rows, link_rows in run.apart(self.width):
                self.add(path, names(dirs), names(links), Stated(files, rows, link_rows), True)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        pass

    def table(self) -> list[bytes]:
        return []

    def listings(self) -> tuple[Any, ...]:
        return ()

    def output(self) -> bytes:
        return b""


class Several(Sink):
    """More than one, of one scan."""

    run_form = JOINED

    def __init__(self, sinks: Sequence[Sink], width: int) -> None:
        self._sinks = sinks
        self.width = width

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        for sink in self._sinks:
            sink.add(path, dirs, links, files, first)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        for sink in self._sinks:
            sink.unread(path, row, fault)

    @property
    def clamped(self) -> int:  # type: ignore[override]
        return sum(sink.clamped for sink in self._sinks)

    def output(self) -> bytes:
        """The length of each, in 8 bytes, then all of them."""
        outputs = [sink.output() for sink in self._sinks]
        return b"".join([*(len(each).to_bytes(8, "little") for each in outputs), *outputs])


CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""DEL, C1, and what turns the direction of writing: JSON may hold them as they are, and terminals obey them."""


def json_escaped(text: str) -> str:
    """JSON in which no control character is as it is. ncdu takes DEL only so."""
    return (
        text if text.isascii() and "\x7f" not in text else CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    )


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

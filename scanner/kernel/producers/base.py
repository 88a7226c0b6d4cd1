"""Base classes of producers, and how the outputs of several travel as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scanner.kernel.native import COUNT, JOINED, LINES, WalkedRun
from scanner.kernel.pack import NO_TARGETS, FilesWithRows
from scanner.kernel.status import nothing
from scanner.model import Fault, names, prefix_of


class Producer:
    """Produces bytes from entries: a Packer (see `pack`) without listings. This one produces nothing.

    A subclass overrides `take`, and `add_run` if it can use a whole run at once.
    """

    keeps_broken = True
    run_form, run_separator = COUNT, b""
    width = 0  # columns in a row
    clamped = 0

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        if isinstance(files, FilesWithRows):  # otherwise there is no listing
            self.take(path, links, files, first)

    def take(self, path: Any, links: list[Any], files: FilesWithRows, first: bool) -> None:
        """Add the directory `path`, its files and its links. `first`: `files` is the first part of the directory."""

    def add_run(self, run: WalkedRun) -> None:
        if self.run_form == JOINED:
            self.add_joined_run(run)

    def add_joined_run(self, run: WalkedRun) -> None:
        """Add a run whose names are JOINED, whatever `run_form` is: several producers need it at once."""
        for path, dirs, links, files, rows, link_rows in run.by_directory(self.width):
            self.add(path, names(dirs), names(links), FilesWithRows(files, rows, link_rows), True)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        pass

    def table(self) -> list[bytes]:
        return []

    def listings(self) -> tuple[Any, ...]:
        return ()

    def output(self) -> bytes:
        return b""


class EntryProducer(Producer):
    """A producer with a record for each entry: directory, its files, then links that are not entered."""

    run_form, run_separator = LINES, b"\0"

    def add_entries(self, paths: Any, rows: bytes, start: int = 0, targets: Mapping[int, bytes] = NO_TARGETS) -> None:
        """Add entries by their paths, joined by NULs, and their rows from row `start` on. `targets`: by row."""
        raise NotImplementedError

    def take(self, path: Any, links: list[Any], files: FilesWithRows, first: bool) -> None:
        prefix, nul = prefix_of(path), nul_of(path)
        paths = prefix + files.names.replace(nul, nul + prefix) if files.names else files.names
        if first:
            self.add_entries(path + nul + paths if paths else path, files.rows, 0, files.targets)
        elif paths:
            self.add_entries(paths, files.rows, 1, files.targets)
        if links:
            self.add_entries(nul.join([prefix + name for name in links]), files.links)

    def add_run(self, run: WalkedRun) -> None:
        if run.names[3]:
            self.add_entries(run.names[3][:-1], run.rows)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        self.add_entries(path, row or nothing(self.width, 1))


class CombinedProducer(Producer):
    """Several producers of one scan."""

    run_form = JOINED

    def __init__(self, producers: Sequence[Producer], width: int) -> None:
        self._producers = producers
        self.width = width

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        for producer in self._producers:
            producer.add(path, dirs, links, files, first)

    def add_run(self, run: WalkedRun) -> None:
        for producer in self._producers:
            producer.add_joined_run(run)

    def unread(self, path: Any, row: bytes, fault: Fault) -> None:
        for producer in self._producers:
            producer.unread(path, row, fault)

    @property
    def clamped(self) -> int:  # type: ignore[override]
        return sum(producer.clamped for producer in self._producers)

    def output(self) -> bytes:
        """Return the length of each output in 8 bytes, then all outputs; `apart` reverses it."""
        outputs = [producer.output() for producer in self._producers]
        return b"".join([*(len(output).to_bytes(8, "little") for output in outputs), *outputs])


def apart(output: bytes | memoryview, count: int) -> Sequence[bytes | memoryview]:
    """Split the output of `count` producers into the output of each."""
    if count == 1:
        return [output]
    view = memoryview(output)
    parts, start = [], 8 * count
    for number in range(count):
        length = int.from_bytes(view[8 * number : 8 * number + 8], "little")
        parts.append(view[start : start + length])
        start += length
    return parts


def nul_of(path: Any) -> Any:
    """Return NUL, the separator of joined names, in the type of `path`."""
    return "\0" if isinstance(path, str) else b"\0"


def depth_below(path: Any, root: Any) -> int:
    """Return how many levels `path` lies below `root`; 0 for `root` itself."""
    prefix = prefix_of(root)
    return 0 if path == root else 1 + int(path.count(prefix[-1:], len(prefix)))


CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""DEL, C1 and characters that change the writing direction: JSON may contain them, but terminals interpret them."""


def json_escaped(text: str) -> str:
    """Escape the control characters in JSON text. ncdu accepts DEL only if it is escaped."""
    if text.isascii() and "\x7f" not in text:
        return text
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

"""What `scanner du` prints: a line or a JSON row for each directory, at once or sorted at the end, and the total."""

from __future__ import annotations

import heapq
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from scanner.encoding import printable, terminal_bytes, utf8_text
from scanner.export.formats import SIZES_FIELDS
from scanner.export.output import STDOUT, Output
from scanner.export.tree import Total
from scanner.fields import Field
from scanner.model import Path
from scanner.report.data import path_fields
from scanner.usage import Places

SLACK = 1000  # rows more than --top to keep, so that not each one is compared
Item = TypeVar("Item")


class Figures(NamedTuple):
    """What is printed of a directory or of the total."""

    size: int
    disk: int
    entries: int
    latest_ns: int | None


class Row(NamedTuple):
    path: Path
    figures: Figures


class Style(NamedTuple):
    """How rows are selected and printed.

    value         the figure to print: of sizes, or of entries
    formatted     formats it
    moment        formats a time; None: no time is printed
    passes        whether --threshold lets a figure pass
    depth         levels to print; None: all
    with_files    whether files in directories are printed
    separate      without sub-directories
    order         sorts rows; None: in the order of the scan
    top           rows to print; None: all
    end           of a line
    """

    value: Callable[[Figures], int]
    formatted: Callable[[int], str]
    moment: Callable[[int], str] | None
    passes: Callable[[int], bool]
    depth: int | None
    with_files: bool
    separate: bool
    order: Callable[[Row], Any] | None
    top: int | None
    end: bytes


class Printer(Protocol):
    """Writes rows, then what follows them. `total`: None if it is not known."""

    def row(self, row: Row) -> None: ...
    def finish(self, total: Figures | None, outcome: str) -> None: ...


class Usage:
    """Takes the Chunks of a scan, in walk order, passes the rows that are shown to a Printer, and adds up the roots.

    `time`: the field whose latest value is needed.
    """

    def __init__(self, style: Style, places: Places, time: Field | None, printer: Printer) -> None:
        self._style, self._printer = style, printer
        levels = 0 if not style.with_files else sys.maxsize if style.depth is None else style.depth
        self.producer = places.sizes(None if style.separate else style.depth, time, levels)
        self.fields = (*SIZES_FIELDS, *([time] if time is not None else []))
        self._tree = places.tree(time)
        self._places = places
        self._roots = frozenset(places.named)
        self._sorted = Ranking(style.order, style.top) if style.order is not None else None
        self._size = self._disk = self._entries = 0
        self._latest: int | None = None

    def take(self, output: bytes | memoryview) -> None:
        self._add(self._tree.add(output))

    def _add(self, totals: Iterable[Total[Any]]) -> None:
        style = self._style
        for total in totals:
            if total.path in self._roots:
                self._add_root(total)
            figures = figures_of(total, separate=style.separate)
            if not style.passes(style.value(figures)) or not self._is_shown(total.path):
                continue
            row = Row(self._places.as_given(total.path), figures)
            if self._sorted is None:
                self._printer.row(row)
            else:
                self._sorted.add(row)

    def _add_root(self, total: Total[Any]) -> None:
        self._size += total.size
        self._disk += total.disk
        self._entries += total.entries
        self._latest = max(filter(None, (self._latest, total.latest_ns)), default=None)

    def finish(self, outcome: str, *, is_whole: bool) -> None:
        """Print what has not been printed, and the total if the scan is whole."""
        if is_whole:
            self._add(self._tree.finish())
        for row in self._sorted.best() if self._sorted is not None else ():
            self._printer.row(row)
        total = Figures(self._size, self._disk, self._entries, self._latest)
        self._printer.finish(total if is_whole else None, outcome)

    def _is_shown(self, path: Any) -> bool:
        depth = self._style.depth
        return depth is None or path in self._roots or self._places.levels(path) <= depth


def figures_of(total: Total[Any], *, separate: bool) -> Figures:
    if separate:
        return Figures(total.own_size, total.own_disk, total.own_entries, total.own_latest_ns)
    return Figures(total.size, total.disk, total.entries, total.latest_ns)


class Ranking(Generic[Item]):
    """Sorts items; of equal ones the first comes first. `most`: how many to keep; None: all."""

    def __init__(self, key: Callable[[Item], Any], most: int | None) -> None:
        self._key, self._most = key, most
        self._items: list[Item] = []

    def add(self, item: Item) -> None:
        self._items.append(item)
        if self._most is not None and len(self._items) > self._most + SLACK:
            self._items = self.best()

    def best(self) -> list[Item]:
        if self._most is None:
            return sorted(self._items, key=self._key)
        return heapq.nsmallest(self._most, self._items, key=self._key)


class Lines:
    """Prints lines as GNU du: size, time if one is wanted, path."""

    def __init__(self, style: Style, output: Output, *, with_total: bool) -> None:
        self._style, self._output, self._with_total = style, output, with_total
        self._on_terminal = style.end != b"\0" and os.isatty(STDOUT)  # it interprets control characters in names

    def row(self, row: Row) -> None:
        self._write(row.figures, self._name(row.path))

    def finish(self, total: Figures | None, outcome: str) -> None:
        if self._with_total and total is not None:
            self._write(total._replace(latest_ns=max(total.latest_ns or 0, 0)), b"total")  # as in GNU du

    def _name(self, path: Path) -> bytes:
        return terminal_bytes(printable(utf8_text(path))) if self._on_terminal else os.fsencode(path)

    def _write(self, figures: Figures, name: bytes) -> None:
        style = self._style
        cells = [style.formatted(style.value(figures)).encode()]
        if style.moment is not None:
            cells.append(os.fsencode("?" if figures.latest_ns is None else style.moment(figures.latest_ns)))
        self._output.write(b"\t".join([*cells, name]) + style.end)


class Document:
    """Prints one JSON object: roots, rows, total, outcome. Sizes are bytes, times nanoseconds since 1970.

    Rows are written one by one, so memory does not grow with them.
    """

    def __init__(self, output: Output, roots: Iterable[str], *, with_time: bool = False, **head: str) -> None:
        self._output, self._with_time = output, with_time
        fields = {"roots": [path_fields(root) for root in roots], **head}
        self._output.write(json.dumps(fields)[:-1].encode() + b',\n"rows": [')
        self._between = b"\n"

    def row(self, row: Row) -> None:
        self.add(path_fields(row.path), row.figures)

    def add(self, fields: Mapping[str, Any], figures: Figures) -> None:
        self._output.write(self._between + json.dumps({**fields, **self._fields(figures)}).encode())
        self._between = b",\n"

    def finish(self, total: Figures | None, outcome: str) -> None:
        end = {"total": None if total is None else self._fields(total), "outcome": outcome}
        self._output.write(b"\n],\n" + json.dumps(end)[1:].encode() + b"\n")

    def _fields(self, figures: Figures) -> dict[str, int | None]:
        sizes = {"disk_bytes": figures.disk, "apparent_bytes": figures.size, "entries": figures.entries}
        return {**sizes, **({"latest_ns": figures.latest_ns} if self._with_time else {})}

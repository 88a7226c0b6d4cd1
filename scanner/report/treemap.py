"""The directories and files of a treemap: the largest ones, in bounded memory, and as rows of a report."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from scanner.export.formats import require_extra
from scanner.export.tree import Total
from scanner.model import Path
from scanner.report.data import shown

MOST = 1000  # directories to keep; smaller ones are drawn as part of their parents
Row = list[Any]
"""Number of the parent (-1: none), name, bytes of disk usage, `d` or `f`, and growth in bytes (None: unknown)."""


class Node(NamedTuple):
    """A directory and what is kept of it, the largest first; or a file."""

    path: str
    disk: int
    below: list[Node]
    is_file: bool = False


class Treemap:
    """Keeps the largest directories in bounded memory. Raises OptionError if a library to draw them is missing."""

    def __init__(self, roots: Sequence[Path], most: int = MOST) -> None:
        require_extra("report", "a treemap", "squarify", "jinja2")
        self._roots, self._most = set(map(os.fsdecode, roots)), most
        self._kept: list[tuple[int, int, str]] = []
        self._files: list[Node] = []
        self._count = 0

    def add(self, total: Total) -> None:
        """Add a directory after the directories in it.

        These are no larger and were added before, so the kept directories always form a tree.
        """
        self._count += 1
        item = (total.disk, self._count, os.fsdecode(total.path))
        (heapq.heappush if len(self._kept) < self._most else heapq.heappushpop)(self._kept, item)

    def add_file(self, path: str, disk: int) -> None:
        """Add one of the largest files. It is drawn if its directory is kept."""
        self._files.append(Node(path, disk, [], is_file=True))

    def nodes(self) -> list[Node]:
        """Return the kept directories as trees, by root."""
        roots: list[Node] = []
        by_path: dict[str, Node] = {}
        for disk, _, path in sorted(self._kept, key=lambda item: -item[1]):  # parents first
            node = Node(path, disk, [])
            above = None if path in self._roots else by_path.get(_bare(os.path.dirname(path)))
            (roots if above is None else above.below).append(node)
            by_path[_bare(path)] = node
        for file in self._files:
            if (above := by_path.get(_bare(os.path.dirname(file.path)))) is not None:
                above.below.append(file)
        return sorted_nodes(roots)


def _bare(path: str) -> str:
    return path.rstrip("/")


def sorted_nodes(nodes: list[Node]) -> list[Node]:
    """Sort nodes on all levels, the largest first."""
    todo = [nodes]
    while todo:
        some = todo.pop()
        some.sort(key=lambda node: -node.disk)
        todo += [node.below for node in some]
    return nodes


def rows_of(nodes: Iterable[Node], growth: Mapping[str, int | None] | None = None) -> list[Row]:
    """Return the rows of a report: parents first, and those of one parent in descending order.

    `growth`: bytes that came since an earlier snapshot, by path; without it no growth is known.
    """
    rows: list[Row] = []
    todo = [(-1, node) for node in nodes][::-1]
    while todo:
        parent, node = todo.pop()
        name = shown(node.path) if parent < 0 else last_name(node.path)
        known = None if growth is None else growth.get(node.path, 0)
        rows.append([parent, name, node.disk, "f" if node.is_file else "d", known])
        todo += [(len(rows) - 1, below) for below in reversed(node.below)]
    return rows


def last_name(path: str) -> str:
    text = shown(path)
    return text[text.rstrip("/").rfind("/") + 1 :]

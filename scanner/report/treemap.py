"""A squarified treemap of the disk usage of directories (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000)."""

from __future__ import annotations

import heapq
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

from scanner.export.formats import require_extra
from scanner.export.tree import Total
from scanner.model import Path, is_below
from scanner.report.data import shown
from scanner.report.tables import human

MOST = 1000  # directories to keep; smaller ones are drawn as part of their parents
WIDTH, HEIGHT = 1200, 760  # units; a letter is LETTER units wide
HEAD, GAP, LETTER = 16, 2, 6.6
LEAST_AREA = 60  # of a rectangle
LEAST_NAME = 4  # letters: without room for them, no name is shown
COLOURS = 7  # classes c0 to c6 of the style sheet

STYLE = """\
.treemap { font: 11px system-ui, sans-serif; background: #fff; }
.treemap rect { stroke: #fff; stroke-width: 1; }
.treemap text { fill: #1a1a1a; pointer-events: none; white-space: pre; }
.treemap .name { font-weight: 600; }
.treemap g:hover > rect { stroke: #000; stroke-width: 2; }
.treemap .root { fill: #e4e4e4; }
.treemap .c0 { fill: #9ecae8; } .treemap .c1 { fill: #f5cf7a; } .treemap .c2 { fill: #8fd4bd; }
.treemap .c3 { fill: #f0b48a; } .treemap .c4 { fill: #e3bcd2; } .treemap .c5 { fill: #f3ec9a; }
.treemap .c6 { fill: #c9c9c9; }
.treemap .own { fill-opacity: .55; }
"""
"""Tints of Okabe and Ito's colours, which colour-blind people can distinguish: one for each directory below a root."""


class Node(NamedTuple):
    """A directory and the kept directories in it, the largest first."""

    path: Path
    disk: int
    below: list[Node]

    @property
    def rest(self) -> int:
        """Disk usage of everything in it but the kept directories."""
        return max(0, self.disk - sum(node.disk for node in self.below))


class Box(NamedTuple):
    left: float
    top: float
    width: float
    height: float

    @property
    def inside(self) -> Box:
        """The box without the line of the name and without margins."""
        return Box(self.left + GAP, self.top + HEAD, self.width - 2 * GAP, self.height - HEAD - GAP)


class Treemap:
    """Keeps the largest directories in bounded memory, and draws them. Raises OptionError if a library is missing."""

    def __init__(self, roots: Sequence[Path], most: int = MOST) -> None:
        require_extra("report", "a treemap", "squarify", "jinja2")
        self._roots, self._most = list(dict.fromkeys(roots)), most
        self._kept: list[tuple[int, int, Path]] = []
        self._count = 0

    def add(self, total: Total) -> None:
        """Add a directory after the directories in it.

        These are no larger and were added before, so the kept directories always form a tree.
        """
        self._count += 1
        item = (total.disk, self._count, total.path)
        (heapq.heappush if len(self._kept) < self._most else heapq.heappushpop)(self._kept, item)

    def nodes(self) -> list[Node]:
        """Return the kept directories as trees, by root."""
        roots: list[Node] = []
        open_nodes: list[Node] = []
        for disk, _, path in sorted(self._kept, key=lambda item: -item[1]):  # parents first
            node = Node(path, disk, [])
            while open_nodes and (path in self._roots or not is_below(path, open_nodes[-1].path)):
                open_nodes.pop()
            (open_nodes[-1].below if open_nodes else roots).append(node)
            open_nodes.append(node)
        return sorted_nodes(roots)

    def svg(self) -> str:
        """Return the drawing, with its style sheet."""
        roots = self.nodes()
        total = sum(node.disk for node in roots)
        what = f"Treemap of {human(total)} disk usage in {', '.join(shown(root) for root in self._roots)}"
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="treemap" xml:space="preserve" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(what)}">',
            f"<style>{STYLE}</style>",
            *self._forest(roots),
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def _forest(self, roots: list[Node]) -> Iterator[str]:
        page = Box(0, 0, WIDTH, HEIGHT)
        if not any(root.disk for root in roots):
            yield rectangle(page, "root")
            yield label(page, ["The disk usage is 0."])
        for node, box in self._divided([(root, root.disk) for root in roots], page):
            yield from self._drawn(node, box, "root", shown(node.path))

    def _drawn(self, node: Node, box: Box, colour: str, name: str) -> Iterator[str]:
        """Yield the rectangle of a directory, and the rectangles in it."""
        yield f"<g>{title(shown(node.path), node.disk)}{rectangle(box, colour)}"
        yield label(box, [f"{name}  {human(node.disk)}", name])
        if box.inside.width > 0 and box.inside.height > 0 and node.below:
            yield from self._contents(node, box.inside, colour)
        yield "</g>"

    def _contents(self, node: Node, box: Box, colour: str) -> Iterator[str]:
        scale = box.width * box.height / max(1, node.disk)
        large = [below for below in node.below if below.disk * scale >= LEAST_AREA]
        sizes: list[tuple[Any, int]] = [(below, below.disk) for below in large]
        rest = node.disk - sum(below.disk for below in large)
        if rest * scale >= LEAST_AREA:
            sizes = sorted([*sizes, (None, rest)], key=lambda item: -item[1])
        for below, inner in self._divided(sizes, box):
            if below is None:
                yield f"<g>{title(f'{shown(node.path)}: the rest', rest)}{rectangle(inner, f'{colour} own')}</g>"
                continue
            inner_colour = f"c{large.index(below) % COLOURS}" if colour == "root" else colour
            yield from self._drawn(below, inner, inner_colour, last_name(below.path))

    def _divided(self, sizes: list[tuple[Any, int]], box: Box) -> Iterator[tuple[Any, Box]]:
        """Divide `box` in proportion to the sizes, which are in descending order."""
        sizes = [(what, size) for what, size in sizes if size > 0]
        import squarify  # an extra

        normal = squarify.normalize_sizes([size for _, size in sizes], box.width, box.height)
        rectangles = squarify.squarify(normal, box.left, box.top, box.width, box.height) if sizes else []
        for (what, _), each in zip(sizes, rectangles, strict=True):
            yield what, Box(each["x"], each["y"], each["dx"], each["dy"])


def sorted_nodes(nodes: list[Node]) -> list[Node]:
    """Sort nodes on all levels, the largest first."""
    todo = [nodes]
    while todo:
        some = todo.pop()
        some.sort(key=lambda node: -node.disk)
        todo += [node.below for node in some]
    return nodes


def last_name(path: Path) -> str:
    text = shown(path)
    return text[text.rstrip("/").rfind("/") + 1 :]


def title(name: str, size: int) -> str:
    """Return the tooltip of a directory."""
    return f"<title>{escape(name)}\n{human(size)} disk usage</title>"


def rectangle(box: Box, names: str) -> str:
    return (
        f'<rect class="{names}" x="{box.left:.1f}" y="{box.top:.1f}" '
        f'width="{max(0.0, box.width):.1f}" height="{max(0.0, box.height):.1f}"/>'
    )


def label(box: Box, texts: list[str]) -> str:
    """Return the first text that fits into the box, or the beginning of the last one."""
    room = int((box.width - 2 * GAP - 4) / LETTER)
    if box.height < HEAD - 2 or room < LEAST_NAME:
        return ""
    text = next((text for text in texts if columns(text) <= room), "")
    if not text:
        text = texts[-1][: room - 1]
        while columns(text) > room - 1:
            text = text[:-1]
        text += "…"
    return f'<text class="name" x="{box.left + 4:.1f}" y="{box.top + 12:.1f}">{escape(text)}</text>'


def columns(text: str) -> int:
    """Return the width of text in letters. Chinese characters are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)

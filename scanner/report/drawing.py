"""Draws a squarified treemap as SVG (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).

`pages/treemap.js` draws the same where scripts run, and lets the reader enter directories.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

from scanner.report.tables import human
from scanner.report.treemap import Row

WIDTH, HEIGHT = 1200, 760  # units; a letter is LETTER units wide
HEAD, GAP, LETTER = 16, 2, 7
LEAST_AREA = 60  # of a rectangle
LEAST_NAME = 4  # letters: without room for them, no name is shown
ROOT = "#e4e4e4"
COLOURS = "#9ecae8", "#f5cf7a", "#8fd4bd", "#f0b48a", "#e3bcd2", "#f3ec9a", "#c9c9c9"
"""Tints of Okabe and Ito's colours, which colour-blind people can distinguish: one for each directory below a root."""
OWN, FILE = 0.55, 0.8  # opacity of the rest of a directory, and of a file
DIMENSIONS = {
    "head": HEAD, "gap": GAP, "letter": LETTER, "leastArea": LEAST_AREA, "leastName": LEAST_NAME, "root": ROOT,
    "colours": COLOURS, "own": OWN, "file": FILE,
}  # fmt: skip
"""What `pages/treemap.js` draws with."""

STYLE = """\
.treemap { font: 11px system-ui, sans-serif; background: #fff; }
.treemap rect { stroke: #fff; stroke-width: 1; }
.treemap text { fill: #1a1a1a; pointer-events: none; white-space: pre; }
.treemap .name { font-weight: 600; }
.treemap g:hover:not(:has(g:hover)) > rect { stroke: #000; stroke-width: 2; }
"""


class Tile(NamedTuple):
    """What is drawn of a row: a directory and the tiles in it, or a file."""

    name: str
    path: str
    disk: int
    is_file: bool
    below: list[Tile]


class Box(NamedTuple):
    left: float
    top: float
    width: float
    height: float

    @property
    def inside(self) -> Box:
        """The box without the line of the name and without margins."""
        return Box(self.left + GAP, self.top + HEAD, self.width - 2 * GAP, self.height - HEAD - GAP)


def tiles_of(rows: Sequence[Row]) -> list[Tile]:
    """Return the tiles of the roots."""
    roots: list[Tile] = []
    tiles: list[Tile] = []
    for parent, name, disk, kind, _ in rows:
        path = name if parent < 0 else f"{tiles[parent].path.rstrip('/')}/{name}"
        tile = Tile(name, path, disk, kind == "f", [])
        (roots if parent < 0 else tiles[parent].below).append(tile)
        tiles.append(tile)
    return roots


def treemap_svg(rows: Sequence[Row]) -> str:
    """Return the drawing. Its colours are attributes: they hold also where a page's styles are blocked."""
    roots = tiles_of(rows)
    total = sum(tile.disk for tile in roots)
    what = f"Treemap of {human(total)} disk usage in {', '.join(root.name for root in roots)}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="treemap" xml:space="preserve" font-family="sans-serif" '
        f'font-size="11" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(what)}">',
        f"<style>{STYLE}</style>",
        *_forest(roots),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _forest(roots: list[Tile]) -> Iterator[str]:
    page = Box(0, 0, WIDTH, HEIGHT)
    if not any(root.disk for root in roots):
        yield rectangle(page, ROOT)
        yield label(page, ["The disk usage is 0."])
    for tile, box in _divided([(root, root.disk) for root in roots], page):
        yield from _drawn(tile, box, ROOT)


def _drawn(tile: Tile, box: Box, colour: str) -> Iterator[str]:
    """Yield the rectangle of a directory or file, and the rectangles in it."""
    opacity = FILE if tile.is_file else 1
    yield f"<g>{title(tile.path, tile.disk)}{rectangle(box, colour, opacity)}"
    yield label(box, [f"{tile.name}  {human(tile.disk)}", tile.name])
    if box.inside.width > 0 and box.inside.height > 0 and tile.below:
        yield from _contents(tile, box.inside, colour)
    yield "</g>"


def _contents(tile: Tile, box: Box, colour: str) -> Iterator[str]:
    scale = box.width * box.height / max(1, tile.disk)
    large = [below for below in tile.below if below.disk * scale >= LEAST_AREA]
    sizes: list[tuple[Any, int]] = [(below, below.disk) for below in large]
    rest = tile.disk - sum(below.disk for below in large)
    if rest * scale >= LEAST_AREA:
        sizes = sorted([*sizes, (None, rest)], key=lambda item: -item[1])
    for below, inner in _divided(sizes, box):
        if below is None:
            yield f"<g>{title(f'{tile.path}: the rest', rest)}{rectangle(inner, colour, OWN)}</g>"
            continue
        inner_colour = COLOURS[large.index(below) % len(COLOURS)] if colour == ROOT else colour
        yield from _drawn(below, inner, inner_colour)


def _divided(sizes: list[tuple[Any, int]], box: Box) -> Iterator[tuple[Any, Box]]:
    """Divide `box` in proportion to the sizes, which are in descending order."""
    sizes = [(what, size) for what, size in sizes if size > 0]
    import squarify  # an extra

    normal = squarify.normalize_sizes([size for _, size in sizes], box.width, box.height)
    rectangles = squarify.squarify(normal, box.left, box.top, box.width, box.height) if sizes else []
    for (what, _), each in zip(sizes, rectangles, strict=True):
        yield what, Box(each["x"], each["y"], each["dx"], each["dy"])


def title(name: str, size: int) -> str:
    """Return the tooltip of a directory."""
    return f"<title>{escape(name)}\n{human(size)} disk usage</title>"


def rectangle(box: Box, colour: str, opacity: float = 1) -> str:
    shade = "" if opacity == 1 else f' fill-opacity="{opacity}"'
    return (
        f'<rect fill="{colour}"{shade} stroke="#fff" x="{box.left:.1f}" y="{box.top:.1f}" '
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

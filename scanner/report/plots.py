"""Plots as SVG for pages: in the colours of the page, light or dark, with text for screen readers."""

from __future__ import annotations

import io
import logging
import os
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

# Before the import, which warns about an unwritable HOME and about its font cache.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

os.environ.pop("MPLBACKEND", None)  # no window is opened, and an unknown backend would be an error
import matplotlib  # noqa: E402
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

Draw = Callable[[Any], None]
"""Draws on axes."""
Series = Mapping[str, tuple[list[Any], list[float]]]
"""X (numbers or dates) and y values of each name."""

LETTERS = 11  # of a title to an inch
WIDTH, HEIGHT = 4.6, 2.7  # inches: as wide as a phone, so that text stays as large as that of the page
INK, FAINT = "#010203", "#040506"  # placeholders for colours of the page
PALETTE = {"#0072b2": "--c1", "#e69f00": "--c2", "#009e73": "--c3", "#d55e00": "--c4", "#cc79a7": "--c5",
           "#56b4e9": "--c6", "#767676": "--c7"}  # fmt: skip
"""Colours of Okabe and Ito, which colour-blind people can distinguish, and the variables that a page sets for them."""
COLOURS = list(PALETTE)
SHORT = 26  # letters of the longest name in a legend of two columns
DASHES = ["-", "--", "-.", ":"]
MARKS = ["o", "s", "^", "D", "v", "P", "X"]  # lines differ by more than their colours
FONT = re.compile(r"(?P<weight>\d+|bold)? ?(?P<size>[\d.]+px)[^;]*")
STYLE = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left", "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": FAINT,
    "xtick.color": INK, "ytick.color": INK, "grid.color": FAINT, "grid.alpha": 0.4, "grid.linewidth": 0.5,
    "axes.grid": True,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "legend.fontsize": 8, "lines.linewidth": 1.6, "lines.markersize": 4,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
}  # fmt: skip


def plot(name: str, title: str, summary: str, draw: Draw, height: float = HEIGHT, *, width: float = WIDTH) -> str:
    """Return the SVG of what `draw` draws.

    `name`: unique on the page. `summary`: the text for screen readers. `height`, `width`: inches.
    """
    with warnings.catch_warnings(), matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the page has its own fonts
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title("\n".join(textwrap.wrap(title, int(LETTERS * width))))
        draw(axes)
        target = io.StringIO()
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(target.getvalue(), f"{title}: {summary}")


def _for_page(text: str, label: str) -> str:
    """Adapt an SVG file for a page: drop its header and unused ids, replace colours by variables of the page."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    referenced = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", text))
    text = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in referenced else "", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r' style="([^"]*)"', lambda match: _as_attributes(match[1]), text)
    for colour, variable in {INK: "--ink", FAINT: "--faint", **PALETTE}.items():
        text = text.replace(colour, f"var({variable}, {colour})")
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r'<svg \1class="plot"', text, count=1)
    text = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg ", f'<svg stroke-linejoin="round" role="img" aria-label="{escape(label)}" ', 1)


def _as_attributes(style: str) -> str:
    """Return declarations as attributes, which hold also where a page's styles are blocked."""
    attributes = []
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font" and (font := FONT.fullmatch(value)) is not None:
            weight = f' font-weight="{font["weight"]}"' if font["weight"] else ""
            attributes.append(f'font-size="{font["size"]}" font-family="system-ui, sans-serif"{weight}')
        elif name == "font-family":
            attributes.append('font-family="system-ui, sans-serif"')
        elif name:
            attributes.append(f'{name}="{value}"')
    return "".join(f" {attribute}" for attribute in attributes)


def plain(text: str) -> str:
    """Escape text that matplotlib would read as a formula."""
    return text.replace("$", r"\$")


def lines(series: Series, x: str, y: str, *, marks: bool = False, whole: str = "") -> Draw:
    """Draw a line for each name. `x`, `y`: labels with units; `marks`: mark the points; `whole`: axes with integers."""

    def draw(axes: Any) -> None:
        for number, (name, (xs, ys)) in enumerate(series.items()):
            mark = {"marker": MARKS[number % len(MARKS)]} if marks else {}
            colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
            axes.plot(xs, ys, dash, label=plain(name), color=colour, **mark)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_ylim(0, 1.08 * max((max(ys, default=0) for _, ys in series.values()), default=0) or 1)
        for axis in whole:
            getattr(axes, f"{axis}axis").set_major_locator(MaxNLocator(integer=True, nbins=8))
        if len(series) > 1:
            columns = 2 if max(map(len, series)) <= SHORT else 1
            axes.figure.legend(ncols=columns, loc="outside lower left")

    return draw


def over_dates(draw: Draw) -> Draw:
    """Draw with dates along the x axis."""

    def dated(axes: Any) -> None:
        draw(axes)
        locator = AutoDateLocator(minticks=3, maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))

    return dated


def bars(names: list[str], parts: dict[str, list[float]], unit: str) -> Draw:
    """Draw a horizontal bar for each name, the first at the top, with its `parts` one after the other."""

    def draw(axes: Any) -> None:
        places = range(len(names))  # not the names themselves: equal names would share a bar
        starts = [0.0] * len(names)
        for number, (part, values) in enumerate(parts.items()):
            axes.barh(places, values, left=starts, label=part, color=COLOURS[number], height=0.7)
            starts = [start + value for start, value in zip(starts, values, strict=True)]
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(unit)
        axes.locator_params(axis="x", nbins=5)
        if len(parts) > 1:
            axes.figure.legend(ncols=len(parts), loc="outside lower left")

    return draw

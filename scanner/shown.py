"""Results and statistics for people at a prompt: in one line, and as a small table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from scanner.encoding import printable, utf8_text
from scanner.model import Fault, Walked

if TYPE_CHECKING:
    from scanner.stats import ScanStats

ROWS = 10  # directories of a result, and errors
LONGEST = 100  # characters of a path: the end of a longer one is shown


def counted(number: int, what: str, plural: str = "") -> str:
    """Return a number with its noun: `1 file`, `4,000 files`."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def summary(stats: ScanStats) -> str:
    """Return a line about a scan: how many, how many errors, how long."""
    return ", ".join([
        counted(stats.directories, "directory", "directories"), counted(stats.files, "file"),
        counted(stats.errors.total(), "error"), f"{stats.elapsed_seconds:.3g} s",
    ])  # fmt: skip


def path_text(path: Any) -> str:
    """Return a path as printable text."""
    text = printable(utf8_text(path))
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"


def statistics_html(stats: ScanStats) -> str:
    """Return a table of all figures that are single values and not empty."""
    figures = {name: value for name, value in stats.as_dict().items() if isinstance(value, str | int | float) and value}
    return table(["statistics", ""], ([name, figure_text(value)] for name, value in figures.items()))


def figure_text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def result_html(walked: list[Walked], stats: ScanStats) -> str:
    """Return the first directories of a result, and its first errors, as tables."""
    rows = ([path_text(path), f"{len(dirs):,}", f"{len(files):,}"] for path, dirs, files in walked[:ROWS])
    parts = [f"<p>{escape(summary(stats))}</p>", table(["directory", "dirs", "files"], rows), more(len(walked))]
    if stats.faults:
        parts += [table(["error", "kind"], map(_error, stats.faults[:ROWS])), more(len(stats.faults))]
    return "".join(parts)


def _error(fault: Fault) -> list[str]:
    return [f"{path_text(fault.path)}: {printable(utf8_text(fault.message))}", fault.kind]


def more(count: int) -> str:
    """Return a line about the rows that a table does not show."""
    return f"<p>and {count - ROWS:,} more</p>" if count > ROWS else ""


def table(heads: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table. All texts are escaped."""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"

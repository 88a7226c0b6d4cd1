"""Tables of a report, and numbers formatted for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from scanner.report.data import shown_text

MOST_ROWS = 10


class ReportTable(NamedTuple):
    """Columns of numbers, then one of text."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


def machine_tables(data: dict[str, Any]) -> Iterator[ReportTable]:
    """Yield the tables about the cost of the scan, without empty ones."""
    processes = {each["process"]: each for each in data["resources"].get("processes", [])}
    yield from _some("Processes", ("peak memory", "mean", "CPU user", "system", "CPU", "process"), [
        (
            megabytes(each["peak_rss_bytes"]), megabytes(each["mean_rss_bytes"]), f"{each['cpu_user_seconds']:.2f} s",
            f"{each['cpu_system_seconds']:.2f} s", f"{each['cpu_percent']:.0f} %", name,
        )
        for name, each in processes.items()
    ])  # fmt: skip
    yield from _some("Entries read by process", ("tasks", "directories", "entries", "waiting", "process"), [
        (
            f"{each['tasks']:,}", f"{each['directories']:,}", f"{each['entries']:,}",
            f"{max(0.0, 1 - each['working_seconds'] / (each['reading_seconds'] or 1)):.0%}", each["process"],
        )
        for each in data["workers"]
    ])  # fmt: skip
    yield from _over_time(data["resources"].get("series", []))
    yield from _some("Slowest directories", ("seconds", "path"), [
        (f"{each['seconds']:.4f}", shown_text(each["path"])) for each in data["slowest_directories"]
    ])  # fmt: skip


def result_tables(data: dict[str, Any]) -> Iterator[ReportTable]:
    """Yield the tables about what was found, without empty ones."""
    if "sizes" in data:
        yield from size_tables(data["sizes"])
    if "names" in data:
        yield from _name_tables(data["names"])


def _over_time(series: list[dict[str, Any]]) -> Iterator[ReportTable]:
    """Yield a table of some samples. Rates are those since the sample before."""
    step = -(-len(series) // MOST_ROWS) or 1
    some = series[step - 1 :: step]
    before = [{"seconds": 0.0, "entries": 0, "directories": 0}, *some]
    yield from _some("Over time", ("entries/s", "directories/s", "in flight", "memory", "seconds"), [
        (
            *(f"{(now[what] - then[what]) / max(1e-3, now['seconds'] - then['seconds']):,.0f}"
              for what in ("entries", "directories")),
            f"{now['in_flight']}", megabytes(now["rss_sum_bytes"]), f"{now['seconds']:.1f}",
        )
        for then, now in zip(before, some, strict=False)
    ])  # fmt: skip


def _name_tables(names: dict[str, Any]) -> Iterator[ReportTable]:
    yield from _some("Directories with the most entries", ("entries", "path"), [
        (f"{each['entries']:,}", shown_text(each["path"])) for each in names["largest_directories"]
    ])  # fmt: skip
    yield from _some("Suffixes of files", ("files", "suffix"), [
        (f"{each['files']:,}", shown_text(each["suffix"])) for each in names["by_suffix"][:MOST_ROWS]
    ])  # fmt: skip
    yield from _some("Levels below the root", ("directories", "files", "level"), [
        (f"{each['directories']:,}", f"{each['files']:,}", f"{each['depth']}") for each in some_of(names["by_depth"])
    ])  # fmt: skip


def some_of(depths: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first levels and the last one, if there are very many."""
    return depths if len(depths) <= 2 * MOST_ROWS else [*depths[: 2 * MOST_ROWS - 1], depths[-1]]


def size_tables(sizes: dict[str, Any]) -> Iterator[ReportTable]:
    """Yield the tables about the report's `sizes`, without empty ones."""
    yield from _some("Largest files", ("size", "path"), [
        (human(file["bytes"]), shown_text(file["path"])) for file in sizes["largest_files"]
    ])  # fmt: skip
    yield from _some("Largest directories, excluding subdirectories", ("disk usage", "with subdirectories", "path"), [
        (human(each["own_disk_bytes"]), human(each["disk_bytes"]), shown_text(each["path"]))
        for each in sizes["largest_directories"]
    ])  # fmt: skip
    counted = ("files", "bytes")
    yield from _some("Files by size", (*counted, "size"), [
        (*_counts(each), size_label(each["below_bytes"])) for each in sizes["by_size"]
    ])  # fmt: skip
    yield from _some("Files by modification time", (*counted, "age"), [
        (*_counts(each), age_label(each["below_days"])) for each in sizes["by_age"]
    ])  # fmt: skip
    yield from _some("Files by suffix", (*counted, "suffix"), [
        (*_counts(each), shown_text(each["suffix"]) or "none") for each in sizes["by_suffix"][:MOST_ROWS]
    ])  # fmt: skip
    yield from _some("Entries by owner", ("entries", "disk usage", "owner"), [
        (f"{each['entries']:,}", human(each["disk_bytes"]), each["owner"]) for each in sizes["by_owner"][:MOST_ROWS]
    ])  # fmt: skip


def _some(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[ReportTable]:
    if rows:
        yield ReportTable(title, heads, rows)


def _counts(each: dict[str, Any]) -> tuple[str, str]:
    return f"{each['files']:,}", human(each["bytes"])


def size_label(below: int) -> str:
    """Name a class of sizes by its end."""
    return "empty" if below == 1 else f"under {human(below)}"


def age_label(days: int | None) -> str:
    """Name a class of ages by its end."""
    if days is None:
        return "older"
    if days <= 0:
        return "modified since the scan began" if days == 0 else "dated in the future"
    return f"under {days:,} day{'s' if days > 1 else ''}"


def human(size: int) -> str:
    """Format bytes in binary units: 1.5 GiB."""
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" or number.is_integer() else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} PiB"


def signed(size: int) -> str:
    """Format a difference of bytes with its sign: +1.5 GiB."""
    return ("-" if size < 0 else "+") + human(abs(size))


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def table_lines(table: ReportTable) -> list[str]:
    """Format a table as lines of text: numbers right-aligned, then the text."""
    return ["", f"{table.title}:", *("  " + line for line in aligned([table.heads, *table.rows]))]


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows as lines: numbers right-aligned, then the text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]])

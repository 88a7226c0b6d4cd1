"""Plots over all snapshots of a store: size, entries, duration and errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scanner.report.plots import Series, lines, over_dates, plot
from scanner.report.tables import human

MARKED = 40  # snapshots, up to which each has a mark
UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def trend_pictures(trend: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a plot for each measure that is known of two snapshots or more.

    Snapshots that failed or are unfinished show their errors only.
    """
    good = [each for each in trend if each["state"] in ("complete", "incomplete")]
    fields = "bytes", "disk_bytes"
    if all(len(_points(good, field)[0]) > 1 for field in fields):
        unit, name = unit_of(max(max(_points(good, field)[1]) for field in fields))
        sizes = {"size": _points(good, "bytes", unit), "disk usage": _points(good, "disk_bytes", unit)}
        yield _plot("size", "Size", f"now {human(good[-1]['bytes'])}", sizes, name)
    for field, title, unit_name, points in (
        ("files", "Files", "thousands", _points(good, "files", 1000)),
        ("seconds", "Duration of the scan", "seconds", _points(good, "seconds")),
        ("errors", "Errors", "errors", _points(trend, "errors")),
    ):
        if len(points[0]) > 1:
            summary = f"now {points[1][-1]:,.6g} {unit_name}"
            yield _plot(field, title, summary, {field: points}, unit_name, whole="y" if field == "errors" else "")


def unit_of(most: float) -> tuple[int, str]:
    """Return the unit in which the largest of some sizes is a short number."""
    return next(((size, name) for size, name in UNITS if most >= size), (1, "bytes"))


def _points(trend: list[dict[str, Any]], field: str, unit: float = 1) -> tuple[list[datetime], list[float]]:
    """Return the local times and the values of what is known of a field."""
    known = [each for each in trend if each[field] is not None]
    moments = [datetime.fromisoformat(each["began"]).astimezone().replace(tzinfo=None) for each in known]
    return moments, [each[field] / unit for each in known]


def _plot(name: str, title: str, summary: str, series: Series, unit: str, *, whole: str = "") -> str:
    marks = max(len(moments) for moments, _ in series.values()) <= MARKED
    draw = over_dates(lines(series, "date", unit, marks=marks, whole=whole))
    return plot(f"trend-{name}", title, summary, draw)

"""Plots over all snapshots of a store: size, entries, duration and errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scanner.report.plots import plot, timeline
from scanner.report.tables import human

MARKED = 40  # snapshots, up to which each has a mark
UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def trend_pictures(trend: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a plot for each measure that is known of two snapshots or more.

    Snapshots that failed or are unfinished show their errors only.
    """
    good = [each for each in trend if each["state"] in ("complete", "incomplete")]
    sizes = {"size": _points(good, "bytes"), "disk usage": _points(good, "disk_bytes")}
    if all(len(points) > 1 for points in sizes.values()):
        unit, name = unit_of(max(value for points in sizes.values() for _, value in points))
        scaled = {label: [(at, value / unit) for at, value in points] for label, points in sizes.items()}
        yield _plot("trend-size", "Size", f"now {human(good[-1]['bytes'])}", scaled, name)
    for field, title, unit_name, points in (
        ("files", "Files", "thousands", [(at, value / 1000) for at, value in _points(good, "files")]),
        ("seconds", "Duration of the scan", "seconds", _points(good, "seconds")),
        ("errors", "Errors", "errors", _points(trend, "errors")),
    ):
        if len(points) > 1:
            summary = f"now {points[-1][1]:,.6g} {unit_name}"
            yield _plot(f"trend-{field}", title, summary, {field: points}, unit_name, whole=field == "errors")


def unit_of(most: float) -> tuple[int, str]:
    """Return the unit in which the largest of some sizes is a short number."""
    return next(((size, name) for size, name in UNITS if most >= size), (1, "bytes"))


def _points(trend: list[dict[str, Any]], field: str) -> list[tuple[datetime, float]]:
    return [(datetime.fromisoformat(each["began"]), each[field]) for each in trend if each[field] is not None]


def _plot(
    name: str, title: str, summary: str, series: dict[str, list[tuple[datetime, float]]], unit: str, *,
    whole: bool = False,
) -> str:  # fmt: skip
    marks = max(map(len, series.values())) <= MARKED
    return plot(name, title, summary, timeline(series, unit, marks=marks, whole=whole))

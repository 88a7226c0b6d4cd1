"""The plots of a scan's report."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from scanner.report.data import shown_text
from scanner.report.plots import HEIGHT, Series, bars, lines, plain, plot

MOST_LINES = 6  # processes that have a line of their own
MOST_BARS = 12
SECONDS = "seconds since the start"


def pictures(data: dict[str, Any]) -> Iterator[str]:
    """An SVG for each thing that there is enough to tell about."""
    series = data["resources"].get("series", [])
    if len(series) > 1:
        yield from _over_time(data, series)
    if data["workers"]:
        yield _balance(data["workers"])
    if processes := data["resources"].get("processes"):
        yield _processor(processes)
    if "names" in data:
        yield from _names(data["names"])


def _over_time(data: dict[str, Any], series: list[dict[str, Any]]) -> Iterator[str]:
    seconds = [0.0, *(point["seconds"] for point in series)]
    rates = rates_of(series)
    steps = {"entries": (spread(seconds), [rate for rate in rates for _ in "ab"])}
    yield plot(
        "rate", "Rate", f"{max(rates):,.0f} thousand entries a second at most",
        lines(steps, SECONDS, "1,000 entries a second"),
    )  # fmt: skip
    yield plot(
        "memory", "Memory", f"{data['resources']['peak_rss_sum_bytes'] / 1e6:,.0f} MB at most in all processes",
        lines(_memory(data, series), SECONDS, "resident memory in MB"), HEIGHT + 0.4,
    )  # fmt: skip
    in_flight = [float(point["in_flight"]) for point in series]
    yield plot(
        "in-flight", "Directories read at a time", f"{data['most_in_flight']} at most",
        lines({"directories": (seconds[1:], in_flight)}, SECONDS, "directories", whole="y"),
    )  # fmt: skip


def rates_of(series: list[dict[str, Any]]) -> list[float]:
    """Thousands of entries a second, between each sample and the one before."""
    before = [{"seconds": 0.0, "entries": 0}, *series]
    return [
        (now["entries"] - then["entries"]) / 1000 / max(1e-3, now["seconds"] - then["seconds"])
        for then, now in zip(before, series, strict=False)
    ]


def spread(seconds: list[float]) -> list[float]:
    """Both ends of each time between two samples: what was measured over it holds for all of it."""
    return [end for pair in pairwise(seconds) for end in pair]


def _memory(data: dict[str, Any], series: list[dict[str, Any]]) -> Series:
    seconds = [point["seconds"] for point in series]
    told = {"all together": (seconds, [point["rss_sum_bytes"] / 1e6 for point in series])}
    for number, process in enumerate(data["resources"]["processes"][:MOST_LINES]):
        points = [(at, point["rss_bytes"][number]) for at, point in zip(seconds, series, strict=True)]
        there = [(at, rss / 1e6) for at, rss in points if rss is not None]
        told[process["process"]] = [at for at, _ in there], [rss for _, rss in there]
    return told


def _balance(workers: list[dict[str, Any]]) -> str:
    workers = sorted(workers, key=lambda worker: -worker["entries"])[:MOST_BARS]
    names = [worker["process"] for worker in workers]
    told = ", ".join(f"{worker['process']} {worker['entries']:,}" for worker in workers)
    entries = [worker["entries"] / 1000 for worker in workers]
    return plot("balance", "Who has read how much", told, bars(names, {"entries": entries}, "1,000 entries"))


def _processor(processes: list[dict[str, Any]]) -> str:
    processes = sorted(processes, key=lambda each: -each["cpu_user_seconds"] - each["cpu_system_seconds"])[:MOST_BARS]
    names = [process["process"] for process in processes]
    parts = {part: [each[f"cpu_{part}_seconds"] for each in processes] for part in ("user", "system")}
    total = sum(map(sum, parts.values()))
    told = f"{total:.2f} seconds in all"
    return plot("processor", "Processor time", told, bars(names, parts, "seconds of processor"), HEIGHT + 0.2)


def _names(names: dict[str, Any]) -> Iterator[str]:
    depths = names["by_depth"]
    if depths:
        levels = [float(each["depth"]) for each in depths]
        found = {part: (levels, [each[part] / 1000 for each in depths]) for part in ("files", "directories")}
        yield plot(
            "depth", "How deep things lie", f"{depths[-1]['depth']} levels",
            lines(found, "levels below the root", "1,000 of them", marks=len(depths) < 40, whole="x"), HEIGHT + 0.2,
        )  # fmt: skip
    suffixes = names["by_suffix"][:MOST_BARS]
    if suffixes:
        counts = [each["files"] / 1000 for each in suffixes]
        told = ", ".join(f"{shown_text(each['suffix'])} {each['files']:,}" for each in suffixes[:5])
        labels = [plain(shown_text(each["suffix"])) for each in suffixes]
        yield plot("suffixes", "Suffixes", told, bars(labels, {"files": counts}, "1,000 files"), HEIGHT + 0.6)

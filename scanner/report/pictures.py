"""The plots of a report."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from scanner.report.data import shown_text
from scanner.report.plots import HEIGHT, Series, bars, lines, plain, plot

MOST_LINES = 6  # processes with a separate line
MOST_BARS = 12
SECONDS = "seconds since the start"


def machine_pictures(data: dict[str, Any]) -> Iterator[str]:
    """Yield plots about the cost of the scan, as far as there is enough data."""
    series = data["resources"].get("series", [])
    if len(series) > 1:
        yield from _over_time(data, series)
    if data["workers"]:
        yield _balance(data["workers"])
    if processes := data["resources"].get("processes"):
        yield _processor(processes)


def result_pictures(data: dict[str, Any]) -> Iterator[str]:
    """Yield plots about what was found."""
    if "names" in data:
        yield from _names(data["names"])


def _over_time(data: dict[str, Any], series: list[dict[str, Any]]) -> Iterator[str]:
    seconds = [0.0, *(point["seconds"] for point in series)]
    rates = rates_of(series)
    steps = {"entries": (spread(seconds), [rate for rate in rates for _ in "ab"])}
    yield plot(
        "rate", "Rate", f"at most {max(rates):,.0f} thousand entries a second",
        lines(steps, SECONDS, "1,000 entries a second"),
    )  # fmt: skip
    yield plot(
        "memory", "Memory", f"at most {data['resources']['peak_rss_sum_bytes'] / 1e6:,.0f} MB in all processes",
        lines(_memory(data, series), SECONDS, "resident memory in MB"), HEIGHT + 0.4,
    )  # fmt: skip
    in_flight = [float(point["in_flight"]) for point in series]
    yield plot(
        "in-flight", "Directories in flight", f"at most {data['most_in_flight']}",
        lines({"directories": (seconds[1:], in_flight)}, SECONDS, "directories", whole="y"),
    )  # fmt: skip


def rates_of(series: list[dict[str, Any]]) -> list[float]:
    """Return thousands of entries a second, between each sample and the one before."""
    before = [{"seconds": 0.0, "entries": 0}, *series]
    return [
        (now["entries"] - then["entries"]) / 1000 / max(1e-3, now["seconds"] - then["seconds"])
        for then, now in zip(before, series, strict=False)
    ]


def spread(seconds: list[float]) -> list[float]:
    """Return both ends of each interval between samples, to draw its value as a step."""
    return [end for pair in pairwise(seconds) for end in pair]


def _memory(data: dict[str, Any], series: list[dict[str, Any]]) -> Series:
    seconds = [point["seconds"] for point in series]
    lines_of = {"all processes": (seconds, [point["rss_sum_bytes"] / 1e6 for point in series])}
    for number, process in enumerate(data["resources"]["processes"][:MOST_LINES]):
        points = [(at, point["rss_bytes"][number]) for at, point in zip(seconds, series, strict=True)]
        known = [(at, rss / 1e6) for at, rss in points if rss is not None]
        lines_of[process["process"]] = [at for at, _ in known], [rss for _, rss in known]
    return lines_of


def _balance(workers: list[dict[str, Any]]) -> str:
    workers = sorted(workers, key=lambda worker: -worker["entries"])[:MOST_BARS]
    names = [worker["process"] for worker in workers]
    summary = ", ".join(f"{worker['process']} {worker['entries']:,}" for worker in workers)
    entries = [worker["entries"] / 1000 for worker in workers]
    return plot("balance", "Entries read by process", summary, bars(names, {"entries": entries}, "1,000 entries"))


def _processor(processes: list[dict[str, Any]]) -> str:
    processes = sorted(processes, key=lambda each: -each["cpu_user_seconds"] - each["cpu_system_seconds"])[:MOST_BARS]
    names = [process["process"] for process in processes]
    parts = {part: [each[f"cpu_{part}_seconds"] for each in processes] for part in ("user", "system")}
    total = sum(map(sum, parts.values()))
    summary = f"{total:.2f} seconds in total"
    return plot("processor", "CPU time", summary, bars(names, parts, "CPU seconds"), HEIGHT + 0.2)


def _names(names: dict[str, Any]) -> Iterator[str]:
    depths = names["by_depth"]
    if depths:
        levels = [float(each["depth"]) for each in depths]
        found = {part: (levels, [each[part] / 1000 for each in depths]) for part in ("files", "directories")}
        yield plot(
            "depth", "Depth", f"{depths[-1]['depth']} levels",
            lines(found, "levels below the root", "thousands", marks=len(depths) < 40, whole="x"), HEIGHT + 0.2,
        )  # fmt: skip
    suffixes = names["by_suffix"][:MOST_BARS]
    if suffixes:
        counts = [each["files"] / 1000 for each in suffixes]
        summary = ", ".join(f"{shown_text(each['suffix'])} {each['files']:,}" for each in suffixes[:5])
        labels = [plain(shown_text(each["suffix"])) for each in suffixes]
        yield plot("suffixes", "Suffixes", summary, bars(labels, {"files": counts}, "1,000 files"), HEIGHT + 0.6)

"""Write the results as an HTML page with plots."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.cases import GROUPS
from benchmarks.outputs import about, case_of, conclusions, costs_table
from scanner.report import html
from scanner.report.plots import HEIGHT, INK, Series, lines, plain, plot
from scanner.report.tables import ReportTable

HERE = Path(__file__).parent
AXES = {
    "workers": ("Speed by number of workers", "worker processes", False),
    "entries": ("Speed by size of the tree", "entries in the tree (logarithmic)", True),
    "milliseconds": ("Speed by latency", "milliseconds a round trip (logarithmic)", True),
}
LOOKS = {"faster": ("#0072b2", "o"), "slower": ("#d55e00", "s"), "same": ("#767676", "D"), "unstable": ("#cc79a7", "X"),
         "unsure": ("#e69f00", "v")}  # fmt: skip
"""Colour and mark of each verdict: distinguishable by either."""


def page(results: dict[str, Any]) -> str:
    return html.page(
        "results.html.j2",
        beside=HERE,
        results=results,
        about=about(results).replace("`", ""),
        conclusions=conclusions(results),
        pictures=list(pictures(results)),
        tables=[table for group in GROUPS for table in tables(results, group)],
    )


def pictures(results: dict[str, Any]) -> Iterator[str]:
    rows = [row for row in results["cases"] if "times_as_fast" in row]
    yield _ratios(rows)
    for axis, (title, label, logarithmic) in AXES.items():
        series = speeds([row for row in rows if axis in row["place"]], axis)
        if any(len(xs) > 1 for xs, _ in series.values()):
            whole = "" if logarithmic else "x"
            draw = lines(series, label, "times as fast as its baseline", marks=True, whole=whole)
            yield plot(
                f"speed-{axis}", title, described(series), logarithmically(draw) if logarithmic else draw, HEIGHT + 0.2
            )
    yield from _memories(results)


def speeds(rows: list[dict[str, Any]], axis: str) -> Series:
    """Return ratios by baseline."""
    series: Series = {}
    for row in sorted(rows, key=lambda row: row["place"][axis]):
        xs, ys = series.setdefault(f"beside {row['baseline']}", ([], []))
        xs.append(row["place"][axis])
        ys.append(row["times_as_fast"])
    return series


def described(series: Series) -> str:
    """Return the series as text, for screen readers."""
    return "; ".join(
        f"{name}: " + ", ".join(f"{y:.1f} at {x:g}" for x, y in zip(*points, strict=True))
        for name, points in series.items()
    )


def logarithmically(draw: Any) -> Any:
    def both(axes: Any) -> None:
        draw(axes)
        axes.set_xscale("log")

    return both


def _ratios(rows: list[dict[str, Any]]) -> str:
    """Plot all ratios with their intervals."""
    rows = [row for row in rows if not row["place"]][::-1]

    def draw(axes: Any) -> None:
        for number, row in enumerate(rows):
            colour, mark = LOOKS[row["verdict"]]
            axes.plot(row["interval"], [number, number], color=colour, linewidth=2)
            axes.plot([row["times_as_fast"]], [number], mark, color=colour)
            axes.text(0, number + 0.28, plain(case_of(row)), fontsize=7, transform=axes.get_yaxis_transform())
            axes.vlines(1, number - 0.18, number + 0.18, INK, linewidth=1)
        axes.grid(visible=False)
        for word, (colour, mark) in LOOKS.items():
            axes.plot([], [], mark, color=colour, label=word)
        axes.set_yticks([])
        axes.set_ylim(-0.7, len(rows))
        axes.set_xscale("log")
        axes.set_xticks(ticks(rows), [f"{tick:g}x" for tick in ticks(rows)])
        axes.minorticks_off()
        axes.set_xlabel("times as fast as its baseline (logarithmic)")
        axes.legend(ncols=len(LOOKS), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)

    spoken = ", ".join(f"{case_of(row)} {row['times_as_fast']:.2f}" for row in reversed(rows))
    return plot("ratios", "", spoken, draw, 1.2 + 0.36 * len(rows), width=7)


def ticks(rows: list[dict[str, Any]]) -> list[float]:
    most = max((row["interval"][1] for row in rows), default=1)
    least = min((row["interval"][0] for row in rows), default=1)
    return [
        tick for tick in (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 50, 100) if least / 1.5 < tick < most * 1.5
    ]


def _memories(results: dict[str, Any]) -> Iterator[str]:
    for row in results["cases"]:
        if row["group"] in ("memory", "walking", "metadata") and row.get("candidate_memory"):
            series = {
                row[who]: (row[f"{who}_memory"]["seconds"], row[f"{who}_memory"]["megabytes"])
                for who in ("candidate", "baseline") if row.get(f"{who}_memory")
            }  # fmt: skip
            peaks = ", ".join(f"{name} {max(sizes):.0f} MB" for name, (_, sizes) in series.items())
            draw = lines(series, "seconds since the start", "memory of all processes in MB")
            yield plot(f"memory-{row['name']}", f"Memory: {row['name']}", f"at most {peaks}", draw, HEIGHT + 0.2)


def tables(results: dict[str, Any], group: str) -> Iterator[ReportTable]:
    rows = [row for row in results["cases"] if row["group"] == group]
    timed = [row for row in rows if "times_as_fast" in row]
    if timed:
        heads = ("times as fast", "between", "verdict", "seconds", "its seconds", "case / baseline")
        yield ReportTable(group.capitalize(), heads, [(*_figures(row), case_of(row)) for row in timed])
    heads, lines_of_costs = costs_table(rows)
    if lines_of_costs:
        yield ReportTable(
            f"{group.capitalize()}: cost",
            (*heads[2:], "case / baseline"),
            [(*line[2:], " / ".join(line[:2])) for line in lines_of_costs],
        )


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    seconds = (f"{statistics.median(row[f'{who}_seconds']):.4f}" for who in ("candidate", "baseline"))
    return (f"{row['times_as_fast']:.2f}", "{:.2f} and {:.2f}".format(*row["interval"]), row["verdict"], *seconds)

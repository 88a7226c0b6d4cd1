"""Write results as JSON, Markdown and HTML, and for github-action-benchmark and pyperf."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.cases import GROUPS
from benchmarks.verdict import deviation

Cells = tuple[str, ...]


def write_all(results: dict[str, Any], directory: Path) -> None:
    """Write results first: everything else can be made from them again."""
    (directory / "results.json").write_text(json_of(results))
    (directory / "results.md").write_text(markdown(results))
    for name, rows in (("smaller", smaller_is_better(results)), ("bigger", bigger_is_better(results))):
        (directory / f"github-{name}-is-better.json").write_text(json.dumps(list(rows), indent=2) + "\n")
    from benchmarks.page import page  # imports matplotlib

    (directory / "results.html").write_text(page(results))
    write_pyperf(results, directory / "pyperf.json")


def json_of(results: dict[str, Any]) -> str:
    """Return JSON with each list of numbers on one line: the file is versioned and read in diffs."""
    text = json.dumps(results, indent=1)
    return re.sub(r"\[\s+([-+.\d\s,e]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def markdown(results: dict[str, Any]) -> str:
    return "\n".join(["## Benchmarks", "", about(results), "", *listed(results), *tables(results)]) + "\n"


def about(results: dict[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"{results['date'][:10]}, `{results['command']}`: {machine['cores']} cores ({machine['processor']}), "
        f"{machine['system']} {machine['kernel']}, {machine['filesystem']}, Python {machine['python']}, "
        f"{machine['reader']} reader, revision {machine['revision']}. Medians of paired runs{confidences(results)}."
    )


def confidences(results: dict[str, Any]) -> str:
    """Return the confidence of the intervals, by the number of pairs."""
    rows = [row for row in results["cases"] if "times_as_fast" in row]
    found = sorted({(len(row["candidate_seconds"]), row["confidence"]) for row in rows}, reverse=True)
    text = ", ".join(f"{100 * confidence:.1f} % ({pairs} pairs)" for pairs, confidence in found)
    return f"; intervals hold the true median with a confidence of {text}" if text else ""


def conclusions(results: dict[str, Any]) -> dict[str, list[str]]:
    """Return cases that are slower or inconclusive, and failures, by heading."""
    cases: dict[str, list[str]] = {word: [] for word in ("slower", "unstable", "unsure")}
    for row in results["cases"]:
        if row.get("verdict") in cases and row["group"] != "limit":  # a lower bound: always faster
            cases[row["verdict"]].append(f"{case_of(row)}: {row['times_as_fast']:.2f}")
    return {
        "Interrupted": ["the suite is incomplete"] if results["interrupted"] else [],
        "Failed": results["failed"],
        "Skipped": results["left_out"],
        "Slower": cases["slower"],
        "Unstable here": cases["unstable"],
        "After too few pairs": cases["unsure"],
    }


def listed(results: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for heading, points in conclusions(results).items():
        if points:
            lines += [f"{heading}:", "", *(f"- {point}" for point in points), ""]
    return lines


def case_of(row: dict[str, Any]) -> str:
    return f"{row['name']} / {row['baseline']}"


def tables(results: dict[str, Any], groups: Iterable[str] = ()) -> Iterator[str]:
    for group in groups or GROUPS:
        rows = [row for row in results["cases"] if row["group"] == group]
        if rows:
            yield from ["" if groups else f"### {group.capitalize()}", "", *speeds(rows)]
            yield from costs(rows)


def speeds(rows: list[dict[str, Any]]) -> list[str]:
    """Return a table of ratios and seconds."""
    heads = ("case", "against", "times as fast", "", "seconds", "its seconds", "entries/s")
    lines = []
    for row in (row for row in rows if "times_as_fast" in row):
        ours, theirs = (statistics.median(row[f"{who}_seconds"]) for who in ("candidate", "baseline"))
        ratio = "**{:.2f}** ({:.2f} to {:.2f})".format(row["times_as_fast"], *row["interval"])
        figures = f"{ours:.4f}", f"{theirs:.4f}", f"{row['entries'] / ours:,.0f}"
        lines.append((row["name"], row["baseline"], ratio, row["verdict"], *figures))
    return table(heads, lines, words=4)


def costs(rows: list[dict[str, Any]]) -> list[str]:
    """Return a table of memory, processor time and system calls."""
    heads, lines = costs_table(rows)
    return table(heads, lines, words=2)


def costs_table(rows: list[dict[str, Any]]) -> tuple[Cells, list[Cells]]:
    """Return headings and rows, without empty columns."""
    heads = ("case", "against", "peak memory", "CPU", "system calls", "tasks, bytes between")
    lines = [(*heads, "its memory", "its CPU", "its calls")]
    for row in rows:
        if costly(row):
            cells = *costs_of(row, "candidate"), between(row), *costs_of(row, "baseline")
            lines.append((row["name"], row["baseline"], *cells))
    filled = [number for number in range(len(lines[0])) if any(line[number] for line in lines[1:])]
    kept = [tuple(line[number] for number in filled) for line in lines]
    return kept[0], kept[1:]


def table(heads: Cells, lines: list[Cells], *, words: int) -> list[str]:
    """Return a table in Markdown. `words`: number of leading columns with text."""
    if not lines:
        return []
    rules = ["---" if number < words and number != 2 else "--:" for number in range(len(heads))]
    return [f"| {' | '.join(line)} |".replace("|  |", "| |") for line in (heads, rules, *lines)] + [""]


def costly(row: dict[str, Any]) -> bool:
    return not row.keys().isdisjoint({"candidate_peak_bytes", "candidate_system_calls", "tasks"})


def costs_of(row: dict[str, Any], who: str) -> list[str]:
    peak, calls = row.get(f"{who}_peak_bytes"), row.get(f"{who}_system_calls")
    cpu = row.get(f"{who}_cpu_seconds")
    return [
        f"{peak / 1e6:.1f} MB" if peak else "", f"{cpu:.2f} s" if cpu else "", f"{calls:,}" if calls else "",
    ]  # fmt: skip


def between(row: dict[str, Any]) -> str:
    """Return the number of Tasks, and bytes sent between processes."""
    return f"{row['tasks']:,}, {row['bytes_between'] / 1e6:.1f} MB" if "tasks" in row else ""


def smaller_is_better(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield entries for `customSmallerIsBetter` of github-action-benchmark: seconds, peak memory, system calls."""
    for row in results["cases"]:
        beside = f"(beside {row['baseline']})"
        if "candidate_seconds" in row:
            yield {
                "name": f"{row['group']}: {row['name']} {beside}",
                "unit": "s",
                "value": statistics.median(row["candidate_seconds"]),
                "range": f"± {deviation(row['candidate_seconds']):.6f}",
                "extra": f"{row['times_as_fast']:.2f}x {row['baseline']}, {row['verdict']}",
            }
        for key, unit, scale in (("peak_bytes", "MB", 1e6), ("system_calls", "system calls", 1)):
            value = row.get(f"candidate_{key}")
            if value is not None:
                name = f"{row['group']}: {row['name']}, {unit} {beside}"
                yield {"name": name, "unit": unit, "value": round(value / scale, 3)}


def bigger_is_better(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield entries for `customBiggerIsBetter` of github-action-benchmark: ratios, which depend less on the runner."""
    for row in results["cases"]:
        if "times_as_fast" in row:
            yield {
                "name": f"{row['group']}: {case_of(row)}",
                "unit": "x",
                "value": row["times_as_fast"],
                "range": f"± {row['deviation']:.3f}",
                "extra": row["verdict"],
            }


def write_pyperf(results: dict[str, Any], file: Path) -> None:
    """Write a file for `pyperf compare_to`, with a benchmark for each candidate and baseline."""
    import pyperf

    machine = results["machine"]
    about = {"unit": "second", "python_version": machine["python"], "cpu_count": machine["cores"]}
    benchmarks = {}
    for row in results["cases"]:
        for who, text in (("candidate", case_of(row)), ("baseline", f"{row['baseline']}, {row['corpus']}")):
            name = f"{row['group']}: {text}"
            values = row.get(f"{who}_seconds", [])
            runs = [pyperf.Run([value], metadata={**about, "name": name}, collect_metadata=False) for value in values]
            if runs and name not in benchmarks:
                benchmarks[name] = pyperf.Benchmark(runs)
    if benchmarks:
        pyperf.BenchmarkSuite(list(benchmarks.values())).dump(str(file), replace=True)

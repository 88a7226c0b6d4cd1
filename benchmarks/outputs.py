"""Results for people and programs: Markdown, a page, what github-action-benchmark and pyperf read."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.cases import GROUPS
from benchmarks.verdict import deviation


def write_all(results: dict[str, Any], directory: Path) -> None:
    """Results first: from these everything else can be made once more."""
    (directory / "results.json").write_text(json_of(results))
    (directory / "results.md").write_text(markdown(results))
    for name, rows in (("smaller", smaller_is_better(results)), ("bigger", bigger_is_better(results))):
        (directory / f"github-{name}-is-better.json").write_text(json.dumps(list(rows), indent=2) + "\n")
    from benchmarks.page import page  # with libraries that take their time

    (directory / "results.html").write_text(page(results))
    write_pyperf(results, directory / "pyperf.json")


def json_of(results: dict[str, Any]) -> str:
    """A line for each list of numbers: the file is kept, and looked at in diffs."""
    text = json.dumps(results, indent=1)
    return re.sub(r"\[\s+([-+.\d\s,e]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def markdown(results: dict[str, Any]) -> str:
    return "\n".join(["## Benchmarks", "", about(results), "", *conclusions(results), *tables(results)]) + "\n"


def about(results: dict[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"{results['date'][:10]}, `{results['command']}`: {machine['cores']} cores ({machine['processor']}), "
        f"{machine['system']} {machine['kernel']}, {machine['filesystem']}, Python {machine['python']}, "
        f"{machine['reader']} reader, revision {machine['revision']}; medians of pairs of runs{confidences(results)}."
    )


def confidences(results: dict[str, Any]) -> str:
    """Of the intervals, by the number of pairs."""
    rows = [row for row in results["cases"] if "times_as_fast" in row]
    found = sorted({(len(row["candidate_seconds"]), row["confidence"]) for row in rows}, reverse=True)
    told = ", ".join(f"{100 * confidence:.1f} % with {pairs}" for pairs, confidence in found)
    return f", in intervals that hold the true one with a confidence of {told} pairs" if told else ""


def conclusions(results: dict[str, Any]) -> list[str]:
    """What is slower than its baseline, and what the machine was too noisy for."""
    rows = [row for row in results["cases"] if "times_as_fast" in row]
    slower = [f"{case_of(row)} ({row['times_as_fast']:.2f}x)" for row in rows if row["verdict"] == "slower"]
    unstable = [case_of(row) for row in rows if row["verdict"] == "unstable"]
    lines = ["Interrupted: this is not the whole suite."] if results["interrupted"] else []
    lines += [f"Failed: {error}" for error in results["failed"]]
    lines += [f"Left out: {reason}" for reason in results["left_out"]]
    if slower:
        lines.append(f"Slower: {'; '.join(slower)}.")
    if unstable:
        lines.append(f"Unstable here: {'; '.join(unstable)}.")
    return [*lines, ""] if lines else []


def case_of(row: dict[str, Any]) -> str:
    return f"{row['name']} / {row['baseline']}"


def tables(results: dict[str, Any], groups: tuple[str, ...] = ()) -> Iterator[str]:
    for group in groups or GROUPS:
        rows = [row for row in results["cases"] if row["group"] == group]
        if rows:
            yield from ["" if groups else f"### {group.capitalize()}", "", *table(rows), *costs(rows)]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Ratios and seconds."""
    timed = [row for row in rows if "times_as_fast" in row]
    if not timed:
        return []
    lines = ["| case | against | times as fast | | seconds | its seconds | entries/s |"]
    lines.append("|---|---|--:|---|--:|--:|--:|")
    for row in timed:
        ours, theirs = (statistics.median(row[f"{who}_seconds"]) for who in ("candidate", "baseline"))
        ratio = "**{:.2f}** ({:.2f} to {:.2f})".format(row["times_as_fast"], *row["interval"])
        figures = f"{ours:.4f} | {theirs:.4f} | {row['entries'] / ours:,.0f}"
        lines.append(f"| {row['name']} | {row['baseline']} | {ratio} | {row['verdict']} | {figures} |")
    return [*lines, ""]


def costs(rows: list[dict[str, Any]]) -> list[str]:
    """What was weighed and counted."""
    told = [row for row in rows if costly(row)]
    if not told:
        return []
    lines = ["| case | peak memory | CPU | system calls | tasks, bytes between | against | its memory | CPU | calls |"]
    lines.append("|---|--:|--:|--:|--:|---|--:|--:|--:|")
    for row in told:
        ours, theirs = (" | ".join(costs_of(row, who)) for who in ("candidate", "baseline"))
        lines.append(f"| {row['name']} | {ours} | {between(row)} | {row['baseline']} | {theirs} |")
    return [*lines, ""]


def costly(row: dict[str, Any]) -> bool:
    return not row.keys().isdisjoint({"candidate_peak_bytes", "candidate_system_calls", "tasks"})


def costs_of(row: dict[str, Any], who: str) -> list[str]:
    peak, calls = row.get(f"{who}_peak_bytes"), row.get(f"{who}_system_calls")
    cpu = row.get(f"{who}_cpu_seconds")
    return [
        f"{peak / 1e6:.1f} MB" if peak else "", f"{cpu:.2f} s" if cpu else "", f"{calls:,}" if calls else "",
    ]  # fmt: skip


def between(row: dict[str, Any]) -> str:
    """What went between processes."""
    return f"{row['tasks']:,}, {row['bytes_between'] / 1e6:.1f} MB" if "tasks" in row else ""


def smaller_is_better(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For github-action-benchmark's `customSmallerIsBetter`: seconds, peak memory, system calls."""
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
    """For github-action-benchmark's `customBiggerIsBetter`: ratios, which do not depend on the machine of the day."""
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
    """What `pyperf compare_to` and its other commands read: a benchmark for each candidate and baseline."""
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

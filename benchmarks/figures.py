#!/usr/bin/env python3
"""Write the tables of benchmarks/results into README.md and the pages of docs/.

    python benchmarks/figures.py

Text between `<!-- NAME -->` and `<!-- /NAME -->` is replaced. `full.json` is written by `tools/bench`, `profile.txt` by
tools/profile_scan, the others by benchmarks/network.py, benchmarks/huge.py, benchmarks/planning.py and benchmarks/real.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import formats, network, outputs, planning, snapshots
from benchmarks.cases import GROUPS

RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("benchmarks", "planning", "snapshots")))


def results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def table_of_group(group: str) -> str:
    return "\n".join(outputs.tables(results("full"), (group,))).strip() + "\n"


STATED = "scan(stat=('size', 'mtime_ns'), backend='auto'), monorepo"
HIGHLIGHTS = {
    ("scan(), monorepo", "os.walk into a list"): "`scanner.scan`, 630,000 entries",
    (STATED, "os.walk and os.lstat"): "the same with sizes and times",
    ("scanner list -o FILE, monorepo", "fd -u > FILE"): "`scanner list`, 630,000 entries",
    ("scan(), round trips of 2 ms", "os.walk into a list"): "`scanner.scan`, round trips of 2 ms",
    ("scanner list -o FILE, medium", "find > FILE"): "`scanner list`, 42,000 entries",
}


def table_of_highlights() -> str:
    """Return the five rows of the README."""
    lines = ["| case | against | times as fast | seconds | its seconds |", "|---|---|--:|--:|--:|"]
    found = cases_of("full")
    for (name, baseline), text in HIGHLIGHTS.items():
        row = found[name, baseline]
        ours, theirs = (statistics.median(row[f"{who}_seconds"]) for who in ("candidate", "baseline"))
        low, high = row["interval"]
        against = baseline.removesuffix(" > FILE").removesuffix(" into a list")
        ratio = f"**{row['times_as_fast']:.2f}** ({low:.2f} to {high:.2f})"
        lines.append(f"| {text} | {against} | {ratio} | {ours:.2f} | {theirs:.2f} |")
    return "\n".join(lines) + "\n"


def about() -> str:
    return outputs.about(results("full")) + "\n"


def slower() -> str:
    return "\n".join(outputs.listed(results("full")))


def table_of_network() -> str:
    """Return the rows that have a baseline."""
    rows = results("network")["rows"] + results("sshfs")["rows"]
    return network.markdown([row for row in rows if "against" in row])


def table_of_settings() -> str:
    """Return seconds for fixed concurrency beside measured concurrency."""
    rows = results("network")["rows"]
    found = [re.fullmatch(r"nfs, (\S+) ms, (\d+ fixed|found)", row["case"]) for row in rows]
    seconds = {
        (match[1], match[2].removesuffix(" fixed")): row["seconds"]
        for match, row in zip(found, rows, strict=True) if match
    }  # fmt: skip
    latencies = list(dict.fromkeys(latency for latency, _ in seconds))
    settings = ["1", "4", "8", "16", "32", "64", "found"]
    lines = [f"| round trip | {' | '.join(settings)} |", "|---|" + "--:|" * len(settings)]
    for latency in latencies:
        figures = [seconds.get((latency, setting)) for setting in settings]
        lines.append(f"| {latency} ms | " + " | ".join("" if s is None else f"{s:.2f} s" for s in figures) + " |")
    return "\n".join(lines) + "\n"


def table_of_nfs() -> str:
    return (RESULTS / "nfs.md").read_text()


def profile() -> str:
    return f"```text\n{(RESULTS / 'profile.txt').read_text()}```\n"


AIMS = {
    ("scan(), monorepo", "os.walk into a list"): 2.7,
    ("scan(), SCANNER_PURE=1, monorepo", "os.walk into a list"): 2.0,
    ("walk, counting, monorepo", "os.walk, counting"): 2.7,
    ("scan(), deep", "os.walk into a list"): 3.0,
    ("scan(), flat", "os.walk into a list"): 1.2,
    ("scan(), small", "os.walk into a list"): 1.0,
    ("scan(), tiny", "os.walk into a list"): 1.0,
    ("scanner list -o FILE, monorepo", "fd -u > FILE"): 1.33,
    (STATED, "os.walk and os.lstat"): 6.0,
    ("scanner du -s > FILE, monorepo", "du -s > FILE"): 1.82,
}
"""Ratios to reach, by case and baseline."""
RUNS = ("full", "again-1", "again-2")  # of the suite; the others only of the groups that these are in
IN_ONE_PROCESS = ("tiny", "small")  # trees too small for workers, and walked many times in one run


def table_of_aims() -> str:
    """Return the ratios of each run beside the aims, and the limit with both processors busy all the time."""
    runs = [cases_of(name) for name in RUNS]
    lines = ["| case | against | aim | measured | | both processors busy |", "|---|---|--:|--:|---|--:|"]
    for (name, baseline), aim in AIMS.items():
        row = runs[0][name, baseline]
        busy = statistics.median(row["baseline_seconds"]) / (row["candidate_cpu_seconds"] / 2)
        most = "" if row["corpus"] in IN_ONE_PROCESS else f"{busy:.2f}"
        lines.append(aimed(name, baseline, aim, [run[name, baseline]["times_as_fast"] for run in runs], most=most))
    skewed, monorepo = (
        [run[f"scan(), {corpus}", "os.walk into a list"]["times_as_fast"] for run in runs]
        for corpus in ("skewed", "monorepo")
    )
    beside = [one / other for one, other in zip(skewed, monorepo, strict=True)]
    lines.append(aimed("scan(), skewed, beside os.walk", "scan(), monorepo, beside os.walk", 0.95, beside))
    return "\n".join([*lines, *aims_of_huge()]) + "\n"


def cases_of(run: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the cases of a run by name and baseline. The first of several counts."""
    timed = [row for row in results(run)["cases"] if "times_as_fast" in row]
    return {(row["name"], row["baseline"]): row for row in reversed(timed)}


def aims_of_huge() -> list[str]:
    tree = results("huge")["trees"][-1]
    compiled, tail = tree["readers"]["compiled"], f"--backend pool, {tree['entries']:,} entries"
    memory, share = compiled["memory"]["highest"] / 1e6, 100 * compiled["coordinator_share"]
    speedup = compiled["seconds"]["1"] / compiled["seconds"]["2"]
    return [
        aimed(f"scanner list {tail}, two workers", "one worker", 1.7, [speedup]),
        aimed(f"scanner list {tail}: highest peak of memory", "", 200, [memory], "MB at most"),
        aimed(f"scanner scan {tail}: the coordinator's share of processor time", "", 15, [share], "% at most"),
    ]


def aimed(case: str, baseline: str, aim: float, runs: list[float], unit: str = "", *, most: str = "") -> str:
    """Return a row of the aims. With a unit, less is better. `most` is the limit with both processors busy."""
    reached = [run <= aim if unit else run >= aim for run in runs]
    word = "reached" if all(reached) else f"in {sum(reached)} of {len(runs)}" if any(reached) else "short"
    digits = 0 if unit else 2
    wanted, got = f"{aim:.{digits}f} {unit}".strip(), ", ".join(f"{run:.{digits}f}" for run in runs)
    return f"| {case} | {baseline} | {wanted} | {got} | {word} | {most} |"


def table_of_huge() -> str:
    """Return memory and speed of lists of millions, in worker processes from the start."""
    lines = [
        "| entries | reader | memory half of the time | peak | highest peak "
        "| coordinator's share of a scan's processor time | seconds with one worker | with two | times as fast |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for tree in results("huge")["trees"]:
        entries = f"{tree['entries']:,}"
        lines.append(f"| {entries} | compiled, `--backend auto` | {in_mb(tree['memory_by_itself'])} | | | | |")
        for reader, measured in tree["readers"].items():
            one, two = measured["seconds"]["1"], measured["seconds"]["2"]
            share, speed = f"{100 * measured['coordinator_share']:.0f} %", f"{one:.2f} | {two:.2f} | {one / two:.2f}"
            lines.append(f"| {entries} | {reader} | {in_mb(measured['memory'])} | {share} | {speed} |")
    return "\n".join(lines) + "\n"


def in_mb(memory: dict[str, int]) -> str:
    return " | ".join(f"{memory[what] / 1e6:.0f} MB" for what in ("usual", "peak", "highest"))


def table_of_snapshots() -> str:
    return snapshots.table(results("snapshots"))


def table_of_memory_of_formats() -> str:
    return formats.table(results("formats")) if (RESULTS / "formats.json").exists() else "Not measured yet.\n"


def table_of_bytes() -> str:
    return planning.table_of_bytes(results("planning"))


def table_of_hours() -> str:
    return planning.table_of_hours(results("network")["rows"])


def table_of_memory() -> str:
    return planning.table_of_memory(results("planning"), results("huge"))


TABLES: dict[str, Callable[[], str]] = {
    "snapshots": table_of_snapshots,
    "memory of formats": table_of_memory_of_formats,
    "bytes": table_of_bytes,
    "hours": table_of_hours,
    "held": table_of_memory,
    "about": about,
    "slower": slower,
    **{group: partial(table_of_group, group) for group in GROUPS},
    "highlights": table_of_highlights,
    "network": table_of_network,
    "settings": table_of_settings,
    "nfs": table_of_nfs,
    "profile": profile,
    "huge": table_of_huge,
    "aims": table_of_aims,
}


def filled(text: str) -> str:
    """Return `text` with the tables of the results between their markers."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        if begin in text:
            before, _, rest = text.partition(begin)
            _, closed, after = rest.partition(end)
            assert closed, f"{begin.strip()} has no end"
            text = f"{before}{begin}\n{table()}\n{end}{after}"
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text()))

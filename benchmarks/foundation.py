#!/usr/bin/env python3
"""The speed and memory of the foundation, as ratios beside their baselines.

    python benchmarks/foundation.py [--runs 7] [--scratch /tmp] [--json FILE] [CASE ...]

Candidate and baseline take turns, each in a fresh process, on trees that are built here. Each ratio is that of one
pair of runs; the median of these is printed, with the median absolute deviation. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scanner.kernel.which import reader_name
from scanner.options import ScanOptions
from tools.make_tree import make_tree

OS_WALK_LIST = "import os; result = list(os.walk(TOP))"
OS_WALK_COUNT = "import os; n = sum(len(files) for _, _, files in os.walk(TOP))"
SCAN = "import scanner; result = scanner.scan(TOP, {})"
WALK_COUNT = "import scanner; n = sum(len(files) for _, _, files in scanner.walk(TOP))"
LIST = [sys.executable, "-P", "-m", "scanner", "list"]
TREES: dict[str, tuple[str, int, int]] = {
    "monorepo": ("monorepo", 30_000, 600_000),
    "skewed": ("skewed", 30_000, 600_000),
    "tiny20": ("monorepo", 20, 400),
    "tiny200": ("monorepo", 200, 4_000),
    "small": ("monorepo", 5_000, 95_000),
    "large": ("monorepo", 50_000, 950_000),
    "flat": ("flat", 0, 1_000_000),
    "flat100k": ("flat", 0, 100_000),
}


class Bench:
    """Builds trees when a case first needs them, runs pairs, collects rows."""

    def __init__(self, scratch: Path, runs: int) -> None:
        self.scratch = scratch
        self.runs = runs
        self.rows: list[dict[str, Any]] = []
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled modules

    def tree(self, name: str) -> str:
        top = self.scratch / name
        if not top.exists():
            make_tree(TREES[name][0], top, *TREES[name][1:])
        return str(top)

    def inside(self, code: str, tree: str, repeat: int = 1, pure: bool = False) -> float:
        """Seconds that `code` takes in a fresh interpreter, start-up and first imports apart."""
        prelude = f"import time, os\nTOP = {self.tree(tree)!r}\n" + code.split(";")[0] + "\n"
        warm = "import scanner; scanner.walk, scanner.scan\n" if "scanner" in code else ""
        loop = f"t = time.perf_counter()\nfor _ in range({repeat}):\n    {code}\nprint(time.perf_counter() - t)"
        result = subprocess.run(
            [sys.executable, "-P", "-c", prelude + warm + loop],
            capture_output=True, text=True, check=True, env={**self.environment, "SCANNER_PURE": "01"[pure]},
        )  # fmt: skip
        return float(result.stdout)

    def whole(self, command: list[str], output: Path | None) -> float:
        """Seconds of a whole process, with what it prints going to `output`."""
        with open(output or os.devnull, "wb") as target:
            started = time.perf_counter()
            subprocess.run(command, stdout=target, check=True, env=self.environment)
        return time.perf_counter() - started

    def pair(self, case: str, baseline: str, candidate: Callable[[], float], against: Callable[[], float]) -> None:
        candidate(), against()  # warm both
        pairs = [(candidate(), against()) for _ in range(self.runs)]
        ratios = [theirs / ours for ours, theirs in pairs]
        middle = statistics.median(ratios)
        self.rows.append(
            {
                "case": case,
                "baseline": baseline,
                "times_as_fast": round(middle, 3),
                "deviation": round(statistics.median(abs(ratio - middle) for ratio in ratios), 3),
                "seconds": round(statistics.median(ours for ours, _ in pairs), 5),
                "baseline_seconds": round(statistics.median(theirs for _, theirs in pairs), 5),
                "runs": self.runs,
            }
        )
        print(f"  {case}: {middle:.2f}x {baseline}", file=sys.stderr)


def case_scan(bench: Bench) -> None:
    for tree in ("monorepo", "skewed"):
        for options in ("backend='pool'", "backend='auto'"):
            bench.pair(
                f"scan({options}), {tree}",
                "os.walk into a list",
                lambda tree=tree, options=options: bench.inside(SCAN.format(options), tree),
                lambda tree=tree: bench.inside(OS_WALK_LIST, tree),
            )


def case_pure(bench: Bench) -> None:
    """Where the compiled reader could not be built."""
    bench.pair(
        "scan(backend='pool'), monorepo, SCANNER_PURE=1",
        "os.walk into a list",
        lambda: bench.inside(SCAN.format("backend='pool'"), "monorepo", pure=True),
        lambda: bench.inside(OS_WALK_LIST, "monorepo"),
    )


def case_walk(bench: Bench) -> None:
    bench.pair(
        "walk, counting, monorepo",
        "os.walk, counting",
        lambda: bench.inside(WALK_COUNT, "monorepo"),
        lambda: bench.inside(OS_WALK_COUNT, "monorepo"),
    )


def case_tiny(bench: Bench) -> None:
    for tree, repeat in (("tiny20", 200), ("tiny200", 20)):
        bench.pair(
            f"walk (auto), {TREES[tree][1]} directories",
            "os.walk, counting",
            lambda tree=tree, repeat=repeat: bench.inside(WALK_COUNT, tree, repeat),
            lambda tree=tree, repeat=repeat: bench.inside(OS_WALK_COUNT, tree, repeat),
        )


def case_list(bench: Bench) -> None:
    top, out = bench.tree("monorepo"), bench.scratch / "out"
    fd = shutil.which("fd") or shutil.which("fdfind")
    peers = {"find": ["find", top]}
    if fd:
        peers["fd -u"] = [fd, "-u", ".", top]
    for name, command in peers.items():
        bench.pair(
            "scanner list -o FILE, whole process",
            f"{name} > FILE",
            lambda: bench.whole([*LIST, "-o", str(out), top], None),
            lambda command=command: bench.whole(command, out),
        )
    out.unlink()


def case_import(bench: Bench) -> None:
    bench.pair(
        "import scanner and its names (over 1: dearer than bare Python)",
        "bare Python",
        lambda: bench.whole([sys.executable, "-P", "-c", "pass"], None),
        lambda: bench.whole([sys.executable, "-P", "-c", "import scanner; scanner.walk, scanner.scan"], None),
    )


def case_memory(bench: Bench) -> None:
    """Peak of the sum over all processes, with a consumer ten times slower than the walk."""
    for tree in ("small", "large", "flat100k", "flat"):
        entries = sum(TREES[tree][1:])
        for name, code in SLOW_CONSUMERS.items():
            if name == "walk" and tree.startswith("flat"):
                continue  # its one tuple is the whole tree
            peak = float(
                subprocess.run(
                    [sys.executable, "-P", "-c", MEMORY + code, bench.tree(tree)],
                    capture_output=True, text=True, check=True, env=bench.environment,
                ).stdout
            )  # fmt: skip
            row = {"case": f"{name}, slow consumer, {tree}", "entries": entries, "peak_mb": round(peak / 1e6, 1)}
            bench.rows.append(row)
            print(f"  {row['case']}: {row['peak_mb']} MB, {entries:,} entries", file=sys.stderr)


MEMORY = """
import os, sys, threading, time, psutil
TOP = sys.argv[1]
peak, over = 0, threading.Event()
def watch(pid):
    global peak
    top = psutil.Process(pid)
    while not over.wait(0.02):
        try:
            # Memory that forked workers share with their parent counts once: PSS, not RSS.
            peak = max(peak, sum(p.memory_full_info().pss for p in (top, *top.children(recursive=True))))
        except psutil.Error:
            pass
"""
SLOW_CONSUMERS = {
    "walk": """
import scanner
watcher = threading.Thread(target=watch, args=(os.getpid(),)); watcher.start()
started = time.perf_counter(); seen = 0
for _, dirs, files in scanner.walk(TOP, backend="pool", max_workers=2):
    seen += len(dirs) + len(files)
    # ten times the microsecond that the walk of an entry takes
    while time.perf_counter() - started < seen * 10e-6:
        time.sleep(0.001)
over.set(); watcher.join(); print(peak)
""",
    "list": """
import subprocess
process = subprocess.Popen([sys.executable, "-P", "-m", "scanner", "list", "--backend", "pool", "--workers", "2", TOP],
                           stdout=subprocess.PIPE)
watcher = threading.Thread(target=watch, args=(process.pid,)); watcher.start()
started = time.perf_counter(); seen = 0
while piece := process.stdout.read1(65536):
    seen += piece.count(b"\\n")
    while time.perf_counter() - started < seen * 10e-6:
        time.sleep(0.001)
over.set(); watcher.join(); print(peak)
""",
}
CASES: dict[str, Callable[[Bench], None]] = {
    "scan": case_scan,
    "pure": case_pure,
    "walk": case_walk,
    "tiny": case_tiny,
    "list": case_list,
    "import": case_import,
    "memory": case_memory,
}


def machine() -> dict[str, Any]:
    revision = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "reader": reader_name(ScanOptions()),
        "revision": revision.stdout.strip(),
    }


def markdown(rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    lines = [", ".join(f"{name} {value}" for name, value in about.items()), ""]
    timed = [row for row in rows if "times_as_fast" in row]
    if timed:
        lines += ["| case | against | times as fast | deviation | seconds | baseline |", "|---|---|--:|--:|--:|--:|"]
        lines += [
            f"| {row['case']} | {row['baseline']} | **{row['times_as_fast']:.2f}** | {row['deviation']:.2f} "
            f"| {row['seconds']:.4f} | {row['baseline_seconds']:.4f} |"
            for row in timed
        ]
    weighed = [row for row in rows if "peak_mb" in row]
    if weighed:
        lines += ["", "| case | entries | peak memory, all processes |", "|---|--:|--:|"]
        lines += [f"| {row['case']} | {row['entries']:,} | {row['peak_mb']} MB |" for row in weighed]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--runs", type=int, default=7, metavar="N")
    parser.add_argument("--scratch", type=Path, help="where to build trees (default: a temporary directory)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to FILE")
    args = parser.parse_args()
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"unknown case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    with tempfile.TemporaryDirectory(dir=args.scratch) as own:
        bench = Bench(args.scratch or Path(own), args.runs)
        for name in args.cases or CASES:
            CASES[name](bench)
    about = machine()
    print(markdown(bench.rows, about), end="")
    if args.json:
        args.json.write_text(json.dumps({"schema": 1, "machine": about, "rows": bench.rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure scans with a snapshot store beside the same scans without one.

    python benchmarks/snapshots.py [--runs 7] [--scratch DIRECTORY]

Builds a tree of 30,000 directories and 600,000 files (a minute), measures whole processes in pairs, and removes it.
Writes benchmarks/results/snapshots.json, from which benchmarks/figures.py makes the table in docs/snapshots.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import scanner
from benchmarks.measure import Runner, drop_caches
from benchmarks.programs import SCANNER, Program
from tools.make_tree import make_tree

RESULTS = ROOT / "benchmarks" / "results" / "snapshots.json"
DIRECTORIES, FILES = 30_000, 600_000
OLD_ENOUGH = 3.5  # seconds: until a tree that was just built is not racy any more
CHANGED = 20
BACKENDS = ("serial", "auto")
UPDATEDB = (
    "--require-visibility",
    "no",
    "--prunepaths",
    "",
    "--prunefs",
    "",
    "--prunenames",
    "",
    "--prune-bind-mounts",
    "no",
)
COLUMNS = "size,blocks,mode,uid,gid,ino,dev,nlink,mtime_ns,ctime_ns"


class Bench:
    """One tree, and commands on it."""

    def __init__(self, scratch: Path, runs: int) -> None:
        self.top, self.store, self.out = scratch / "tree", scratch / "store", scratch / "list.txt"
        self.changes = scratch / "changes.txt"
        self._runs, self._runner = runs, Runner(ROOT, scratch / "out")
        self.rows: list[dict[str, Any]] = []

    def program(self, *arguments: str, offline: bool = False) -> Program:
        root = [] if offline else [str(self.top)]
        return Program("list", [*SCANNER, "list", *arguments, "-o", str(self.out), *root], writes=str(self.out))

    def pair(
        self, case: str, backend: str, *arguments: str, before: Callable[[], object] = int, offline: bool = False,
        cold: bool = False,
    ) -> None:  # fmt: skip
        """Measure `list` with these arguments beside `list` without. `before`: called before each run of the first.
        `cold`: drop the caches before each run.
        """
        ours = self.program("--backend", backend, *arguments, offline=offline)
        self.compare(case, backend, ours, self.program("--backend", backend), before, cold=cold)

    def compare(
        self, case: str, backend: str, ours: Program, baseline: Program, before: Callable[[], object] = int, *,
        cold: bool = False,
    ) -> None:  # fmt: skip
        """Measure one program beside another one."""
        pairs = []
        for _ in range(self._runs):
            before()
            samples = []
            for program in (ours, baseline):
                if cold:
                    drop_caches()
                samples.append(self._runner.run(program))
            pairs.append(samples)
        seconds, cpu = (
            statistics.median(getattr(one, name) / getattr(other, name) for one, other in pairs)
            for name in ("seconds", "cpu")
        )
        self.rows.append({"case": case, "backend": backend, "seconds": seconds, "cpu": cpu})
        print(f"{case}, {backend}: {seconds:.2f} of the time, {cpu:.2f} of the processor time", flush=True)

    def forget(self) -> None:
        for path in self.store.parent.glob("store*"):
            path.unlink()

    def folders(self) -> list[str]:
        return [path for path, _, _ in os.walk(self.top)]

    def touch(self, share: float) -> None:
        """Change some directories."""
        for folder in self.folders()[:: int(1 / share)]:
            Path(folder, f"new {time.time_ns()}").touch()

    def measure(self) -> dict[str, Any]:
        store = ("--store", str(self.store))
        for backend in BACKENDS:
            self.forget()
            self.pair("first snapshot", backend, *store, before=self.forget)
            self.pair("nothing has changed", backend, *store)
            self.pair("read back (--from)", backend, "--from", str(self.store), offline=True)
            self.changes.write_text("\n".join(self.folders()[:CHANGED]) + "\n")
            self.pair(f"--changed with {CHANGED} directories", backend, *store, "--changed", str(self.changes))
            self.pair("nothing has changed, cold cache", backend, *store, cold=True)
            self.beside_updatedb(backend)
        return {"rows": self.rows, "bytes": self.sizes(), "comparisons": self.comparisons()}

    def beside_updatedb(self, backend: str) -> None:
        """Measure `scan` beside plocate's updatedb, which also reads only directories that changed."""
        if shutil.which("updatedb.plocate") is None:
            return
        ours = Program(
            "scan", [*SCANNER, "scan", "-q", "--backend", backend, "--store", str(self.store), str(self.top)]
        )
        theirs = Program("updatedb", ["updatedb.plocate", *UPDATEDB, "-U", str(self.top), "-o", str(self.out)])
        self._runner.run(theirs)
        time.sleep(OLD_ENOUGH)
        self.compare("nothing has changed, beside updatedb", backend, ours, theirs)

    def sizes(self) -> dict[str, float]:
        """Return bytes of the store: for an entry, for a night without changes, and with 1 % of directories changed."""
        figures = {}
        for name, arguments in (("names", []), ("columns", ["--fields", COLUMNS, "--format", "csv"])):
            self.forget()
            program = self.program("--store", str(self.store), *arguments)
            self._runner.run(program)
            entries = sqlite3.connect(self.store).execute("SELECT entries FROM snapshots").fetchone()[0]
            first = self.store.stat().st_size
            figures[name] = first / entries
            self._runner.run(program)
            figures[f"{name}, unchanged night"] = self.store.stat().st_size - first
        before = self.store.stat().st_size
        self.touch(0.01)
        self._runner.run(program)
        figures["share added by 1 % of directories"] = (self.store.stat().st_size - before) / before
        return figures

    def comparisons(self) -> dict[str, float]:
        """Return milliseconds for comparing the last two snapshots, and directories a second of two equal stores."""
        copy = self.store.with_name("store copy")
        shutil.copyfile(self.store, copy)
        one_store = statistics.median(seconds_of(lambda: scanner.Store(self.store).diff()) for _ in range(self._runs))
        two = statistics.median(seconds_of(lambda: scanner.diff(self.store, copy)) for _ in range(self._runs))
        directories = scanner.Store(self.store).snapshots[-1].directories
        return {"1 % changed, milliseconds": 1000 * one_store, "two stores, directories a second": directories / two}


def seconds_of(compare: Callable[[], scanner.Diff]) -> float:
    """Return the processor seconds of a comparison with its iteration."""
    began = time.process_time()
    with compare() as changes:
        for _ in changes:
            pass
    return time.process_time() - began


def table(results: dict[str, Any]) -> str:
    """Return the ratios as Markdown."""
    lines = ["| case | `--backend serial` | `--backend auto` |", "|---|--:|--:|"]
    for case in dict.fromkeys(row["case"] for row in results["rows"]):
        ratios = {row["backend"]: f"{row['seconds']:.2f}" for row in results["rows"] if row["case"] == case}
        lines.append(f"| {case} | {ratios['serial']} | {ratios['auto']} |")
    sizes = results["bytes"]
    lines += [
        "",
        f"Bytes of the store for each entry: {sizes['names']:.1f} with names, {sizes['columns']:.1f} with ten fields. ",
    ]
    lines[-1] += (
        f"A night without changes adds {sizes['names, unchanged night']:,} bytes, changes in 1 % of the directories "
        f"add {sizes['share added by 1 % of directories']:.1%}."
    )
    comparisons = results["comparisons"]
    lines[-1] += (
        f" `Store.diff` after these changes takes {comparisons['1 % changed, milliseconds']:.0f} ms, `scanner.diff` of "
        f"two equal stores compares {comparisons['two stores, directories a second']:,.0f} directories a second."
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--scratch", type=Path, help="where to build the tree (default: a temporary directory)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        bench = Bench(Path(scratch), args.runs)
        make_tree("monorepo", bench.top, DIRECTORIES, FILES)
        time.sleep(OLD_ENOUGH)
        results = bench.measure()
        shutil.rmtree(bench.top)
    results |= {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "python": sys.version.split()[0], "runs": args.runs}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results), json.dumps(results["bytes"], indent=1))


if __name__ == "__main__":
    main()

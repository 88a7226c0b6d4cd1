#!/usr/bin/env python3
"""Measure the gain of concurrency where directories cost round trips, and how close adaptation comes to the optimum.

    python benchmarks/network.py [--runs 3] [--json FILE] [CASE ...]

As root, or with fusermount3. Each case mounts a FUSE file system (tests/support/faultfs) that delays its answers, and
empties the kernel's caches before each run (as root); each result is compared with that of `os.walk`. Prints Markdown.
The file system counts requests: they are more reliable than seconds on a noisy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import scanner
from benchmarks.measure import drop_caches
from benchmarks.suite import machine
from scanner.kernel.devices import RELIABLE
from scanner.model import is_below
from scanner.plan.pace import Pace
from tests.support.faultfs import FaultFS, unavailable
from tests.support.faultfs.rules import LONG_AGO
from tools.make_tree import make_tree

SMALL = {"$": "synth", "fanout": [10, 14, 14], "files": 3}  # 2,111 directories
LARGE = {"$": "synth", "fanout": [10, 14, 14, 9], "files": 3}  # 19,751 directories
COUNTED = ("lookup", "getattr", "opendir", "readdir")
CAP = 64


class Fixed(Pace):
    """Fixed number of slots, without measuring."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots, slots)

    def begin_with(self, first: int) -> None:
        pass

    def note(self, *_: Any) -> int:
        return self.slots


class Mount:
    """Slow file system, and the cost of runs on it."""

    def __init__(self, runs: int, *, at: Path | None = None, top: Path | None = None, **spec: Any) -> None:
        """Mount at `at`. `top`: the root to walk, by default the mount."""
        self._fs = FaultFS(at or tempfile.mkdtemp(), **spec)
        self.top = str(top or self._fs.mnt)
        self._runs = runs
        self.rows: list[dict[str, Any]] = []

    def __enter__(self) -> Mount:
        self._fs.__enter__()
        self.walk_at(self.top)
        return self

    def walk_at(self, top: str | Path, **options: Any) -> None:
        """Walk `top` with these options from now on."""
        self.top, self._options = str(top), options
        self._fs.latency(0)
        outside = self._fs.mnt if options.get("one_file_system") else None
        self.expected = [item for item in os.walk(self.top) if outside is None or not is_below(item[0], outside)]

    def __exit__(self, *error: Any) -> None:
        self._fs.__exit__(*error)

    def measure(self, case: str, latency_ms: float, walk: Callable[[], Any], runs: int | None = None) -> float:
        """Return the median of the seconds of `walk` with cold caches."""
        seconds, stats = [], {}
        for _ in range(runs or self._runs):
            self._fs.latency(latency_ms)
            drop_caches()
            self._fs.reset()
            started = time.perf_counter()
            result = walk()
            seconds.append(time.perf_counter() - started)
            stats = self._fs.stats()
            assert result == self.expected, f"{case}: differs from os.walk"
        requests = sum(stats["ops"].get(name, 0) for name in COUNTED) / len(self.expected)
        row = {
            "case": case, "directories": len(self.expected), "seconds": round(statistics.median(seconds), 3),
            "requests_per_directory": round(requests, 2) or "", "most_in_flight": stats["peak"].get("all", 0),
        }  # fmt: skip
        self.rows.append(row)
        print(f"  {case}: {row['seconds']} s, {row['most_in_flight']} in flight", file=sys.stderr)
        return statistics.median(seconds)

    def compare(self, baseline: float, seconds: float, against: str, row: int = -1) -> None:
        """Add the ratio to a baseline to a row of the table."""
        self.rows[row] |= {"times_as_fast": round(baseline / seconds, 2), "against": against}

    def scan(self, **options: Any) -> Any:
        return scanner.scan(self.top, **self._options, **options)

    def rules(self, rules: list[dict[str, Any]]) -> None:
        self._fs.rules(rules)

    def fixed(self, slots: int) -> Any:
        with mock.patch("scanner.plan.zones.Pace", return_value=Fixed(slots)):
            return scanner.scan(self.top, max_in_flight=slots)


def case_presets(runs: int) -> list[dict[str, Any]]:
    """Round trips of 2 ms: like a cold NFS client (three per directory), and without any cache."""
    rows = []
    for preset in ("nfs", "strict"):
        with Mount(runs, tree=SMALL, preset=preset) as mount:
            theirs = mount.measure(f"{preset}, 2 ms, os.walk", 2, lambda: list(os.walk(mount.top)), runs=1)
            ours = mount.measure(f"{preset}, 2 ms, scan", 2, mount.scan)
            mount.compare(theirs, ours, "os.walk")
            pool = mount.measure(f"{preset}, 2 ms, scan(backend='pool')", 2, lambda: mount.scan(backend="pool"))
            mount.compare(theirs, pool, "os.walk")
            rows += mount.rows
    return rows


def case_ramp(runs: int) -> list[dict[str, Any]]:
    """Cost of measuring, beside a number known from the start."""
    rows = []
    for tree in (SMALL, LARGE):
        with Mount(runs, tree=tree, preset="nfs") as mount:
            known = mount.measure("nfs, 2 ms, 64 from the start", 2, lambda: mount.fixed(CAP))
            found = mount.measure("nfs, 2 ms, found by measuring", 2, mount.scan)
            mount.compare(known, found, "64 from the start")
            rows += mount.rows
    return rows


def case_busy(runs: int) -> list[dict[str, Any]]:
    """Server that answers 8 requests at a time: the optimum is 8 directories in three round trips."""
    with Mount(runs, tree=SMALL, preset="nfs", slots=8) as mount:
        ours = mount.measure("nfs, 2 ms, 8 at a time, scan", 2, mount.scan)
        best = len(mount.expected) * 3 * 0.002 / 8
        mount.compare(best, ours, "the best that 8 at a time can give")
        return mount.rows


def case_settings(runs: int) -> list[dict[str, Any]]:
    """Fixed concurrency beside measured concurrency, for near and far servers."""
    rows = []
    for latency in (10, 2, 0.2):
        with Mount(runs, tree=SMALL, preset="nfs") as mount:
            fixed = {
                slots: mount.measure(
                    f"nfs, {latency} ms, {slots} fixed", latency, lambda slots=slots: mount.fixed(slots)
                )
                for slots in (1, 4, 8, 16, 32, 64)
                if slots > 1 or latency < 10
            }
            ours = mount.measure(f"nfs, {latency} ms, found", latency, mount.scan)
            mount.compare(min(fixed.values()), ours, "the best of fixed numbers, 1 to 64")
            rows += mount.rows
    return rows


def case_mixed(runs: int) -> list[dict[str, Any]]:
    """Slow mount in a local tree: takes as long as the slower part alone if neither delays the other."""
    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch, "local")
        make_tree("monorepo", local, 30_000, 300_000)
        middle = local / sorted(os.listdir(local))[1] / "mount"
        middle.mkdir(parents=True)
        with Mount(runs, at=middle, top=local, tree=SMALL, preset="nfs") as mount:
            both = mount.measure("30,000 local directories with an nfs mount in them, 10 ms, scan", 10, mount.scan)
            mount.walk_at(middle)
            slow = mount.measure("the mount alone, scan", 10, mount.scan)
            mount.compare(slow, both, "the mount alone", row=0)
            mount.walk_at(local, one_file_system=True)
            mount.measure("the local tree alone, scan(one_file_system=True)", 10, mount.scan)
            return mount.rows


def case_rate(runs: int) -> list[dict[str, Any]]:
    """Measure directories per second of `max_rate=5000`, over the whole scan: each costs five requests."""
    with Mount(runs, tree=SMALL, preset="nfs") as mount:
        seconds = mount.measure("nfs, 0.2 ms, max_rate=5000", 0.2, lambda: mount.scan(max_rate=5000))
        mount.rows[-1]["rate"] = round(len(mount.expected) / seconds)
        return mount.rows


def case_flat(runs: int) -> list[dict[str, Any]]:
    """One directory without types, each look-up 2 ms: concurrently, and one at a time."""
    spec = {"preset": "nfs", "readdirplus": False, "entry_timeout": 0, "attr_timeout": 0}
    tree = {"flat": {"$": "flat", "n": 4000, "dirs": 5}}
    with Mount(runs, tree=tree, rules=[{"path": "*", "dtype": "unknown"}], **spec) as mount:
        one = mount.measure("4,000 types at 2 ms, one at a time", 2, lambda: mount.scan(max_in_flight=1), runs=1)
        many = mount.measure("4,000 types at 2 ms, scan", 2, mount.scan)
        mount.compare(one, many, "one at a time")
        return mount.rows


def case_metadata(runs: int) -> list[dict[str, Any]]:
    """Sizes and times: included in listings, and for two requests each."""
    fields = {"stat": ("size", "mtime_ns")}
    with Mount(runs, tree=SMALL, preset="nfs") as mount:
        theirs = mount.measure("nfs, 2 ms, os.walk and os.lstat", 2, lambda: walk_and_lstat(mount.top), runs=1)
        ours = mount.measure("nfs, 2 ms, scan(stat=('size', 'mtime_ns'))", 2, lambda: mount.scan(**fields))
        mount.compare(theirs, ours, "os.walk and os.lstat")
        rows = mount.rows
    with Mount(runs, tree={"flat": {"$": "flat", "n": 2000, "dirs": 0}}, preset="strict") as mount:
        one = mount.measure(
            "2,000 sizes and times at 2 ms, one at a time", 2, lambda: mount.scan(max_in_flight=1, **fields), runs=1
        )
        many = mount.measure("2,000 sizes and times at 2 ms, scan", 2, lambda: mount.scan(**fields))
        mount.compare(one, many, "one at a time")
        return rows + mount.rows


def case_snapshots(runs: int) -> list[dict[str, Any]]:
    """Scans with a store: nothing has changed, and one directory in ten. The bars are 1.05 and 3.05 requests."""
    trusted = mock.patch("scanner.kernel.devices.RELIABLE", RELIABLE | {"fuse", "fuse.faultfs"})
    clock = {"path": "/", "stamp": LONG_AGO + 100}  # a ctime that makes all others old enough to be trusted
    with (
        Mount(runs, tree=SMALL, preset="nfs", rules=[clock]) as mount,
        tempfile.TemporaryDirectory() as scratch,
        trusted,
    ):
        snapshot = {"store": Path(scratch, "store"), "backend": "serial"}
        full = mount.measure("nfs, 2 ms, scan in one thread", 2, lambda: mount.scan(backend="serial"), runs=1)
        mount.measure("nfs, 2 ms, the first snapshot", 2, lambda: mount.scan(**snapshot), runs=1)
        again = mount.measure("nfs, 2 ms, nothing has changed", 2, lambda: mount.scan(**snapshot))
        mount.compare(full, again, "without a store")
        mount.rules([clock, {"path": "/*/*/*", "stamp": LONG_AGO + 1}])
        changed = mount.measure(
            "nfs, 2 ms, 1,960 of 2,111 directories have changed", 2, lambda: mount.scan(**snapshot), runs=1
        )
        mount.compare(full, changed, "without a store")
        return mount.rows


def walk_and_lstat(top: str) -> list[Any]:
    walked = []
    for root, dirs, files in os.walk(top):
        walked.append((root, dirs, files))
        for name in dirs + files:
            os.lstat(os.path.join(root, name))
    return walked


CASES: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "presets": case_presets,
    "ramp": case_ramp,
    "busy": case_busy,
    "settings": case_settings,
    "mixed": case_mixed,
    "rate": case_rate,
    "flat": case_flat,
    "metadata": case_metadata,
    "snapshots": case_snapshots,
}


def report(rows: list[dict[str, Any]], to: Path | None) -> None:
    """Print the rows as Markdown, and write them to a JSON file."""
    about = machine(Path(tempfile.gettempdir()))
    print(", ".join(f"{name} {value}" for name, value in about.items()) + "\n\n" + markdown(rows), end="")
    if to is not None:
        to.write_text(json.dumps({"schema": 1, "machine": about, "rows": rows}, indent=2) + "\n")


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = ["| case | directories | seconds | requests a directory | most in flight | times as fast | as |"]
    lines.append("|---|--:|--:|--:|--:|--:|---|")
    lines += [
        f"| {row['case']} | {row['directories']:,} | {row['seconds']:.3f} | {row.get('requests_per_directory', '')} "
        f"| {row.get('most_in_flight', '')} | {row.get('times_as_fast', '')} | {row.get('against', '')} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to FILE")
    args = parser.parse_args()
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"unknown case {', '.join(sorted(unknown))}: choose from {', '.join(CASES)}")
    if reason := unavailable():
        parser.error(reason)
    rows = []
    for name in args.cases or CASES:
        rows += CASES[name](args.runs)
    report(rows, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

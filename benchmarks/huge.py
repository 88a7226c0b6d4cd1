"""Measure memory of lists of 1 and 10 million entries, and the coordinator's share of processor time.

    python benchmarks/huge.py

Builds trees of hard links (about ten minutes), measures, and removes them. Writes benchmarks/results/huge.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measure import Runner
from benchmarks.programs import SCANNER, Program

PER_DIRECTORY = 1_000
LINKS = 60_000  # per file: the limit of ext4
READERS = {"compiled": {}, "pure": {"SCANNER_PURE": "1"}}
RESULTS = ROOT / "benchmarks" / "results" / "huge.json"


def build(top: Path, entries: int) -> None:
    """Create directories of hard links, a hundred directories in each."""
    (top / "files").mkdir(parents=True)
    made = 0
    for number in range(entries // PER_DIRECTORY):
        directory = top / f"d{number // 100}" / f"d{number % 100}"
        directory.mkdir(parents=True)
        for name in range(PER_DIRECTORY):
            file = top / "files" / f"f{made // LINKS}"
            if made % LINKS == 0:
                file.touch()
            os.link(file, directory / f"name-{name:04}")
            made += 1


def measure(scratch: Path, entries: int, runs: int) -> dict[str, Any]:
    top = scratch / "tree"
    build(top, entries)
    try:
        runner = Runner(ROOT, scratch / "out")
        runner.run(listing(scratch, top, {}))  # warm up
        lines = (scratch / "list.txt").read_bytes().count(b"\n")
        assert lines >= entries, "the list is incomplete"
        with_both = {name: weigh(runner, top, extra, runs) for name, extra in READERS.items()}
        by_itself = memory(runner, listing(scratch, top, {}), runs)
        return {"entries": lines, "memory_by_itself": by_itself, "readers": with_both}
    finally:
        shutil.rmtree(top)


def weigh(runner: Runner, top: Path, environment: dict[str, str], runs: int) -> dict[str, Any]:
    """Measure with worker processes from the start: trees of all sizes use the same processes."""
    scratch = top.parent
    report = scratch / "report.json"
    lists = {n: listing(scratch, top, environment, "--backend", "pool", "--workers", str(n)) for n in (1, 2)}
    bytes_taken = memory(runner, lists[2], runs)
    rounds = [{n: runner.run(each).seconds for n, each in lists.items()} for _ in range(runs)]
    seconds = {n: statistics.median(each[n] for each in rounds) for n in lists}
    command = [*SCANNER, "scan", "--backend", "pool", "--report", str(report), str(top)]
    runner.run(Program("scan", command, environment=environment))
    return {"memory": bytes_taken, "seconds": seconds, "coordinator_share": share(report)}


def listing(scratch: Path, top: Path, environment: dict[str, str], *options: str) -> Program:
    out = str(scratch / "list.txt")
    return Program("list", [*SCANNER, "list", *options, "-o", out, str(top)], environment=environment, writes=out)


def memory(runner: Runner, program: Program, runs: int) -> dict[str, int]:
    """Return bytes of all processes together: the median over time (`usual`), the peak, and the highest peak of runs.

    `usual` and `peak` are medians of the runs.
    """
    weighed = [each for _ in range(runs) if (each := runner.weigh(program)) is not None]
    peaks = [peak for peak, _ in weighed]
    usual = [statistics.median(size for _, size in series) for _, series in weighed]
    return {"usual": int(statistics.median(usual)), "peak": int(statistics.median(peaks)), "highest": max(peaks)}


def share(report: Path) -> float:
    """Return the coordinator's share of the processor time of all processes."""
    processes = json.loads(report.read_text())["resources"]["processes"]
    spent = [each["cpu_user_seconds"] + each["cpu_system_seconds"] for each in processes]
    return float(spent[0] / sum(spent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help="where to build the trees (default: a temporary directory)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        trees = [measure(Path(scratch), entries, args.runs) for entries in args.entries]
    results = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "python": sys.version.split()[0], "trees": trees}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

"""What memory a list of 1 and of 10 million entries takes, and what the coordinator has of its processor time.

    python benchmarks/huge.py

Builds the trees of hard links (some ten minutes), measures, and removes them. Writes benchmarks/results/huge.json.
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
LINKS = 60_000  # that one file may have on ext4
RESULTS = ROOT / "benchmarks" / "results" / "huge.json"


def build(top: Path, entries: int) -> None:
    """Directories of links, a hundred to a directory."""
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
        out, report = scratch / "list.txt", scratch / "report.json"
        listing = Program("list", [*SCANNER, "list", "-o", str(out), str(top)])
        weighed = runner.weigh(listing)
        assert weighed is not None
        lines = out.read_bytes().count(b"\n")
        assert lines >= entries, "all of it is listed"
        seconds = {
            workers: statistics.median(
                runner.run(
                    listing._replace(command=[*listing.command, "--backend", "pool", "--workers", str(workers)])
                ).seconds
                for _ in range(runs)
            )
            for workers in (1, 2)
        }
        told = [*SCANNER, "scan", "--backend", "pool", "--report", str(report), str(top)]
        runner.run(Program("scan", told))
        return {"entries": lines, "peak_bytes": weighed[0], "seconds": seconds, "coordinator_share": share(report)}
    finally:
        shutil.rmtree(top)


def share(report: Path) -> float:
    """Of the processor time of all processes, what the coordinator took."""
    processes = json.loads(report.read_text())["resources"]["processes"]
    spent = [each["cpu_user_seconds"] + each["cpu_system_seconds"] for each in processes]
    return float(spent[0] / sum(spent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where to build the trees (default: a temporary directory)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        trees = [measure(Path(scratch), entries, args.runs) for entries in args.entries]
    results = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "python": sys.version.split()[0], "trees": trees}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

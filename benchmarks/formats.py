"""Measure the peak memory of each format, for lists of 100,000 and 1 million entries.

    python benchmarks/formats.py [--entries 100000 1000000 10000000]

Builds trees of hard links, measures, and removes them. Writes benchmarks/results/formats.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import FORMATS
from benchmarks.huge import build, memory
from benchmarks.measure import Runner
from benchmarks.programs import SCANNER, Program

RESULTS = ROOT / "benchmarks" / "results" / "formats.json"


def measure(scratch: Path, entries: int, runs: int) -> dict[str, Any]:
    """Return bytes of all processes together by format: see `memory` in huge.py."""
    top = scratch / "tree"
    build(top, entries)
    try:
        runner = Runner(ROOT, scratch / "out")
        found = {}
        for suffix in FORMATS:
            program = listing(scratch, top, suffix)
            runner.run(program)  # warm up
            found[suffix] = memory(runner, program, runs)
        return {"entries": entries, "formats": found}
    finally:
        shutil.rmtree(top)


def listing(scratch: Path, top: Path, suffix: str) -> Program:
    out = str(scratch / f"list.{suffix}")
    return Program(suffix, [*SCANNER, "list", "-o", out, str(top)], writes=out)


def table(results: dict[str, Any]) -> str:
    """Return a table of the median of the peaks, and of the highest one."""
    trees = results["trees"]
    heads = [f"{tree['entries']:,} entries | highest" for tree in trees]
    lines = [
        f"| format | {' | '.join(heads)} |",
        "|---|" + "--:|--:|" * len(trees),
    ]
    for suffix in trees[0]["formats"]:
        cells = [f"{tree['formats'][suffix][what] / 1e6:.0f} MB" for tree in trees for what in ("peak", "highest")]
        lines.append(f"| `{suffix}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help="where to build the trees (default: a temporary directory)")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="file of the results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        trees = [measure(Path(scratch), entries, args.runs) for entries in args.entries]
    results = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "python": sys.version.split()[0], "trees": trees}
    args.output.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results), end="")


if __name__ == "__main__":
    main()

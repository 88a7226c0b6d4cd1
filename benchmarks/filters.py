#!/usr/bin/env python3
"""What filters save and what they cost, as ratios beside the same scan without them.

    python benchmarks/filters.py [--runs 7] [--scratch /tmp] [--json FILE] [CASE ...]

As benchmarks/foundation.py does it: pairs of runs in turn, each in a fresh process, on trees that are built here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import scanner
from benchmarks.foundation import SCAN, TREES, Bench, machine, markdown

FILES_OF_RULES = 20
IGNORED = 0.4  # of all entries
PATTERNS = 500
TREES["ruled"] = ("monorepo", 25_000, 500_000)
KINDS = ("*.{}", "*.{}", "{}", "{}/", "/{}/", "{}/{}/*.{}", "*-{}.{}", "{}*", "**/{}/{}", "!{}.{}")


def write_rules(top: Path) -> None:
    """Files of rules in 20 directories that leave out, in all, two fifths of what is in the tree."""
    sizes: dict[str, int] = {}
    for root, dirs, files in os.walk(top, topdown=False):
        sizes[root] = len(dirs) + len(files) + sum(sizes[os.path.join(root, name)] for name in dirs)
    rest, taken = IGNORED * sizes[str(top)], []
    share = rest / FILES_OF_RULES
    for directory, size in sorted(sizes.items(), key=lambda item: -item[1]):
        above = any(directory.startswith(f"{other}/") or other.startswith(f"{directory}/") for other in taken)
        if size <= 2 * share and not above and directory != str(top) and len(taken) < FILES_OF_RULES:
            taken.append(directory)
            Path(directory).parent.joinpath(".gitignore").open("a").write(f"/{Path(directory).name}/\n")


def case_ignored(bench: Bench) -> None:
    """20 files of rules, a large part ignored."""
    top = Path(bench.tree("ruled"))
    if not list(top.rglob(".gitignore")):
        write_rules(top)
    both = [scanner.scan(top, gitignore=wanted).stats for wanted in (True, False)]
    opened = [stats.directories for stats in both]
    bench.pair(
        f"scan(gitignore=True), {opened[0]:,} of {opened[1]:,} directories opened", "scan",
        lambda: bench.inside(SCAN.format("backend='pool', gitignore=True"), "ruled"),
        lambda: bench.inside(SCAN.format("backend='pool'"), "ruled"),
    )  # fmt: skip


def patterns(bench: Bench) -> str:
    """A file of 500 patterns of all kinds."""
    chosen = random.Random(3)
    names = ("".join(chosen.choices(string.ascii_lowercase, k=chosen.randint(3, 9))) for _ in iter(int, 1))
    lines = [KINDS[number % len(KINDS)].format(next(names), next(names), next(names)) for number in range(PATTERNS)]
    file = bench.scratch / "patterns.txt"
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def case_patterns(bench: Bench) -> None:
    """500 patterns, of which none matches: all of the work and none of the gain."""
    file = patterns(bench)
    for workers in (1, 2):
        options = f"backend='pool', max_workers={workers}"
        with_rules = f"{options}, exclude_from={file!r}"
        bench.pair(
            f"scan(exclude_from=...), {PATTERNS} patterns, 500,000 files, max_workers={workers}", "scan",
            lambda with_rules=with_rules: bench.inside(SCAN.format(with_rules), "ruled"),
            lambda options=options: bench.inside(SCAN.format(options), "ruled"),
        )  # fmt: skip
    options = f"backend='pool', exclude_from={file!r}"
    bench.pair(
        "scan(exclude_from=...), max_workers=2", "the same, max_workers=1",
        lambda: bench.inside(SCAN.format(f"{options}, max_workers=2"), "ruled"),
        lambda: bench.inside(SCAN.format(f"{options}, max_workers=1"), "ruled"),
    )  # fmt: skip


CASES: dict[str, Callable[[Bench], None]] = {"ignored": case_ignored, "patterns": case_patterns}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", choices=[[], *CASES], help=f"of {', '.join(CASES)}; default: all"
    )
    parser.add_argument("--runs", type=int, default=7, metavar="N")
    parser.add_argument("--scratch", type=Path, help="where to build trees (default: a temporary directory)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to FILE")
    args = parser.parse_args()
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

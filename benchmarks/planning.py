#!/usr/bin/env python3
"""Measure bytes for each entry: of each format, of a snapshot store, and of the list that `scan` returns.

    python benchmarks/planning.py [TREE]

TREE (default: /usr) should be a real one: names, sizes and times of synthetic trees compress too well. Figures do not
depend on the load of the machine.
Writes benchmarks/results/planning.json, from which benchmarks/figures.py makes the tables in docs/planning.md, with
the seconds of benchmarks/network.py and benchmarks/huge.py.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

RESULTS = ROOT / "benchmarks" / "results" / "planning.json"
LARGE = 200_000_000  # entries
PER_DIRECTORY = 21  # entries, with the directory itself: as in the trees of the benchmarks
FORMATS = {
    "paths": ["list", "-o", "{}.txt"],
    "paths, `.zst`": ["list", "-o", "{}.txt.zst"],
    "CSV": ["list", "-o", "{}.csv"],
    "CSV, `.zst`": ["list", "-o", "{}.csv.zst"],
    "NDJSON": ["list", "-o", "{}.ndjson"],
    "NDJSON, `.zst`": ["list", "-o", "{}.ndjson.zst"],
    "Parquet": ["list", "-o", "{}.parquet"],
    "Parquet, all fields": ["list", "-o", "{}.parquet", "--fields", "all"],
    "SQLite": ["list", "-o", "{}.sqlite"],
    "ncdu": ["list", "-o", "{}.ncdu"],
    "snapshot store, names": ["scan", "--store", "{}.snap"],
    "snapshot store, sizes (`scan --sizes`)": ["scan", "--sizes", "--store", "{}.snap"],
}
HELD = """
import re, scanner
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) << 10
scanner.scan({small!r}, backend="serial"); before = peak()
result = scanner.scan({tree!r}, backend="serial"); print(peak() - before)
"""


def measure(tree: str, scratch: Path) -> dict[str, Any]:
    """Return bytes for each entry by format, and of the list of a scan."""
    (scratch / "small").mkdir()
    entries = json.loads(run("-m", "scanner", "scan", "--json", tree))["entries"] + 1
    sizes = {}
    for number, (name, arguments) in enumerate(FORMATS.items()):
        run("-m", "scanner", *(word.format(scratch / f"out{number}") for word in arguments), tree)
        sizes[name] = next(scratch.glob(f"out{number}.*[!k]")).stat().st_size / entries
    held = int(run("-c", HELD.format(tree=tree, small=str(scratch / "small")))) / entries
    return {"tree": tree, "entries": entries, "bytes": sizes, "held_by_scan": held}


def run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def table_of_bytes(measured: dict[str, Any]) -> str:
    """Return bytes for each entry, and for 200 million."""
    about = f"Measured on `{measured['tree']}` with {measured['entries']:,} entries"
    lines = [f"{about}:", "", "| output | bytes for each entry | 200 million entries |", "|---|--:|--:|"]
    lines += [f"| {name} | {size:.0f} | {size * LARGE / 1e9:.0f} GB |" for name, size in measured["bytes"].items()]
    return "\n".join(lines) + "\n"


def table_of_hours(rows: list[dict[str, Any]]) -> str:
    """Return hours for 200 million entries by round trip and directories in flight, from benchmarks/network.py."""
    directories = LARGE / PER_DIRECTORY
    seconds = {}
    for row in rows:
        match = re.fullmatch(r"nfs, (\S+) ms, (?:(\d+) fixed|found)", row["case"])
        if match:
            seconds[match[1], match[2] or "found"] = row["seconds"] / row["directories"]
    columns = ["4", "16", "64", "found"]
    lines = [f"| round trip | {' | '.join(columns)} | directories a second |", "|---|" + "--:|" * 5]
    for latency in sorted({latency for latency, _ in seconds}, key=float):
        hours = " | ".join(f"{seconds[latency, column] * directories / 3600:.1f} h" for column in columns)
        lines.append(f"| {latency} ms | {hours} | {1 / seconds[latency, 'found']:,.0f} |")
    return "\n".join(lines) + "\n"


def table_of_memory(measured: dict[str, Any], huge: dict[str, Any]) -> str:
    """Return the memory of a list, from benchmarks/huge.py, and of the result of `scan`."""
    lines = ["| use | entries | memory |", "|---|--:|--:|"]
    for tree in huge["trees"]:
        highest = max(tree["memory_by_itself"]["highest"], tree["readers"]["compiled"]["memory"]["highest"])
        lines.append(f"| `scanner list -o FILE`, all processes | {tree['entries']:,} | {highest / 1e6:.0f} MB |")
    held = measured["held_by_scan"]
    lines.append(
        f"| `scanner.scan`: the list, {held:.0f} bytes for each entry | {LARGE:,} | {held * LARGE / 1e9:.0f} GB |"
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", metavar="TREE", nargs="?", default="/usr")
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(parser.parse_args().tree, Path(scratch))
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n")
    print(table_of_bytes(measured))


if __name__ == "__main__":
    main()

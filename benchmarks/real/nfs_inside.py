"""Run by nfs.sh: measure `os.walk` and `scan` on a cold NFS mount, and count requests. Prints Markdown."""

from __future__ import annotations

import os
import re
import statistics
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import scanner

EXPORTED, MOUNTED = "/mnt/exported", "/mnt/nfs"
FLAT = 20_000
RUNS = 9


def build() -> None:
    for number in range(500):
        os.makedirs(f"{EXPORTED}/tree/{number // 100}/{number // 10 % 10}/{number % 10}")
    for path, _, _ in list(os.walk(f"{EXPORTED}/tree")):
        for number in range(3):
            Path(path, f"file{number}").touch()
    os.mkdir(f"{EXPORTED}/flat")
    for number in range(FLAT):
        Path(EXPORTED, "flat", f"file{number:06}").touch()


def requests() -> Counter[str]:
    """Return the requests that the client has sent so far."""
    lines = Path("/proc/self/mountstats").read_text().splitlines()
    found = (re.match(r"\s+([A-Z_]+): (\d+) ", line) for line in lines)
    return Counter({match[1]: int(match[2]) for match in found if match})


def measure(case: str, walk: Callable[[], list[Any]], directories: int, runs: int = 1) -> list[Any]:
    """Print the median, fastest and slowest of cold runs, and the requests of the last run."""
    seconds = []
    for _ in range(runs):
        Path("/proc/sys/vm/drop_caches").write_text("3")
        before, started = requests(), time.perf_counter()
        result = walk()
        seconds.append(time.perf_counter() - started)
    sent = requests() - before
    most = ", ".join(f"{count:,} {name}" for name, count in sent.most_common(4))
    times = f"{statistics.median(seconds):.2f}" + (f" ({min(seconds):.2f} to {max(seconds):.2f})" if runs > 1 else "")
    print(f"| {case} | {times} | {sent.total() / directories:.2f} | {most} |", flush=True)
    return result


def main() -> None:
    build()
    scanner.scan(f"{EXPORTED}/tree")  # warm up: import modules
    print("| case | seconds | requests a directory | |\n|---|--:|--:|---|", flush=True)
    for name in ("tree", "flat"):
        top = f"{MOUNTED}/{name}"
        count = sum(1 for _ in os.walk(f"{EXPORTED}/{name}"))
        results = [
            measure(f"{name}, scan", lambda top=top: scanner.scan(top), count, RUNS),  # type: ignore[misc]
            measure(f"{name}, scan, one at a time", lambda top=top: scanner.scan(top, max_in_flight=1), count),  # type: ignore[misc]
            measure(f"{name}, os.walk", lambda top=top: list(os.walk(top)), count),  # type: ignore[misc]
        ]
        assert all(result == results[-1] for result in results), "differs from os.walk"


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        print("".join(f"! {line}\n" for line in traceback.format_exc().splitlines()))
        raise

#!/usr/bin/env python3
"""Repeat benchmarks/network.py on sshfs, an independent network file system.

    python benchmarks/real/sshfs.py [--runs 3] [--one-way-ms 1] [--json FILE]

As root, on Linux, with sshfs, fusermount3, openssh's sftp-server and gcc (Debian: sshfs fuse3 openssh-sftp-server).
The kernel keeps names and attributes for 30 s, as for NFS, but no listings. Its caches are dropped before each run.
Each result is compared with that of `os.walk` on the tree itself. Prints Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import scanner
from benchmarks.measure import drop_caches
from benchmarks.network import report
from tools.make_tree import make_tree

HERE = Path(__file__).parent
DIRECTORIES, FILES = 4_000, 12_000
FUSE_THREADS = "64"


@contextlib.contextmanager
def mounted(tree: Path, point: Path, one_way_ms: float) -> Iterator[None]:
    """Mount `tree` through sshfs at `point`."""
    preload = point.with_suffix(".so")
    compiler = ["gcc", "-shared", "-fPIC", "-O2", "-o", preload, HERE / "more_fuse_threads.c", "-ldl"]
    subprocess.run(compiler, check=True)
    command = [sys.executable, "-m", "benchmarks.real.delayed_sftp", str(one_way_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        options = f"directport={port},dir_cache=no,entry_timeout=30,attr_timeout=30,negative_timeout=0"
        environment = {**os.environ, "LD_PRELOAD": str(preload), "FUSE_THREADS": FUSE_THREADS}
        try:
            subprocess.run(["sshfs", "-o", options, f"127.0.0.1:{tree}", point], env=environment, check=True)
            try:
                yield
            finally:
                subprocess.run(["fusermount3", "-u", point], check=True)
        finally:
            server.kill()


def measure(runs: int, walk: Callable[[], Any], expected: list[Any]) -> float:
    """Return the median of the seconds of `walk` with cold caches."""
    seconds = []
    for _ in range(runs):
        drop_caches()
        started = time.perf_counter()
        result = walk()
        seconds.append(time.perf_counter() - started)
        assert result == expected, "differs from os.walk"
    return statistics.median(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--one-way-ms", type=float, default=1.0, metavar="MS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to FILE")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        tree, point = Path(scratch, "tree"), Path(scratch, "mount")
        point.mkdir()
        make_tree("monorepo", tree, DIRECTORIES, FILES)
        with mounted(tree, point, args.one_way_ms):
            expected = list(os.walk(point))
            walks: dict[str, tuple[int, Callable[[], Any]]] = {
                "os.walk": (1, lambda: list(os.walk(point))),
                "scan, one at a time": (1, lambda: scanner.scan(point, max_in_flight=1)),
                "scan": (args.runs, lambda: scanner.scan(point)),
            }
            for name, (runs, walk) in walks.items():
                seconds = measure(runs, walk, expected)
                rows.append(
                    {"case": f"sshfs, {args.one_way_ms:g} ms each way, {name}", "directories": len(expected),
                     "seconds": round(seconds, 3)}
                )  # fmt: skip
            rows[2] |= {"times_as_fast": round(rows[1]["seconds"] / rows[2]["seconds"], 1), "against": "one at a time"}
    report(rows, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

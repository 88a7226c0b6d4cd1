#!/usr/bin/env python3
"""Scan for N minutes while workers are killed all the time, and check that every result is right and nothing leaks.

    tools/soak.py --minutes 10
    tools/soak.py --minutes 1 --start-method spawn --seed 7

Builds its trees in a temporary directory. Prints a line a minute. Exit code 0: all was well; 1: something was not,
which is printed; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

import scanner
from scanner.options import START_METHODS
from tests.support.killer import Killer, pools_started
from tests.support.leaks import left_since, present
from tools.make_tree import make_tree

TREES = {"monorepo": (2_000, 30_000), "skewed": (2_000, 30_000), "odd": (60, 500)}
SETTLED = 20  # scans after which the memory that a process needs has been seen
MEMORY_SLACK = 30 << 20  # bytes that may come on top of it


class Soak:
    def __init__(self, scratch: Path, methods: list[str], seed: int) -> None:
        self.trees = [scratch / name for name in TREES]
        for tree in self.trees:
            make_tree(tree.name, tree, *TREES[tree.name])
        self.expected = {tree: list(os.walk(tree)) for tree in self.trees}
        self.methods = methods
        self.chance = random.Random(seed)
        self.scans = self.kills = self.deaths = 0
        self.memory = 0
        self.before = present()

    def round(self, pools: list[Any]) -> list[str]:
        """One scan with a killer at work; what was wrong."""
        tree = self.chance.choice(self.trees)
        options: Any = {"backend": "pool", "start_method": self.chance.choice(self.methods), "max_workers": 3}
        killer = Killer(pools, self.chance.randrange(1 << 30))
        with killer.at_work():
            if self.chance.random() < 0.5:
                result = scanner.scan(tree, **options)
                wrong = [f"scan told {fault}" for fault in result.errors]
                self.deaths += result.stats.worker_deaths
                found: list[Any] = result
            else:
                wrong = []
                found = list(scanner.walk(tree, **options))
        self.scans += 1
        self.kills += killer.kills
        if found != self.expected[tree]:
            wrong.append(f"{tree.name} with {options}: {len(found)} directories, {len(self.expected[tree])} expected")
        return wrong + self.leaks()

    def leaks(self) -> list[str]:
        """Processes, threads, descriptors and memory that were not given back."""
        gc.collect()
        wrong = left_since(self.before)
        memory = psutil.Process().memory_info().rss
        if self.scans <= SETTLED:
            self.memory = memory
        elif memory > self.memory + MEMORY_SLACK:
            wrong.append(f"{memory >> 20} MB of memory, {self.memory >> 20} before")
        return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, metavar="N")
    parser.add_argument("--start-method", choices=START_METHODS, help="default: all of them, at random")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, pools_started() as pools:
        soak = Soak(Path(scratch), [args.start_method] if args.start_method else list(START_METHODS), args.seed)
        end = time.monotonic() + 60 * args.minutes
        told = time.monotonic()
        while time.monotonic() < end:
            if wrong := soak.round(pools):
                print(*wrong, sep="\n")
                return 1
            if time.monotonic() > told + 60:
                told = time.monotonic()
                print(summary(soak), flush=True)
        print(summary(soak))
    return 0


def summary(soak: Soak) -> str:
    return f"{soak.scans} scans, {soak.kills} workers killed, all results right, nothing left behind"


if __name__ == "__main__":
    sys.exit(main())

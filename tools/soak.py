#!/usr/bin/env python3
"""Scan for N minutes while workers are killed, and check each result and that nothing leaks.

    tools/soak.py --minutes 10
    tools/soak.py --minutes 1 --start-method spawn --seed 7

Each round is one of these, chosen at random:

    killed     workers are killed
    importing  the same, while a thread of the caller imports modules and so holds locks of the interpreter
    orphaned   the same, with SIGCHLD ignored, or with a handler that reaps all children
    forked     this process forks beside warm workers; children and parent scan concurrently

Builds its trees in a temporary directory. Prints a line per minute. Exit code 0: no error; 1: an error, which is
printed; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

import scanner
from scanner.model import below_any
from scanner.options import START_METHODS
from tests.support.killer import Killer, pools_started
from tests.support.leaks import left_since, present
from tools.make_tree import make_tree

TREES = {"monorepo": (2_000, 30_000), "skewed": (2_000, 30_000), "odd": (60, 500)}
SETTLED = 20  # scans after which memory must not grow
MEMORY_SLACK = 30 << 20  # bytes of growth that are allowed
CHILDREN, CHILD_SECONDS = 3, 60
SLOW_MODULE, SLOW_MODULES = "scanner_soak_slow_module_", 5


def wait_for_all(*_: Any) -> None:
    """Handle SIGCHLD by reaping all children, so that no other code can."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class Soak:
    def __init__(self, scratch: Path, methods: list[str], seed: int) -> None:
        self.trees = [scratch / name for name in TREES]
        for tree in self.trees:
            make_tree(tree.name, tree, *TREES[tree.name])
        self.expected = {tree: list(os.walk(tree)) for tree in self.trees}
        self.methods = methods
        self.chance = random.Random(seed)
        self.scans = self.kills = self.deaths = self.lost = 0
        self.memory = 0
        self.rounds: Counter[str] = Counter()
        modules = scratch / "modules"
        modules.mkdir()
        for number in range(SLOW_MODULES):
            (modules / f"{SLOW_MODULE}{number}.py").write_text("import time\ntime.sleep(0.02)\n")
        sys.path.append(str(modules))
        self.before = present()

    def round(self, pools: list[Any]) -> list[str]:
        """Run one scenario and return the errors found."""
        scenario = self.chance.choice([self.killed, self.importing, self.orphaned, self.forked])
        self.rounds[scenario.__name__] += 1
        wrong = scenario(pools)
        return [f"{scenario.__name__}: {each}" for each in wrong + self.leaks()]

    def options(self) -> Any:
        return {"backend": "pool", "start_method": self.chance.choice(self.methods), "max_workers": 3}

    def killed(self, pools: list[Any]) -> list[str]:
        """Scan once while workers are killed."""
        tree, options = self.chance.choice(self.trees), self.options()
        killer = Killer(pools, self.chance.randrange(1 << 30))
        with killer.at_work():
            if self.chance.random() < 0.5:
                result = scanner.scan(tree, **options)
                errors = [(fault.path, f"{fault.kind}: {fault.message}") for fault in result.errors]
                self.deaths += result.stats.worker_deaths
                found: list[Any] = result
            else:
                raised: list[OSError] = []
                found = list(scanner.walk(tree, onerror=raised.append, **options))
                errors = [(error.filename, f"lost: {error.strerror}") for error in raised]
        self.scans += 1
        self.kills += killer.kills
        return self.compared(tree, found, errors, options)

    def compared(self, tree: Path, found: list[Any], errors: list[tuple[Any, str]], options: Any) -> list[str]:
        """Return the errors. A directory that happened to cost several workers is lost and reported: no error."""
        lost = [path for path, why in errors if why.startswith("lost: ") and why.endswith("died over it")]
        self.lost += len(lost)
        wrong = [f"{path}: {why}" for path, why in errors if path not in lost]
        expected = [item for item in self.expected[tree] if not below_any(item[0], lost)]
        if found != expected:
            wrong.append(f"{tree.name} with {options}: {len(found)} directories, {len(expected)} expected")
        return wrong

    def importing(self, pools: list[Any]) -> list[str]:
        ended = threading.Event()
        thread = threading.Thread(target=self.import_slowly, args=(ended,))
        thread.start()
        try:
            return self.killed(pools)
        finally:
            ended.set()
            thread.join()

    def import_slowly(self, ended: threading.Event) -> None:
        """Import slow modules repeatedly."""
        while not ended.is_set():
            for number in range(SLOW_MODULES):
                name = f"{SLOW_MODULE}{number}"
                sys.modules.pop(name, None)
                importlib.import_module(name)

    def orphaned(self, pools: list[Any]) -> list[str]:
        before = signal.signal(signal.SIGCHLD, self.chance.choice([signal.SIG_IGN, wait_for_all]))
        try:
            return self.killed(pools)
        finally:
            signal.signal(signal.SIGCHLD, before)

    def forked(self, _: list[Any]) -> list[str]:
        """Scan concurrently in children and parent with one warm scanner."""
        seeds = [self.chance.randrange(1 << 30) for _ in range(CHILDREN)]
        with scanner.ParallelScanner(**self.options()) as scanning:
            wrong = self.scan_some(scanning, random.Random(1), 1)
            children = [self.fork(scanning, seed) for seed in seeds]
            wrong += self.scan_some(scanning, self.chance, CHILDREN)
            for child in children:
                if (status := os.waitpid(child, 0)[1]) != 0:
                    wrong.append(f"a forked child ended with status {status}")
        self.scans += 1 + 2 * CHILDREN
        return wrong

    def fork(self, scanning: scanner.ParallelScanner, seed: int) -> int:
        if child := os.fork():
            return child
        wrong = ["the forked child did not finish"]
        try:
            signal.alarm(CHILD_SECONDS)
            wrong = self.scan_some(scanning, random.Random(seed), 1)
            scanning.close()
            print(*wrong, sep="\n", end="", flush=True)
        finally:
            os._exit(1 if wrong else 0)

    def scan_some(self, scanning: scanner.ParallelScanner, chance: random.Random, count: int) -> list[str]:
        """Scan `count` times and return the errors."""
        wrong = []
        for _ in range(count):
            tree = chance.choice(self.trees)
            result = scanning.scan_sync(tree)
            if result != self.expected[tree] or result.errors:
                wrong.append(f"{tree.name}: {len(result)} directories, {result.errors[:3]}")
        return wrong

    def leaks(self) -> list[str]:
        """Return leaked processes, threads and file descriptors, and growth of memory."""
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
        printed = time.monotonic()
        while time.monotonic() < end:
            if wrong := soak.round(pools):
                print(*wrong, sep="\n")
                return 1
            if time.monotonic() > printed + 60:
                printed = time.monotonic()
                print(summary(soak), flush=True)
        print(summary(soak))
    return 0


def summary(soak: Soak) -> str:
    rounds = ", ".join(f"{count} {name}" for name, count in sorted(soak.rounds.items()))
    return (
        f"{soak.scans} scans, {soak.kills} workers killed ({rounds}), {soak.lost} directories lost and "
        "reported, all results right, nothing left behind"
    )


if __name__ == "__main__":
    sys.exit(main())

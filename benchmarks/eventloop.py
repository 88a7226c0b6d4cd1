"""Measure how long an event loop waits for its next turn, while a large tree is walked or a result is consumed.

    python benchmarks/eventloop.py [--entries N] [--loop asyncio|uvloop]

A watchdog takes every turn that it gets, and prints the longest step between two: the processor time of the loop's own
thread, which is what blocks it, and the longest times on the clock, which include waiting for the interpreter lock and
for a processor. The row `a thread that computes` is what this interpreter and this machine do with any thread. The row
`for entry in result.entries()` shows a loop that gives no turns.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import scanner

PER_DIRECTORY = 1000


class Watchdog:
    """A task that takes every turn of the loop, and notes the steps between two in milliseconds."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.steps: list[float] = []  # processor time of this thread

    async def _watch(self) -> None:
        last = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter(), time.thread_time()
            self.pauses.append(1000 * (now[0] - last[0]))
            self.steps.append(1000 * (now[1] - last[1]))
            last = now

    async def during(self, work: Callable[[], Awaitable[int]]) -> int:
        watching = asyncio.ensure_future(self._watch())
        await asyncio.sleep(0)
        count = await work()
        await asyncio.sleep(0)
        watching.cancel()
        return count

    def worst(self, most: int = 3) -> str:
        pauses = "  ".join(f"{pause:6.1f}" for pause in sorted(self.pauses, reverse=True)[:most])
        return f"{max(self.steps):12.1f}     {pauses}"


def build(top: Path, entries: int) -> None:
    """Make directories of empty files."""
    for number in range(entries // PER_DIRECTORY):
        (top / f"d{number}").mkdir()
        for name in range(PER_DIRECTORY):
            (top / f"d{number}" / f"name-{name:04}").touch()


async def count(items: AsyncIterator[Any]) -> int:
    return sum([1 async for _ in items])


async def blocking(result: scanner.ScanResult) -> int:
    return sum(1 for _ in result.entries())


async def computing() -> int:
    """Wait for a thread that holds the interpreter lock whenever it can."""
    numbers: list[int] = []
    thread = threading.Thread(target=lambda: numbers.extend(each for each in range(20_000_000) if not each % 1000))
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.001)
    return len(numbers)


async def measure(top: Path) -> None:
    async def scan() -> int:
        return len(await scanner.scan_parallel(top, stat=True))

    result = scanner.scan(top, stat=True)
    cases: dict[str, Callable[[], Awaitable[int]]] = {
        "a thread that computes": computing,
        "await scan_parallel(stat=True)": scan,
        "async for ... in awalk()": lambda: count(scanner.awalk(top)),
        "async for ... in aentries()": lambda: count(scanner.aentries(top)),
        "async for ... in aentries(batch=500)": lambda: count(scanner.aentries(top, batch=500)),
        "async for ... in result": lambda: count(aiter(result)),
        "async for ... in result.aentries()": lambda: count(result.aentries()),
        "for entry in result.entries()": lambda: blocking(result),
    }
    print(f"{'':40}{'items':>8}  longest step: work  on the clock (ms)")
    for name, work in cases.items():
        watchdog = Watchdog()
        items = await watchdog.during(work)
        print(f"{name:40}{items:8}{watchdog.worst()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entries", type=int, default=300_000, help="size of the tree (default: 300000)")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="(default: asyncio)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        build(Path(scratch), arguments.entries)
        if arguments.loop == "uvloop":
            import uvloop

            uvloop.run(measure(Path(scratch)))
        else:
            asyncio.run(measure(Path(scratch)))


if __name__ == "__main__":
    main()

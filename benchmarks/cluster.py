"""Measure the coordinator of a scan on a Dask cluster, with workers that only pretend to walk.

    benchmarks/cluster.py [--workers 32] [--threads 16] [--entries 200] [--milliseconds 40]

The connections are real, and so is the planner; each directory takes so many milliseconds, and has so many entries.
Prints entries and Tasks a second, and the processor time of this process as a share of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scanner.model import Chunk, Task
from scanner.options import ProducerSpec, ScanOptions
from scanner.run import Run

FANOUT, DEPTH = 20, 4
LINE_BYTES = 21
PROCESSES = 2  # that share the workers: more would only take processors from the coordinator


class PretendingWalker:
    """A Walker of a tree that does not exist: FANOUT directories in each, DEPTH levels."""

    entries, seconds = 200, 0.04

    def __init__(self, _: ScanOptions, *, worker: int = 0, **others: Any) -> None:
        self._worker = worker

    def walk(self, task: Task, is_wanted: Any = None, news: Any = None) -> Chunk:
        stack, read, began = list(reversed(task.directories)), 0, time.monotonic()
        most = min(task.seconds / self.seconds, task.entries / self.entries)
        while stack and (not read or read < most) and not (read and len(stack) > 1 and is_wanted()):
            path = str(stack.pop())
            if path.count("/") <= DEPTH:
                stack += [f"{path}/{number:02}" for number in reversed(range(FANOUT))]
            time.sleep(max(0.0, began + (read + 1) * self.seconds - time.monotonic()))
            read += 1
        entries = read * self.entries
        return Chunk(
            task.number, task.directories[0], worker=self._worker, output=b"x" * (LINE_BYTES * entries),
            leftovers=stack[::-1], directories=read, entries=entries, files=entries - FANOUT * read,
            seconds=time.monotonic() - began, cpu=0.001,
        )  # fmt: skip

    def close(self) -> None: ...


def pretend(scheduler: str, workers: int, threads: int, entries: int, seconds: float) -> None:
    """Be several workers in one process."""
    from distributed import Worker

    from scanner.backends import crew, sight

    PretendingWalker.entries, PretendingWalker.seconds = entries, seconds
    crew.Walker = PretendingWalker  # type: ignore[assignment, misc]
    sight._look_at = lambda _: {"error": "pretended"}  # type: ignore[assignment]

    async def serve() -> None:
        started = [Worker(scheduler, nthreads=threads, dashboard_address=None, memory_limit=0) for _ in range(workers)]
        await asyncio.gather(*started)
        await asyncio.gather(*(worker.finished() for worker in started))

    asyncio.run(serve())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("workers", 32), ("threads", 16), ("entries", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--milliseconds", type=float, default=40)
    args = parser.parse_args()
    from distributed import Client, LocalCluster

    context = multiprocessing.get_context("spawn")
    with LocalCluster(n_workers=0, dashboard_address=None, processes=False, protocol="tcp://") as cluster:
        share = args.workers // PROCESSES
        rest = (share, args.threads, args.entries, args.milliseconds / 1e3)
        processes = [context.Process(target=pretend, args=(cluster.scheduler_address, *rest)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        with Client(cluster) as client:
            client.wait_for_workers(share * PROCESSES)
            measure(client, share * PROCESSES, args.threads)
        for process in processes:
            process.kill()
            process.join()


def measure(client: Any, workers: int, threads: int) -> None:
    options = ScanOptions(max_in_flight=workers * threads)._replace(producers=(ProducerSpec("paths", (b"\n",)),))
    size = 0
    with Run(["/pretended"], options, client=client, least_workers=workers, monitored=False) as run:
        began = cpu = 0.0
        for chunk in run.chunks():
            if not began:
                began, cpu = time.monotonic(), time.process_time()
            size += len(chunk.output)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    stats = run.stats
    print(
        f"{workers} workers: {stats.entries:,} entries in {seconds:.1f} s: {stats.entries / seconds:,.0f} a second, "
        f"{stats.tasks / seconds:,.0f} tasks a second, {size / 1e6 / seconds:.0f} MB a second; at most "
        f"{stats.most_in_flight} in flight; coordinator {100 * cpu / seconds:.0f} % of a core, "
        f"{1e6 * cpu / stats.tasks:,.0f} us a task"
    )


if __name__ == "__main__":
    main()

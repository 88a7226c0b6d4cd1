"""Profile one scan by process: walking, packing, transport, planning, merging, output, waiting.

    tools/profile_scan list -o out.txt /usr        any command of scanner, with its options
    tools/profile_scan tuples /usr                 scanner.scan(ROOT), as from Python

Shares are of the seconds of all threads of a process. `waiting` is for the file system, the disk, a lock or the other
process. `rest` is everything else: start, loops, options. The compiled reader packs names while it reads, so `pack` is
the remaining packing. Workers are forked and therefore measured, too. Measuring adds some microseconds per directory.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = ("walk", "pack", "transport", "plan", "merge", "write", "waiting")


class Times:
    """Seconds by part of one thread. A nested part counts once, for itself."""

    def __init__(self, started: float) -> None:
        self.started = self.ended = started
        self.seconds: Counter[str] = Counter()
        self.inside = 0.0, 0.0  # seconds, and processor seconds, of parts nested in the current one


class Meter:
    """Measure seconds of each part, in all threads of this process. Time off the processor is `waiting`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._writing = threading.Lock()
        self._main = threading.get_ident()
        self._threads = {self._main: Times(time.perf_counter())}

    def of(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` with its time counted as `part`."""

        @functools.wraps(function)
        def metered(*args: Any, **kwargs: Any) -> Any:
            started, worked = time.perf_counter(), time.thread_time()
            mine = self._threads.setdefault(threading.get_ident(), Times(started))
            above, mine.inside = mine.inside, (0.0, 0.0)
            try:
                return function(*args, **kwargs)
            finally:
                mine.ended = time.perf_counter()
                seconds, work = mine.ended - started, time.thread_time() - worked
                own, own_work = seconds - mine.inside[0], work - mine.inside[1]
                mine.seconds[part] += own_work
                mine.seconds["waiting"] += max(0.0, own - own_work)
                mine.inside = above[0] + seconds, above[1] + work

        return metered

    def wrap(self, part: str, place: Any, *names: str) -> None:
        for name in names:
            setattr(place, name, self.of(part, getattr(place, name)))

    def write(self, name: str) -> None:
        """Write the figures so far to a file, for the table."""
        with self._writing:
            threads = list(self._threads.values())
            self._threads[self._main].ended = time.perf_counter()
            seconds = sum((times.seconds for times in threads), Counter())
            whole = sum(times.ended - times.started for times in threads)
            figures = {"process": name, "all": whole, "threads": len(threads), **seconds}
            part = self._directory / f".{name}-{os.getpid()}"
            part.write_text(json.dumps(figures))
            part.rename(self._directory / part.name[1:])  # atomic: a worker may end at any moment


class Metered:
    """A Packer whose methods are measured."""

    def __init__(self, meter: Meter, packer: Any) -> None:
        self._packer = packer
        self.keeps_broken = packer.keeps_broken
        self.run_form, self.run_separator = packer.run_form, packer.run_separator
        for name in ("add", "add_run", "unread", "table", "listings", "output"):
            setattr(self, name, meter.of("pack", getattr(packer, name)))

    @property
    def clamped(self) -> int:
        count: int = self._packer.clamped
        return count


def instrument(meter: Meter) -> None:
    """Measure the functions of each room of scanner."""
    from scanner import engine, run
    from scanner.backends import pool, wire, worker
    from scanner.export import output
    from scanner.kernel import walk

    new_packer = walk.new_packer
    walk.new_packer = lambda *args: Metered(meter, new_packer(*args))
    meter.wrap("walk", walk.Walker, "walk")
    meter.wrap("transport", wire, "send", "pack_chunk", "unpack", "unpack_chunk", "pack_task")
    meter.wrap("waiting", wire, "receive")
    meter.wrap("transport", wire.Inbox, "messages")
    meter.wrap("transport", wire.Outbox, "send")
    meter.wrap("plan", engine.Planner, "handle")
    meter.wrap("merge", run.Collector, "add")
    meter.wrap("write", output.Output, "write", "__exit__")
    meter.wrap("waiting", pool.selectors.DefaultSelector, "select")
    deliver = worker.WorkerSlots._deliver

    def delivered(crew: Any, *args: Any) -> None:
        deliver(crew, *args)
        meter.write("worker")

    worker.WorkerSlots._deliver = delivered  # type: ignore[method-assign]


def run(arguments: list[str]) -> int:
    if arguments[0] == "tuples":
        import scanner

        for root in arguments[1:]:
            scanner.scan(root, start_method="fork", backend="pool")
        return 0
    from scanner.cli.main import main

    return main(arguments)


def table(directory: Path) -> str:
    rows = [json.loads(file.read_text()) for file in sorted(directory.glob("[!.]*"))]
    lines = [f"{'':<14}{'threads':>9}{'seconds':>9}" + "".join(f"{part:>11}" for part in (*PARTS, "rest"))]
    numbers: Counter[str] = Counter()
    for row in rows:
        numbers[row["process"]] += 1
        name = row["process"] if row["process"] == "coordinator" else f"worker {numbers['worker']}"
        rest = row["all"] - sum(row.get(part, 0.0) for part in PARTS)
        shares = "".join(
            f"{seconds / row['all']:>10.1%} " for seconds in (*(row.get(part, 0.0) for part in PARTS), rest)
        )
        lines.append(f"{name:<14}{row['threads']:>9}{row['all']:>9.3f}{''.join(shares)}")
    return "\n".join(lines) + "\n"


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if "-h" in sys.argv or "--help" in sys.argv else 2
    with tempfile.TemporaryDirectory() as scratch:
        meter = Meter(Path(scratch))
        instrument(meter)
        code = run(sys.argv[1:])
        meter.write("coordinator")
        print(table(Path(scratch)), file=sys.stderr, end="")
    return code


if __name__ == "__main__":
    sys.exit(main())

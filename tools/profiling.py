"""Show where the time of one scan went, by process: walking, packing, transport, planning and merging, output, waiting.

    tools/profile_scan list -o out.txt /usr        any command of scanner, with its options
    tools/profile_scan tuples /usr                 scanner.scan(ROOT), as from Python

Waiting for the other side is `waiting`; what is in no column is `rest`: start, loops, options. With the compiled reader
names are packed while they are read, so `pack` is what comes after that. Workers are forked, so that they measure, too;
measuring adds a few microseconds to each directory.
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

PARTS = ("walk", "pack", "transport", "plan", "merge", "sink", "waiting")


class Meter:
    """Seconds of each part, in all threads of this process. A part within another is not counted in that."""

    def __init__(self, directory: Path) -> None:
        self.started = time.perf_counter()
        self.seconds: Counter[str] = Counter()
        self._own = threading.local()
        self._directory = directory
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.started = time.perf_counter()
        self.seconds.clear()
        self._own = threading.local()

    def of(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, its time counted as `part`."""

        @functools.wraps(function)
        def metered(*args: Any, **kwargs: Any) -> Any:
            above, self._own.inside = getattr(self._own, "inside", 0.0), 0.0
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - started
                self.seconds[part] += seconds - self._own.inside
                self._own.inside = above + seconds

        return metered

    def wrap(self, part: str, place: Any, *names: str) -> None:
        for name in names:
            setattr(place, name, self.of(part, getattr(place, name)))

    def tell(self, name: str) -> None:
        """Leave the figures so far for whoever makes the table."""
        told = {"process": name, "all": time.perf_counter() - self.started, **self.seconds}
        (self._directory / f"{name}-{os.getpid()}").write_text(json.dumps(told))


class Metered:
    """A Packer whose methods are counted."""

    def __init__(self, meter: Meter, packer: Any) -> None:
        self.keeps_broken = packer.keeps_broken
        for name in ("add", "unread", "table", "listings", "output"):
            setattr(self, name, meter.of("pack", getattr(packer, name)))


def instrument(meter: Meter) -> None:
    """Have the rooms of scanner count what they do."""
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
    meter.wrap("sink", output.Output, "write", "__exit__")
    meter.wrap("waiting", pool.selectors.DefaultSelector, "select")
    deliver = worker.Crew._deliver

    def delivered(crew: Any, *args: Any) -> None:
        deliver(crew, *args)
        meter.tell("worker")

    worker.Crew._deliver = delivered  # type: ignore[method-assign]


def run(arguments: list[str]) -> int:
    if arguments[0] == "tuples":
        import scanner

        for root in arguments[1:]:
            scanner.scan(root, start_method="fork", backend="pool")
        return 0
    from scanner.cli.main import main

    return main(arguments)


def table(directory: Path) -> str:
    rows = [json.loads(file.read_text()) for file in sorted(directory.iterdir())]
    lines = [f"{'':<14}{'seconds':>9}" + "".join(f"{part:>11}" for part in (*PARTS, "rest"))]
    numbers: Counter[str] = Counter()
    for row in rows:
        numbers[row["process"]] += 1
        name = row["process"] if row["process"] == "coordinator" else f"worker {numbers['worker']}"
        rest = row["all"] - sum(row.get(part, 0.0) for part in PARTS)
        shares = "".join(
            f"{seconds / row['all']:>10.1%} " for seconds in (*(row.get(part, 0.0) for part in PARTS), rest)
        )
        lines.append(f"{name:<14}{row['all']:>9.3f}{''.join(shares)}")
    return "\n".join(lines) + "\n"


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if "-h" in sys.argv or "--help" in sys.argv else 2
    with tempfile.TemporaryDirectory() as scratch:
        meter = Meter(Path(scratch))
        instrument(meter)
        code = run(sys.argv[1:])
        meter.tell("coordinator")
        print(table(Path(scratch)), file=sys.stderr, end="")
    return code


if __name__ == "__main__":
    sys.exit(main())

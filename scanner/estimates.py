"""`estimate`: the size of a tree from a part of it, and how long a full scan would take.

First half of the time: a scan. If it ends, its counts are exact; otherwise it shows how fast a scan is here.
Second half: samples from all over the tree (see `sampling`).
"""

from __future__ import annotations

import os
import random
import time
from typing import Any, NamedTuple

from scanner.engine import LONGEST_WAIT, Cancelled, Engine
from scanner.errors import OptionError, ScanTimeout
from scanner.fields import NULL
from scanner.model import Chunk, Path, children, names
from scanner.options import ScanOptions
from scanner.plan.events import AddDirectories, ConsumerWaits
from scanner.run import BACKENDS, Run, refuse_nul
from scanner.sampling import Found, Range, Sampler
from scanner.signature import takes_options

FIRST = 0.5  # share of the time for a scan
SECONDS = 60.0


class Estimate(NamedTuple):
    """The size of a tree. Intervals hold for 90 of 100 trees of usual shapes: see docs/options.md.

    directories, entries  numbers of them. The root is a directory, and no entry.
    bytes                 sizes of all entries that are no directories; each name of a file counts
    seconds               time that a full scan with sizes would take, or has taken
    read                  number of directories that were read
    unreadable            number of errors
    elapsed               seconds that this has taken
    """

    directories: Range
    entries: Range
    bytes: Range
    seconds: Range
    read: int
    unreadable: int
    elapsed: float

    @property
    def is_exact(self) -> bool:
        """Whether the whole tree was read."""
        return self.entries.is_exact


@takes_options("stat", "partial_listings", "store", "trust", "recheck", "changed", "restart", "timeout")
def estimate(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    seconds: float = SECONDS,
    *,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> Estimate:
    """Estimate the number of entries and bytes of a tree, and how long a full scan would take.

        path: Root of the tree, str, bytes or path-like.
        seconds: Time to spend. A tree that is read within half of it is counted exactly.
        options: A ScanOptions, which the keywords override.

    Each result has an interval, which becomes narrow with more time. With `max_rate` or `between` they hold here too.

    Raises OptionError (a ValueError).
    """
    top = os.fspath(path)
    refuse_nul(top)
    chosen = ScanOptions.of(keywords, options)
    if chosen.stat or chosen.store is not None or chosen.timeout is not None:
        raise OptionError("stat, store and timeout are not for estimate: it fetches sizes, and takes `seconds`")
    return estimated(top, seconds, chosen)


def estimated(top: Path, seconds: float, options: ScanOptions, cancelled: Cancelled | None = None) -> Estimate:
    """Return the estimate. Raises ScanCancelled."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise OptionError(f"seconds must be a positive number, not {seconds!r}")
    started = time.monotonic()
    options = options._replace(stat=("size",), timeout=None, producers=None)
    with Run([top], options._replace(timeout=FIRST * seconds), monitored=False, cancelled=cancelled) as run:
        counted, sampler = Counted(), Sampler([top], random.Random(str(top)))
        try:
            for chunk in run.chunks():
                counted.add(chunk)
            complete = True
        except ScanTimeout:
            complete = False
    took = time.monotonic() - started
    read, unreadable = run.stats.directories, len(run.stats.faults)
    if complete:
        directories, entries, size = (Range(count, count, count) for count in counted.sums())
        duration = Range(took, took, took)
    else:
        with Samples([top], options, started + seconds, cancelled) as samples:
            while not sampler.is_exact and sampler.replicate(samples.read):
                pass
        directories, entries, size = map(sampler.range, range(3))
        duration = scan_time(took, counted, directories, entries)
        read, unreadable = read + sampler.known[0], unreadable + samples.faults
    return Estimate(directories, entries, size, duration, read, unreadable, time.monotonic() - started)


def scan_time(took: float, counted: Counted, directories: Range, entries: Range) -> Range:
    """Return the time for a full scan, from the time for a part of it, by directories and by entries."""
    there = counted.sums()
    pairs = [(took / max(1, there[0]), directories), (took / max(1, there[1]), entries)]
    highs = [each * there.high for each, there in pairs if there.high is not None]
    value = sum(each * there.value for each, there in pairs) / 2
    return Range(max(took, value), max(took, min(e * r.low for e, r in pairs)), max(took, *highs) if highs else None)


class Counted:
    """What was found in each directory, or in all."""

    def __init__(self) -> None:
        self.found: dict[Path, Found] = {}
        self._sums = [0, 0, 0]

    def sums(self) -> tuple[int, int, int]:
        """Return the numbers of directories and entries, and bytes."""
        directories, entries, size = self._sums
        return directories, entries, size

    def add(self, chunk: Chunk, *, keep: bool = False) -> None:
        """Count a Chunk. `keep`: also the content of each directory."""
        sizes = sizes_in(chunk)
        # Parts of a huge directory count it once.
        self._sums[0] += chunk.visited
        for (path, dirs, links, files), size in zip(chunk, sizes, strict=True):
            below = names(dirs)
            count = len(below) + len(names(files))
            self._sums[1] += count
            self._sums[2] += size
            if keep:
                before = self.found.get(path, Found(0, 0, []))
                more = [*before.below, *reversed(children(path, below, names(links)))]
                self.found[path] = Found(before.entries + count, before.bytes + size, more)


def sizes_in(chunk: Chunk) -> list[int]:
    """Return the bytes in each Listing of a Chunk."""
    if not chunk.table:
        return []
    column, counts = chunk.table[0], memoryview(chunk.table[-1]).cast("i").tolist()
    values, start, sizes = memoryview(column).cast("q").tolist(), 0, []
    for files, links in zip(counts[::2], counts[1::2], strict=True):
        end = start + 1 + files + links
        sizes.append(sum(value for value in values[start + 1 : end] if value != NULL))
        start = end
    return sizes


class Samples:
    """Reads single directories, many at a time; a context manager. `deadline`: on the monotonic clock."""

    def __init__(self, roots: list[Path], options: ScanOptions, deadline: float, cancelled: Cancelled | None) -> None:
        options = options.starting_at(roots)._replace(timeout=max(1e-3, deadline - time.monotonic()))
        backend = BACKENDS[options.backend](options, None)
        self._engine = Engine(options, backend, ordered=True, cancelled=cancelled, deadline=deadline)
        self.faults = 0

    def __enter__(self) -> Samples:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.stop(wait=False)

    def read(self, paths: list[Path]) -> list[Found] | None:
        """Read directories. Return None if the time is over."""
        counted = Counted()
        engine = self._engine
        try:
            engine.poll(0)  # the hours may be over, or the time
            engine.finished = False
            delivered = engine.step(AddDirectories(paths, alone=True), ConsumerWaits())
            while not engine.finished or delivered:
                for each in delivered:
                    counted.add(each.chunk, keep=True)
                    self.faults += sum(fault.is_error for fault in each.chunk.faults)
                delivered = engine.step(ConsumerWaits()) if delivered else engine.poll(LONGEST_WAIT)
        except ScanTimeout:
            return None
        return [counted.found.get(path, Found(0, 0, [])) for path in paths]

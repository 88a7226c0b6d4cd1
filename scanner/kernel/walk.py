"""Walk one Task: depth first, over a stack of directories, until its budget is used up.

The order is that of `os.walk`: a directory, then the whole subtree of each of its children in turn. So a Chunk
is an unbroken part of the walk order, and the stack, from its top down, holds the rest.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from scanner.kernel.descent import MOST_OPEN, Descent
from scanner.kernel.facts import facts_of
from scanner.kernel.native import NEWS_SECONDS, WalkedRun
from scanner.kernel.pack import Packer, new_packer, no_listing
from scanner.kernel.read import Reader
from scanner.kernel.runs import News, Runs, SharedPlace
from scanner.model import Chunk, Fault, Path, Task, children, is_below
from scanner.options import ScanOptions

SLOW_DIRECTORY = 0.0005  # seconds for a directory, from which on it is reported; on a local disk few take as long
CHUNK_TEXT = 4 << 20  # bytes of paths in a Chunk: reached before its budget of entries only in very deep trees
NOT_THERE = {"vanished", "not_found", "not_directory", "loop"}  # `find` does not print such directories either


def nowhere(path: Path) -> None:
    """Publish nothing: no coordinator watches this walk."""


class Progress:
    """A Task in progress: what remains of it, and what was found so far.

    is_wanted  returns whether another slot is idle: the Task then ends early, unless a single directory is left
    """

    __slots__ = (
        "_deadline", "_descent", "_is_wanted", "_look", "_most_requests", "directories", "entries", "faults", "files",
        "now", "opening", "position", "slow", "stack", "started", "task", "text",
    )  # fmt: skip

    def __init__(self, task: Task, is_wanted: Callable[[], bool] | None, descent: Descent) -> None:
        self.task = task
        self.stack = task.directories[::-1]
        self.position = task.position  # in the directory on top of it
        self.faults: list[Fault] = []
        self.slow: list[tuple[float, Path]] = []
        self.directories = self.entries = self.files = self.text = 0
        self.opening = 0.0
        self.now = self.started = time.monotonic()
        self._is_wanted, self._descent = is_wanted, descent
        self._most_requests = descent.requests + task.quota if task.quota else sys.maxsize
        self._deadline, self._look = self.now + task.seconds, self.now + NEWS_SECONDS

    def budget(self) -> tuple[int, int, int, float]:
        """Return the entries, requests, bytes of paths and seconds that remain."""
        seconds = self._deadline - self.now
        return self.task.entries - self.entries, self.requests, CHUNK_TEXT - self.text, seconds

    @property
    def requests(self) -> int:
        """Number of requests that remain."""
        return self._most_requests - self._descent.requests

    def took_long(self, path: Path) -> bool:
        """Return whether the directory `path`, read since the last call, was slow. Note it if so."""
        before, self.now = self.now, time.monotonic()
        if self.now - before < SLOW_DIRECTORY:
            return False
        self.slow.append((self.now - before, path))
        return True

    def is_over(self) -> bool:
        """Return whether the budget is used up, or another slot wants the rest."""
        if self.entries >= self.task.entries or self.now >= self._deadline:
            return True
        if self.text >= CHUNK_TEXT or self.requests <= 0:
            return True
        if self.now < self._look:
            return False
        self._look = self.now + NEWS_SECONDS
        return self._is_wanted is not None and len(self.stack) > 1 and self._is_wanted()


class Walker:
    """Walks Tasks for one scan. Each slot has its own; not for use by two threads."""

    def __init__(
        self,
        options: ScanOptions,
        *,
        joined: bool,
        place: SharedPlace | None = None,
        most_open: int = MOST_OPEN,
        worker: int = 0,
    ) -> None:
        """`joined`: Chunks travel to another process, so names are joined (see `pack`). `place`: where each directory
        is published before it is touched. `most_open`: descriptors for the way down from the root. `worker`: number of
        this process, for its Chunks.
        """
        offline = options.known is not None and options.known.trust == "all"
        descent = Descent(options.roots, follow=options.followlinks, most_open=most_open, offline=offline)
        self._options = options
        self._descent = descent
        self._worker = worker
        self._whereabouts = nowhere if place is None else place.at
        self._facts = facts_of(options, joined=joined)
        self._reader = Reader(options, self._facts, descent)
        self._sifter = self._reader.sifter
        filters = None if self._sifter is None else self._sifter.filter
        selects = filters is not None and bool(filters.spec.conditions)
        self._needs_statuses = selects or self._reader.statuses is not None
        self._runs: Runs | None = None
        if self._facts.reader == "many":
            deepest = self._reader.deepest
            self._runs = Runs(
                options,
                self._facts,
                descent,
                place,
                slow=SLOW_DIRECTORY,
                deepest=deepest,
                filters=filters,
                known=self._reader.known,
            )

    def walk(self, task: Task, is_wanted: Callable[[], bool] | None = None, news: News = -1) -> Chunk:
        """Walk `task` until its budget is used up, or another slot wants the rest.

        is_wanted  returns whether it does.
        news       shows the same to the compiled walker, which calls nothing.
        """
        reader, sifter = self._reader, self._sifter
        retries, opening, requests = reader.retries, reader.opening, self._descent.requests
        reader.threads = task.threads
        if sifter is not None:
            sifter.filter.begin(task.rules)
        known = reader.known
        if known is not None:
            known.recorder.begin()
        cpu = time.thread_time()
        progress = Progress(task, is_wanted, self._descent)
        packer = new_packer(self._options, self._facts)
        self._walk(progress, packer, news)
        left = progress.stack[::-1]
        return Chunk(
            task.number, task.directories[0], worker=self._worker, listings=packer.listings(), output=packer.output(),
            leftovers=left, position=progress.position, faults=progress.faults, directories=progress.directories,
            entries=progress.entries, files=progress.files, retries=reader.retries - retries,
            requests=self._descent.requests - requests,
            seconds=time.monotonic() - progress.started, cpu=time.thread_time() - cpu,
            opening=reader.opening - opening + progress.opening, slow=progress.slow,
            rules=sifter.filter.found_above(left) if sifter is not None else None, table=packer.table(),
            clamped=packer.clamped, snapshot=b"" if known is None else known.recorder.news(),
        )  # fmt: skip

    def _walk(self, progress: Progress, packer: Packer, news: News) -> None:
        stack, fences = progress.stack, progress.task.fences
        shut = self._shut(progress.task)
        runs = None if shut or fences else self._runs
        while stack:
            run = None
            if runs is not None and not (progress.position or self._reads_singly):
                run = self._walk_many(runs, progress, packer, news)
            if run is not None:
                # Repeat a failed directory here and now: another worker would not know that it has failed.
                if run.directories and not run.error and progress.is_over():
                    break
                if not run.trouble or run.uncovered:
                    continue
            if stack[-1] in fences:
                break
            more = self._walk_one(progress, packer, shut, 0 if run is None else run.error)
            if more or progress.is_over():
                break

    @property
    def _reads_singly(self) -> bool:
        """Whether directories are read singly, because slow `stat` or type requests would end each run at once."""
        return self._reader.wary and (self._needs_statuses or self._reader.untyped)

    def _walk_many(self, runs: Runs, progress: Progress, packer: Packer, news: News) -> WalkedRun | None:
        """Walk a run: directories until an unusual one. None if that is not possible."""
        stack, limit = progress.stack, progress.task.entries
        near = self._reader.wary
        if near:  # opening the root may hang
            self._whereabouts(stack[-1])
        run = runs.walk(stack, limit, packer.run_form, packer.run_separator, progress.budget(), news, near=near)
        if run is None:
            return None
        progress.now = time.monotonic() - run.lost
        self._descent.requests += run.requests
        runs.learn(run)
        if run.directories:
            packer.add_run(run)
        progress.directories += run.directories
        progress.entries += run.entries
        progress.files += run.files
        progress.text += run.text
        progress.slow += run.slow
        progress.opening += run.opening
        if run.directories:
            self._reader.wary = bool(run.slow)
        return run

    def _walk_one(self, progress: Progress, packer: Packer, shut: dict[Path, Fault], failure: int) -> bool:
        """Read the directory on top of the stack, or its next part. Return whether more parts follow."""
        reader, stack, position, limit = self._reader, progress.stack, progress.position, progress.task.entries
        path = stack.pop()
        below: list[Path] = []
        if path in shut:
            part = no_listing(shut[path])
        else:
            self._whereabouts(path)
            reader.quota = progress.requests
            if position:
                part, below = reader.resume(path, position, limit)
            else:
                part = reader.read(path, limit, failure)
        faults = part.faults
        dropped = bool(faults) and self._drop(path, faults, position, packer, shut)
        progress.faults += faults
        if not dropped:
            is_first = not position and (self._sifter is None or self._sifter.shown)
            packer.add(path, part.dirs, part.links, part.files, is_first)
            progress.files += part.file_count
            progress.entries += part.entries
            progress.text += len(path) if path.isascii() else len(os.fsencode(path))
            below = children(path, part.dirs, part.links) + below if part.dirs else below
        if part.more and not dropped:
            progress.position += part.entries
            stack.append(path)
            return True
        progress.position = 0
        if reader.known is not None:
            reader.known.recorder.finished(path)
        progress.directories += not (faults and faults[-1].drops_listing)
        stack += () if dropped else below
        reader.wary = progress.took_long(path)
        return False

    def _shut(self, task: Task) -> dict[Path, Fault]:
        """Return the Faults of directories that the Task shuts, and of its directories below them."""
        shut = {path: refused(path, *reason) for path, reason in task.shut.items()}
        for path in task.directories if shut else ():
            above = next((each for each in task.shut if is_below(path, each)), None)
            if above is not None:
                shut[path] = refused(path, *task.shut[above])
        return shut

    def _drop(self, path: Path, faults: list[Fault], position: int, packer: Packer, shut: dict[Path, Fault]) -> bool:
        """Return whether to keep nothing of `path`, because it has no (whole) listing."""
        last = faults[-1]
        if not last.drops_listing:
            return False
        if packer.keeps_broken and (position or last.operation == "read"):
            faults[-1] = last._replace(partial=True)
            return False
        is_shut = path in shut
        if position or last.kind in NOT_THERE:
            return True
        if self._sifter is None or self._sifter.shows(path, is_shut=is_shut):
            statuses = self._reader.statuses
            packer.unread(path, b"" if statuses is None or is_shut else statuses.of_one(path), last)
        return True

    def close(self) -> None:
        """Close the directories that are held open."""
        self._reader.close()


def refused(path: Path, kind: Any, message: str) -> Fault:
    """Return the Fault of a directory that is not entered because of an earlier one."""
    return Fault(path, "open", errno.ETIMEDOUT if kind == "timeout" else errno.EIO, message, kind)

"""Walking one Task: an iterative, depth-first walk over a stack of directories that stops at its budget.

The order is that of `os.walk`: a directory, then the whole subtree of each of its children in turn. So a Chunk
is an unbroken run in walk order, and what is left on the stack, read from the top, is all that comes after it.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable

from scanner.kernel.descent import MOST_OPEN, Descent
from scanner.kernel.pack import Packer, form_of, new_packer
from scanner.kernel.part import no_listing
from scanner.kernel.read import Reader
from scanner.kernel.runs import Place, Runs, may_run
from scanner.model import Chunk, Fault, Path, Task, children, is_below
from scanner.options import ScanOptions

SLOW = 0.0005  # seconds for a directory that are worth telling; on a local disk few take as long
LOOK_EVERY = 0.002  # seconds between two looks at whether another slot is idle
CHUNK_TEXT = 4 << 20  # characters of paths in a Chunk: reached before its budget of entries only in very deep trees
NOT_THERE = {"vanished", "loop"}  # kinds of Faults for directories that `find` would not print either


def nowhere(path: Path) -> None:
    """Nobody needs to know where the walk is."""


class Walker:
    """Walks Tasks for one scan. One a slot; not for use by two threads."""

    def __init__(
        self,
        options: ScanOptions,
        *,
        joined: bool,
        place: Place | None = None,
        most_open: int = MOST_OPEN,
    ) -> None:
        """`joined`: Chunks travel to another process, so names are joined (see `pack`). `place` hears of each
        directory before it is touched. `most_open`: descriptors for the way down from the root.
        """
        descent = Descent(options.roots, follow=options.followlinks, most_open=most_open)
        self._options = options
        self._whereabouts = nowhere if place is None else place.at
        self._form = form_of(options, joined=joined or may_run(options))
        self._reader = Reader(options, self._form, descent)
        self._sifter = self._reader.sifter
        filters = None if self._sifter is None else self._sifter.filter
        self._runs: Runs | None = None
        if may_run(options):
            longest = self._reader.longest_sure
            self._runs = Runs(options, descent, place, slow=SLOW, longest=longest, filters=filters)

    def walk(self, task: Task, asked: Callable[[], bool] | None = None, news: int = -1) -> Chunk:
        """Walk `task`, no further than its budget. `asked` tells that another slot is idle: what is left
        is then given up early, unless there is only one directory to give. It need not be called where there is
        nothing to read from the descriptor `news`, if there is one.

        One long loop, on purpose: a call for each directory is half a percent of a scan.
        """
        reader, whereabouts, runs = self._reader, self._whereabouts, self._runs
        packer = new_packer(self._options, self._form)
        shut, fences = self._shut(task), task.fences
        if shut or fences:
            runs = None
        if (sifter := self._sifter) is not None:
            sifter.filter.begin(task.rules)
        stack = task.directories[::-1]
        faults: list[Fault] = []
        position = task.position
        directories = entries = files = text = 0
        slow: list[tuple[float, Path]] = []
        quota = task.quota or sys.maxsize
        retries, opening, reader.threads = reader.retries, reader.opening, task.threads
        now = started = time.monotonic()
        cpu = time.thread_time()
        deadline, look = now + task.seconds, now + LOOK_EVERY
        while stack:
            failure = 0
            if runs is not None and not (position or reader.wary):
                # Each end of a run waits for the interpreter lock, where another thread is at work.
                end = deadline if news >= 0 or asked is None else min(look, deadline)
                budget = task.entries - entries, quota - directories, CHUNK_TEXT - text, end - now, news
                run = runs.walk(stack, task.entries, packer.run_form, packer.run_separator, *budget)
                now = time.monotonic()
                if run is not None:
                    runs.learn(run)
                    if run.directories:
                        packer.add_run(run)
                    directories += run.directories
                    entries += run.entries
                    files += run.files
                    text += run.text
                    if run.slow:
                        reader.wary = True
                        slow.append((run.slow, run.slowest))
                    spent = entries >= task.entries or now >= deadline or text >= CHUNK_TEXT or directories >= quota
                    if run.directories and spent:
                        break
                    if run.directories and now >= look:
                        look = now + LOOK_EVERY
                        if asked is not None and len(stack) > 1 and asked():
                            break
                    if not run.trouble:
                        continue
                    failure = run.error
            path = stack.pop()
            if fences and path in fences:
                stack.append(path)
                break
            below: list[Path] = []
            if shut and path in shut:
                dirs, links, names, count, troubles, more, read = no_listing(shut[path])
            else:
                whereabouts(path)
                if position:
                    part, below = reader.resume(path, position, task.entries)
                    dirs, links, names, count, troubles, more, read = part
                else:
                    dirs, links, names, count, troubles, more, read = reader.read(path, task.entries, failure)
            dropped = bool(troubles) and self._drop(path, troubles, position, packer, shut)
            faults += troubles
            if dropped:
                position = 0
                continue
            packer.add(path, dirs, links, names, not position and (sifter is None or sifter.shown))
            files += count
            if dirs:
                below = children(path, dirs, links) + below
            entries += read
            text += len(path)
            if more:
                position += read
                stack.append(path)
                break
            position = 0
            directories += not (troubles and troubles[-1].drops_listing)
            stack += below
            before, now = now, time.monotonic()
            reader.wary = now - before >= SLOW
            if reader.wary:
                slow.append((now - before, path))
            if entries >= task.entries or now >= deadline or text >= CHUNK_TEXT or directories >= quota:
                break
            if now >= look:
                look = now + LOOK_EVERY
                if asked is not None and len(stack) > 1 and asked():
                    break
        stack.reverse()
        return Chunk(
            task.number, packer.listings(), packer.output(), stack, position, faults, directories, entries, files,
            reader.retries - retries, time.monotonic() - started, time.thread_time() - cpu, reader.opening - opening,
            slow, sifter.filter.found_above(stack) if sifter is not None else None, packer.table(),
        )  # fmt: skip

    def _shut(self, task: Task) -> dict[Path, Fault]:
        """The Faults of what must not be entered: as the Task says, and those of its directories that lie below."""
        shut = {path: refused(path, *reason) for path, reason in task.shut.items()}
        for path in task.directories if shut else ():
            above = next((each for each in task.shut if is_below(path, each)), None)
            if above is not None:
                shut[path] = refused(path, *task.shut[above])
        return shut

    def _drop(self, path: Path, troubles: list[Fault], position: int, packer: Packer, shut: dict[Path, Fault]) -> bool:
        """Whether nothing of `path` is to be kept, for want of a (whole) listing."""
        last = troubles[-1]
        if not last.drops_listing:
            return False
        if packer.keeps_broken and (position or last.operation == "read"):
            troubles[-1] = last._replace(partial=True)
            return False
        if not position and last.kind not in NOT_THERE and (self._sifter is None or self._sifter.shows(path)):
            statuses = self._reader.statuses
            packer.unread(path, b"" if statuses is None or path in shut else statuses.of_one(path), last)
        return True

    def close(self) -> None:
        """Close the directories that are held open."""
        self._reader.close()


def refused(path: Path, kind: str, message: str) -> Fault:
    """The Fault of a directory that is not entered because of what happened before."""
    return Fault(path, "open", errno.ETIMEDOUT if kind == "timeout" else errno.EIO, message, kind)

"""`awalk` and `aentries`: walks that do not block the event loop.

    loop:    stack -> ready listings -> tuples
                           ^
    thread:           Ahead.fill <- the source of `walk`

A thread reads ahead as `walk` does in the caller's thread. The loop of `os.walk` itself runs in the event loop, so that
changes of `dirs` prune what was not yielded yet, read or not.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from typing import Any, AnyStr

from scanner.api import AutoSource, entries_lazily, source_of, walk_lazily, walk_options
from scanner.aside import PIECE, Cancelled, aside, in_pieces, refuse_batch
from scanner.errors import ScanError
from scanner.model import Fault, Path, Walked, children, names
from scanner.options import UNSET, ScanOptions
from scanner.plan.merge import OnError, paths_after, report_fault
from scanner.run import notify
from scanner.signature import takes_options

PIECE_SECONDS = 0.01  # for directories that nobody has requested yet
MOST_READY = 4 * PIECE  # listings: more only if the caller chooses another order, and then one at a time

__all__ = ["aentries", "awalk"]


@takes_options("stat", "partial_listings")
def awalk(
    top: AnyStr | os.PathLike[AnyStr],
    topdown: bool = True,
    onerror: OnError = None,
    followlinks: bool = UNSET,
    *,
    batch: int | None = None,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> AsyncGenerator[Any, None]:
    """Yield the tuples of `walk` without blocking the event loop, for `async for`.

        top: Root of the tree, str, bytes or path-like.
        topdown: Whether to yield a directory before its subdirectories. Changing `dirs` then prunes as in `os.walk`.
        onerror: Function that gets the OSError of each unreadable directory, in the thread of the event loop.
        batch: Yield lists of this many tuples, of which only the last is shorter. Changing `dirs` then has no effect.
            Default: None (single tuples).
        options: A ScanOptions, which the keywords override.

    A thread reads ahead, some thousand directories at most beyond what workers do. Other tasks get a turn of the event
    loop every 5 ms at least, if the caller's own code takes less. Cancelling the task stops everything before the task
    ends. After a `break`, the generator stops when it is closed: `contextlib.aclosing` does that at once.

    Works under asyncio, uvloop and trio. Raises the same as `walk`.
    """
    path, chosen = os.fspath(top), walk_options(followlinks, options, keywords)
    refuse_batch(batch)
    if topdown and batch is None:
        return _top_down(path, onerror, chosen)
    return in_pieces(lambda report, cancelled: walk_lazily(path, topdown, report, chosen, cancelled), batch, onerror)


@takes_options(stat=True, partial_listings=True)
def aentries(
    top: AnyStr | os.PathLike[AnyStr],
    *,
    batch: int | None = None,
    onerror: OnError = None,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> AsyncGenerator[Any, None]:
    """Yield the entries of `entries` without blocking the event loop, for `async for`.

        top: Root of the tree, str, bytes or path-like.
        batch: Yield lists of this many entries, of which only the last is shorter. Default: None (single entries).
        onerror: Function that gets an OSError for each unreadable directory and entry, in the thread of the event loop.
        options: A ScanOptions, which the keywords override.
        stat: Fields to fetch for each entry, True for all or names such as ("size", "mtime_ns"). Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    A thread makes the entries, at most two batches ahead, or two thousand entries. Turns of the event loop,
    cancellation and `break` are as in `awalk`.

    Works under asyncio, uvloop and trio. Raises the same as `entries`.
    """
    path, chosen = os.fspath(top), ScanOptions.of(keywords, options, stat=True, partial_listings=True)
    refuse_batch(batch)
    return in_pieces(lambda report, cancelled: entries_lazily(path, report, chosen, cancelled), batch, onerror)


async def _top_down(top: Path, onerror: OnError, options: ScanOptions) -> AsyncGenerator[Walked, None]:
    """Yield a directory, then its subtrees, in the order in which the caller leaves `dirs`: `plan.merge.top_down`."""
    ahead = Ahead(top, options)
    async with aside(ahead.stop) as thread:
        stack: list[Any] = [top]
        most = 1  # nothing below the root is read before the caller has seen it
        while stack:
            path = stack.pop()
            found: Any = ahead.ready.pop(path, None)
            if found is None:
                found = await thread.call(ahead.fill, path, stack, most, thread.cancelled)
                most = PIECE
            elif thread.is_turn_over:
                await thread.end_turn()
            for fault in ahead.take_faults():
                notify(fault, onerror)
            if isinstance(found, Fault):
                report_fault(found, onerror)
                continue
            dirs, links, files = found
            before = dirs.copy()
            yield path, dirs, files
            if dirs == before:
                stack += children(path, dirs, links)
            elif set(dirs) <= set(before):
                stack += paths_after(path, dirs, before, links, ahead, options.followlinks)
            else:  # looks up whether names that were added are links
                stack += await thread.call(paths_after, path, dirs, before, links, ahead, options.followlinks)


class Ahead:
    """Listings that a thread has read beyond the one that was requested. While it reads, the loop waits for it."""

    def __init__(self, top: Path, options: ScanOptions) -> None:
        self._top = top
        self._options = options
        self._source: AutoSource | None = None
        self._faults: list[Fault] = []
        self._pruned: list[Path] = []
        self.ready: dict[Path, tuple[list[Any], list[Any], list[Any]] | Fault] = {}

    def fill(self, path: Path, stack: list[Any], most: int, cancelled: Cancelled) -> Any:
        """Return the listing of `path`, or the Fault. Read also directories that come next, at most `most` in all.

        `stack`: the paths that the caller comes to afterwards, in reverse.
        """
        if self._source is None:
            self._source = source_of(self._top, self._options, self._faults.append, cancelled)
        for pruned in self._pruned:
            self._source.prune(pruned)
        self._pruned.clear()
        self._read(self._source, [*stack, path], most if len(self.ready) < MOST_READY else 1)
        return self.ready.pop(path)

    def _read(self, source: AutoSource, stack: list[Any], most: int) -> None:
        ends = time.monotonic() + PIECE_SECONDS
        for number in range(most):
            path = stack.pop()
            if path in self.ready:  # the caller has chosen another order
                return
            try:
                found = source.take(path, stack)
            except ScanError:
                if number:  # it comes again, when the caller has got what was read before
                    return
                raise
            if isinstance(found, Fault):
                self.ready[path] = found
            else:
                dirs, links, files = map(names, found)
                self.ready[path] = dirs, links, files
                stack += children(path, dirs, links)
            if not stack or time.monotonic() > ends:
                return

    def take_faults(self) -> list[Fault]:
        """Return the Faults of filters since the last call."""
        if not self._faults:
            return []
        faults = self._faults.copy()
        self._faults.clear()
        return faults

    def prune(self, path: Path) -> None:
        """Drop `path`, and all directories below it."""
        doomed = [path]
        while doomed:
            found = self.ready.pop(path := doomed.pop(), None)
            if found is None:
                self._pruned.append(path)
            elif not isinstance(found, Fault):
                doomed += children(path, found[0], found[1])

    def stop(self) -> None:
        if self._source is not None:
            self._source.stop()

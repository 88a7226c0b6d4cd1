"""The loop of `os.walk`, with listings from a Source instead of `os.scandir`.

The caller may change `dirs` after each directory. So this loop, and not the slots that read ahead, decides about order
and pruning.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from scanner.model import NAME_BYTES, Chunk, Fault, Listing, Path, Walked, below_any, children, fields_of, names
from scanner.plan.events import AddDirectories, BytesWaiting, ConsumerWaits, DeliverChunk, DirectoryPruned, Event
from scanner.plan.tasks import LISTING_BYTES

LONGEST_WAIT = 0.1  # seconds for one poll while the requested directory has not arrived
TAKES_PER_LOOK = 32  # listings taken between two looks at the clock, when none is missing
POLL_EVERY = 0.0005  # seconds between two polls: one costs as much as eight directories

NO_MORE: tuple[Any, Any] = None, None

OnError = Callable[[OSError], object] | None


class Prunes(Protocol):
    """Something that holds or reads listings ahead."""

    def prune(self, path: Path) -> None:
        """Drop `path`, and all directories below it: they will not be requested."""


class Source(Prunes, Protocol):
    """A source of listings."""

    def take(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        """Return the listing of `path`, or the reason for none. `ahead`: the stack of the paths that come next."""


def top_down(top: Path, source: Source, onerror: OnError, followlinks: bool) -> Iterator[Walked]:
    """Yield a directory, then its subtrees, in the order in which the caller leaves `dirs`."""
    stack: list[Any] = [top]
    nul: Any = "\0" if isinstance(top, str) else b"\0"
    while stack:
        path = stack.pop()
        found = source.take(path, stack)
        if isinstance(found, Fault):
            report_fault(found, onerror)
            continue
        packed, links, files = found
        if not isinstance(files, list):  # names() inlined: a call for each directory is a large part of the cost
            files = files.split(nul) if files else []
        if not packed:  # nothing to prune, but names that the caller adds are visited
            dirs: list[Any] = []
            yield path, dirs, files
            if dirs:
                stack += paths_after(path, dirs, [], [], source, followlinks)
            continue
        dirs, links = names(packed), names(links)
        before = dirs.copy()
        yield path, dirs, files
        if dirs == before:
            stack += children(path, dirs, links)
        else:
            stack += paths_after(path, dirs, before, links, source, followlinks)


def bottom_up(top: Path, source: Source, onerror: OnError) -> Iterator[Walked]:
    """Yield the subtrees of a directory, then the directory."""
    stack: list[Any] = [top]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            yield item
            continue
        found = source.take(item, stack)
        if isinstance(found, Fault):
            report_fault(found, onerror)
            continue
        dirs, links, files = map(names, found)
        stack.append((item, dirs, files))
        stack += children(item, dirs, links)


def report_fault(fault: Fault, onerror: OnError) -> None:
    """Pass the Fault of a directory to `onerror`."""
    if fault.errno == errno.EINVAL and 0 in os.fsencode(fault.path):
        raise ValueError("embedded null byte")  # as os.walk does, for a name that the caller has added
    if onerror is not None and fault.is_error:
        onerror(fault.as_error())


def paths_after(
    path: Any, dirs: list[Any], before: list[Any], links: list[Any], source: Prunes, followlinks: bool
) -> list[Any]:
    """Return the paths to enter, last first, after the caller has changed `dirs`. Removed names are pruned.

    Names that were not in the listing are visited as well, unless they are symbolic links.
    """
    known, shut = set(before), set(links)
    for name in known.difference(dirs, shut):
        source.prune(os.path.join(path, name))
    paths = [(name, os.path.join(path, name)) for name in reversed(dirs)]
    return [
        below
        for name, below in paths
        if (name not in shut if name in known else followlinks or not os.path.islink(below))
    ]


class Stretch:
    """The consecutive directories of one Chunk. `rest`: those not taken yet."""

    __slots__ = ("paths", "rest", "size")

    def __init__(self, chunk: Chunk) -> None:
        self.paths, *fields = fields_of(chunk.listings)
        self.rest = zip(self.paths, zip(*fields, strict=True), strict=True)
        self.size = chunk.size + LISTING_BYTES * len(self.paths)


class Lookahead:
    """A Source fed by Chunks, in any order of arrival. `poll`: the method of the engine, which returns Chunks.

    It keeps directories until they are taken. Their bytes count against the window of the planner.

        Chunks -> Stretches -> the current one -> take()
                     '-> scattered into single directories, where the caller chooses another order ->'
    """

    def __init__(
        self, poll: Callable[..., list[DeliverChunk]], notify: Callable[[Fault], object] = bool, *, alone: bool
    ) -> None:
        """notify: called with Faults of filters. Default: nothing happens.

        alone: read the first directory alone, and no other one until the caller has received it.
        """
        self._poll = poll
        self._notify = notify
        self._alone = alone
        self._started = False
        self._arrived: dict[Path, Listing | Fault | Stretch] = {}
        self._paths: list[Path] = []  # of the current Stretch
        self._next, self._found = NO_MORE  # its next directory
        self._rest: Iterator[tuple[Path, Listing]] = iter(())  # the directories after that one
        self._parts: dict[Path, Listing] = {}  # huge directories that are incomplete
        self._waiting_bytes = 0
        self._pruned: list[Path] = []
        self._takes = 0
        self._next_poll = 0.0

    def take(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        self._takes += 1
        if self._takes % TAKES_PER_LOOK == 0 and time.monotonic() >= self._next_poll:
            self._exchange(0)
        if path != self._next:
            return self._take_other(path, ahead)
        found: Listing = self._found
        self._next, self._found = next(self._rest, NO_MORE)
        return found

    def _take_other(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        """Return a listing that is not the next one in the current Stretch."""
        if not self._started:
            self._start(path, ahead)
        if path not in self._arrived and path in self._paths:
            self._scatter_rest()
        if path not in self._arrived:
            self._exchange(0, ConsumerWaits(path))
        while path not in self._arrived:
            self._exchange(LONGEST_WAIT)
        there = self._arrived[path]
        if isinstance(there, Stretch) and path == there.paths[0]:
            self._scatter_rest()
            if self._arrived[path] is there:  # the rest of the other Stretch may have replaced directories of this one
                return self._begin(there)
        found = self._pop(path)
        assert found is not None
        return found

    def _begin(self, stretch: Stretch) -> Listing:
        """Make `stretch` the current one, whose bytes do not count as waiting. Returns its first Listing."""
        self._release(stretch)
        self._paths, self._rest = stretch.paths, stretch.rest
        _, listing = next(self._rest)
        self._next, self._found = next(self._rest, NO_MORE)
        return listing

    def _release(self, stretch: Stretch) -> None:
        self._waiting_bytes -= stretch.size
        for path in stretch.paths:
            self._arrived.pop(path, None)  # a file system may list a name twice

    def _scatter(self, stretch: Stretch) -> None:
        """Split a Stretch into single directories."""
        self._release(stretch)
        self._keep_each(stretch.rest)

    def _scatter_rest(self) -> None:
        """Split the rest of the current Stretch into single directories."""
        left = [] if self._next is None else [(self._next, self._found), *self._rest]
        self._paths, (self._next, self._found) = [], NO_MORE
        self._keep_each(left)

    def _pop(self, path: Path) -> Listing | Fault | None:
        """Remove and return the listing or Fault of `path`, if it has arrived."""
        while isinstance(found := self._arrived.get(path), Stretch):
            self._scatter(found)
        if found is not None:
            del self._arrived[path]
            self._waiting_bytes -= bytes_of(path, found)
        return found

    def _start(self, path: Path, ahead: list[Any]) -> None:
        """Start reading ahead: pass the directories that come next to the planner."""
        if self._alone:
            self._alone = False
            self._exchange(0, AddDirectories([path], alone=True))
            return
        self._started = True
        self._pruned.clear()  # the planner does not know these
        below = [item for item in reversed(ahead) if not isinstance(item, tuple)]
        self._exchange(0, AddDirectories([path, *below]))

    def prune(self, path: Path) -> None:
        self._scatter_rest()
        doomed = [path]
        while doomed:
            path = doomed.pop()
            found = self._pop(path)
            if found is None:
                self._drop_parts(path)
                self._pruned.append(path)
            elif not isinstance(found, Fault):
                doomed += children(path, names(found[0]), names(found[1]))

    def _exchange(self, timeout: float, *events: Event) -> None:
        """Report changes to the planner, and receive Chunks."""
        pruned = [DirectoryPruned(path) for path in self._pruned]
        self._pruned.clear()
        for delivery in self._poll(timeout, BytesWaiting(self._waiting_bytes), *pruned, *events):
            self._receive(delivery.chunk, delivery.outdated)
        self._next_poll = time.monotonic() + POLL_EVERY

    def _receive(self, chunk: Chunk, outdated: frozenset[Path]) -> None:
        for fault in chunk.faults:
            if fault.is_of_filter and not below_any(fault.path, outdated):
                self._notify(fault)
        for fault in chunk.failed:
            if not below_any(fault.path, outdated):
                self._drop_parts(fault.path)
                self._keep(fault.path, fault)
        unfinished = chunk.leftovers[0] if chunk.position else None
        if outdated or unfinished is not None or self._parts:
            self._receive_each(chunk, outdated, unfinished)
            return
        if not chunk.listings:
            return
        stretch = Stretch(chunk)
        if self._arrived.keys().isdisjoint(stretch.paths):
            self._arrived.update(dict.fromkeys(stretch.paths, stretch))
            self._waiting_bytes += stretch.size
        else:  # the caller has requested some of it under another name before
            self._keep_each(stretch.rest)

    def _receive_each(self, chunk: Chunk, outdated: frozenset[Path], unfinished: Path | None) -> None:
        for path, *found in chunk:
            if outdated and below_any(path, outdated):
                continue
            if path == unfinished or path in self._parts:
                self._add_part(path, *found)
                if path != unfinished:
                    parts = self._parts[path]
                    self._drop_parts(path)
                    self._keep(path, parts)
            else:
                self._keep(path, (found[0], found[1], found[2]))

    def _add_part(self, path: Path, dirs: Any, links: Any, files: Any) -> None:
        """Append a part of a huge directory to the parts before it."""
        whole = self._parts.setdefault(path, ([], [], []))
        self._waiting_bytes -= bytes_of(path, whole)
        for field, more in zip(whole, (dirs, links, files), strict=True):
            field.extend(names(more))
        self._waiting_bytes += bytes_of(path, whole)

    def _drop_parts(self, path: Path) -> None:
        parts = self._parts.pop(path, None)
        if parts is not None:
            self._waiting_bytes -= bytes_of(path, parts)

    def _keep_each(self, listings: Iterable[tuple[Path, Listing]]) -> None:
        for path, listing in listings:
            self._keep(path, listing)

    def _keep(self, path: Path, found: Listing | Fault) -> None:
        self._pop(path)  # present if the caller has requested it under another name before
        self._arrived[path] = found
        self._waiting_bytes += bytes_of(path, found)


def bytes_of(path: Any, found: Listing | Fault) -> int:
    """Return roughly how many bytes a listing occupies while it waits. Names in lists count as NAME_BYTES each."""
    if isinstance(found, Fault):
        return LISTING_BYTES
    dirs, _, files = found
    if isinstance(files, list):
        return LISTING_BYTES + NAME_BYTES * (len(dirs) + len(files))
    return LISTING_BYTES + len(path) + len(dirs) + len(files)

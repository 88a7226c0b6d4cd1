"""`os.walk`'s own loop, with the reading of a directory replaced by `take(path)`.

The caller may change `dirs` while it has a directory in hand; what happens next follows its changes, so order and
pruning are decided here, directory by directory, and not by whoever reads ahead.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from scanner.model import Chunk, Fault, Listing, Path, Walked, below_any, children, fields_of, names
from scanner.plan.events import AddDirectories, BytesWaiting, ConsumerWaits, DeliverChunk, DirectoryPruned, Event
from scanner.plan.tasks import LISTING_BYTES

LONGEST_WAIT = 0.1  # seconds for one poll while the wanted directory has not come
TAKES_PER_LOOK = 32  # listings taken between two looks at the clock, when nothing is missing; and
POLL_EVERY = 0.0005  # seconds between two at the workers: one costs as much as eight directories
NAME_BYTES = 64  # and each name, where it is a Python object

NO_MORE: tuple[Any, Any] = None, None

OnError = Callable[[OSError], object] | None


class Source(Protocol):
    """Where listings come from."""

    def take(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        """What is in `path`, or why there is no listing. `ahead`: the stack of what comes after it."""

    def prune(self, path: Path) -> None:
        """Nobody will take `path` nor anything below it."""


def top_down(top: Path, source: Source, onerror: OnError, followlinks: bool) -> Iterator[Walked]:
    """A directory, then its subtrees, in the order in which the caller leaves `dirs`."""
    stack: list[Any] = [top]
    nul: Any = "\0" if isinstance(top, str) else b"\0"
    while stack:
        path = stack.pop()
        found = source.take(path, stack)
        if isinstance(found, Fault):
            _tell(found, onerror)
            continue
        packed, links, files = found
        if not isinstance(
            files, list
        ):  # names(), spelled out: what is called for each directory is all that walk costs
            files = files.split(nul) if files else []
        if not packed:  # nothing to prune; what the caller adds to it is still visited
            dirs: list[Any] = []
            yield path, dirs, files
            if dirs:
                stack += _changed(path, dirs, [], [], source, followlinks)
            continue
        dirs, links = names(packed), names(links)
        before = dirs.copy()
        yield path, dirs, files
        if dirs == before:
            stack += children(path, dirs, links)
        else:
            stack += _changed(path, dirs, before, links, source, followlinks)


def bottom_up(top: Path, source: Source, onerror: OnError) -> Iterator[Walked]:
    """The subtrees of a directory, then the directory itself."""
    stack: list[Any] = [top]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            yield item
            continue
        found = source.take(item, stack)
        if isinstance(found, Fault):
            _tell(found, onerror)
            continue
        dirs, links, files = map(names, found)
        stack.append((item, dirs, files))
        stack += children(item, dirs, links)


def _tell(fault: Fault, onerror: OnError) -> None:
    if fault.errno == errno.EINVAL and 0 in os.fsencode(fault.path):
        raise ValueError("embedded null byte")  # as os.walk does, for a name that the caller has added
    if onerror is not None and fault.is_error:
        onerror(fault.as_error())


def _changed(
    path: Any, dirs: list[Any], before: list[Any], links: list[Any], source: Source, followlinks: bool
) -> list[Any]:
    """The paths to enter, last first, after the caller has changed `dirs`; the source hears of those removed.

    Names that were not in the listing are visited too, unless they are links now.
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
    """What one Chunk has brought: directories that follow one another in walk order. `rest`: what was not taken yet."""

    __slots__ = ("paths", "rest", "size")

    def __init__(self, chunk: Chunk) -> None:
        self.paths, *fields = fields_of(chunk.listings)
        self.rest = zip(self.paths, zip(*fields, strict=True), strict=True)
        self.size = chunk.size + LISTING_BYTES * len(self.paths)


class Lookahead:
    """A Source fed by Chunks, in whatever order they arrive. `poll` is the engine's: it brings more of them.

    It keeps what has arrived until it is taken; how much that is counts against the planner's window.

        Chunks -> Stretches -> the one under way -> take()
                     '-> scattered, where the caller wants another order: each directory by itself ->'
    """

    def __init__(self, poll: Callable[..., list[DeliverChunk]], *, alone: bool) -> None:
        """`alone`: the first directory is read by itself, and no other until the caller has had it in hand."""
        self._poll = poll
        self._alone = alone
        self._started = False
        self._arrived: dict[Path, Listing | Fault | Stretch] = {}
        self._paths: list[Path] = []  # of the Stretch under way,
        self._rest: Iterator[tuple[Path, Listing]] = iter(())  # and those that come
        self._next, self._found = NO_MORE  # after this one
        self._parts: dict[Path, Listing] = {}  # huge directories of which more is to come
        self._waiting_bytes = 0
        self._pruned: list[Path] = []
        self._takes = 0
        self._next_poll = 0.0

    def take(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        self._takes += 1
        if self._takes % TAKES_PER_LOOK == 0 and time.monotonic() >= self._next_poll:
            self._exchange(0)
        if path != self._next:
            return self._take_out_of_turn(path, ahead)
        found: Listing = self._found
        self._next, self._found = next(self._rest, NO_MORE)
        return found

    def _take_out_of_turn(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        """What is not the next in the Stretch under way."""
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
            if self._arrived[path] is there:  # what was left of the other may have been in this one, too
                return self._begin(there)
        found = self._pop(path)
        assert found is not None
        return found

    def _begin(self, stretch: Stretch) -> Listing:
        """From now on it is in the caller's hands, and does not wait any more. Gives the first Listing."""
        self._let_go_of(stretch)
        self._paths, self._rest = stretch.paths, stretch.rest
        _, listing = next(self._rest)
        self._next, self._found = next(self._rest, NO_MORE)
        return listing

    def _let_go_of(self, stretch: Stretch) -> None:
        self._waiting_bytes -= stretch.size
        for path in stretch.paths:
            self._arrived.pop(path, None)  # a file system may have told a name twice

    def _scatter(self, stretch: Stretch) -> None:
        """Have each of its directories by itself."""
        self._let_go_of(stretch)
        self._keep_each(stretch.rest)

    def _scatter_rest(self) -> None:
        """The same with what is left of the one under way."""
        left = [] if self._next is None else [(self._next, self._found), *self._rest]
        self._paths, (self._next, self._found) = [], NO_MORE
        self._keep_each(left)

    def _pop(self, path: Path) -> Listing | Fault | None:
        """What has arrived for it, if anything has."""
        while isinstance(found := self._arrived.get(path), Stretch):
            self._scatter(found)
        if found is not None:
            del self._arrived[path]
            self._waiting_bytes -= bytes_of(path, found)
        return found

    def _start(self, path: Path, ahead: list[Any]) -> None:
        """Hand over what comes next: from now on it is read ahead."""
        if self._alone:
            self._alone = False
            self._exchange(0, AddDirectories([path], alone=True))
            return
        self._started = True
        self._pruned.clear()  # nobody knows of these
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
        """Tell the planner what has changed here, and take in what has come."""
        pruned = [DirectoryPruned(path) for path in self._pruned]
        self._pruned.clear()
        for delivery in self._poll(timeout, BytesWaiting(self._waiting_bytes), *pruned, *events):
            self._take_in(delivery.chunk, delivery.outdated)
        self._next_poll = time.monotonic() + POLL_EVERY

    def _take_in(self, chunk: Chunk, outdated: frozenset[Path]) -> None:
        for fault in chunk.failed:
            if not below_any(fault.path, outdated):
                self._drop_parts(fault.path)
                self._keep(fault.path, fault)
        unfinished = chunk.leftovers[0] if chunk.position else None
        if outdated or unfinished is not None or self._parts:
            self._take_in_each(chunk, outdated, unfinished)
            return
        if not chunk.listings:
            return
        stretch = Stretch(chunk)
        if self._arrived.keys().isdisjoint(stretch.paths):
            self._arrived.update(dict.fromkeys(stretch.paths, stretch))
            self._waiting_bytes += stretch.size
        else:  # the caller has asked for some of it under another name before
            self._keep_each(stretch.rest)

    def _take_in_each(self, chunk: Chunk, outdated: frozenset[Path], unfinished: Path | None) -> None:
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
        """Join a part of a huge directory to those before it."""
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
        self._pop(path)  # something is there already if the caller has asked for it under another name before
        self._arrived[path] = found
        self._waiting_bytes += bytes_of(path, found)


def bytes_of(path: Any, found: Listing | Fault) -> int:
    """What it takes while it waits, roughly; of names in lists we do not know more than how many they are."""
    if isinstance(found, Fault):
        return LISTING_BYTES
    dirs, _, files = found
    if isinstance(files, list):
        return LISTING_BYTES + NAME_BYTES * (len(dirs) + len(files))
    return LISTING_BYTES + len(path) + len(dirs) + len(files)

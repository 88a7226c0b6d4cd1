"""`os.walk`'s own loop, with the reading of a directory replaced by `take(path)`.

The caller may change `dirs` while it has a directory in hand; what happens next follows its changes, so order and
pruning are decided here, directory by directory, and not by whoever reads ahead.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from scanner.model import Chunk, Fault, Listing, Path, Walked, below_any, children, names
from scanner.plan.events import Add, Deliver, Event, Pruned, Waiting, Wanted

LONGEST_WAIT = 0.1  # seconds for one poll while the wanted directory has not come
TAKES_PER_POLL = 32  # listings taken between two looks at the workers, when nothing is missing
LISTING_BYTES = 400  # what a Listing takes beside its text: five objects and a place in a dictionary

OnError = Callable[[OSError], object] | None


class Source(Protocol):
    """Where listings come from."""

    def take(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        """The listing of `path`, or why there is none. `ahead`: the stack of what comes after it."""

    def prune(self, path: Path) -> None:
        """Nobody will take `path` nor anything below it."""


def top_down(top: Path, source: Source, onerror: OnError, followlinks: bool) -> Iterator[Walked]:
    """A directory, then its subtrees, in the order in which the caller leaves `dirs`."""
    stack: list[Any] = [top]
    while stack:
        path = stack.pop()
        listing = source.take(path, stack)
        if isinstance(listing, Fault):
            _tell(listing, onerror)
            continue
        dirs, links = names(listing.dirs), names(listing.links)
        if not dirs:  # nothing to prune; what the caller adds to it is still visited
            yield path, dirs, names(listing.files)
            if dirs:
                stack += _changed(path, dirs, [], [], source, followlinks)
            continue
        before = dirs.copy()
        yield path, dirs, names(listing.files)
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
        listing = source.take(item, stack)
        if isinstance(listing, Fault):
            _tell(listing, onerror)
            continue
        dirs = names(listing.dirs)
        stack.append((item, dirs, names(listing.files)))
        stack += children(item, dirs, names(listing.links))


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


class Lookahead:
    """A Source fed by Chunks, in whatever order they arrive. `poll` is the engine's: it brings more of them.

    It keeps what has arrived until it is taken; how much that is counts against the planner's window.
    """

    def __init__(self, poll: Callable[..., list[Deliver]], *, alone: bool) -> None:
        """`alone`: the first directory is read by itself, and no other until the caller has had it in hand."""
        self._poll = poll
        self._alone = alone
        self._started = False
        self._arrived: dict[Path, tuple[Listing | Fault, int]] = {}  # with the bytes they take
        self._parts: dict[Path, tuple[Listing, int]] = {}  # huge directories of which more is to come
        self._waiting_bytes = 0
        self._pruned: list[Path] = []
        self._takes = 0

    def take(self, path: Path, ahead: list[Any]) -> Listing | Fault:
        if not self._started:
            self._start(path, ahead)
        if path not in self._arrived:
            self._exchange(0, Wanted(path))
        self._takes += 1
        if self._takes % TAKES_PER_POLL == 0:
            self._exchange(0)
        while path not in self._arrived:
            self._exchange(LONGEST_WAIT)
        found, size = self._arrived.pop(path)
        self._waiting_bytes -= size
        return found

    def _start(self, path: Path, ahead: list[Any]) -> None:
        """Hand over what comes next: from now on it is read ahead."""
        if self._alone:
            self._alone = False
            self._exchange(0, Add([path], alone=True))
            return
        self._started = True
        self._pruned.clear()  # nobody knows of these
        below = [item for item in reversed(ahead) if not isinstance(item, tuple)]
        self._exchange(0, Add([path, *below]))

    def prune(self, path: Path) -> None:
        doomed = [path]
        while doomed:
            path = doomed.pop()
            found, size = self._arrived.pop(path, (None, 0))
            self._waiting_bytes -= size
            if found is None:
                self._waiting_bytes -= self._parts.pop(path, (None, 0))[1]
                self._pruned.append(path)
            elif isinstance(found, Listing):
                doomed += children(path, names(found.dirs), names(found.links))

    def _exchange(self, timeout: float, *events: Event) -> None:
        """Tell the planner what has changed here, and take in what has come."""
        pruned = [Pruned(path) for path in self._pruned]
        self._pruned.clear()
        for delivery in self._poll(timeout, Waiting(self._waiting_bytes), *pruned, *events):
            self._take_in(delivery.chunk, delivery.outdated)

    def _take_in(self, chunk: Chunk, outdated: frozenset[Path]) -> None:
        for fault in chunk.failed:
            if not below_any(fault.path, outdated):
                self._waiting_bytes -= self._parts.pop(fault.path, (None, 0))[1]
                self._keep(fault.path, fault, LISTING_BYTES)
        unfinished = chunk.leftovers[0] if chunk.position else None
        for fields in chunk:
            listing = Listing(*fields)
            if outdated and below_any(listing.path, outdated):
                continue
            size = LISTING_BYTES + len(listing.path) + len(listing.dirs) + len(listing.files)
            if listing.path == unfinished or listing.path in self._parts:
                self._add_part(listing, size)
                if listing.path != unfinished:
                    listing, size = self._parts.pop(listing.path)
                    self._waiting_bytes -= size
            if listing.path != unfinished:
                self._keep(listing.path, listing, size)

    def _add_part(self, part: Listing, size: int) -> None:
        """Join a part of a huge directory to those before it."""
        whole, before = self._parts.get(part.path, (Listing(part.path, [], [], []), 0))
        whole.dirs.extend(names(part.dirs))
        whole.links.extend(names(part.links))
        whole.files.extend(names(part.files))
        self._parts[part.path] = (whole, before + size)
        self._waiting_bytes += size

    def _keep(self, path: Path, found: Listing | Fault, size: int) -> None:
        # Something is there already if the caller has asked for it under another name before.
        self._waiting_bytes += size - self._arrived.get(path, (None, 0))[1]
        self._arrived[path] = (found, size)

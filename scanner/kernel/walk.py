"""Walking one Task: an iterative, depth-first walk over a stack of directories that stops at its budget.

The order is that of `os.walk`: a directory, then the whole subtree of each of its children in turn. So a Chunk
is an unbroken run in walk order, and what is left on the stack, read from the top, is all that comes after it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from scanner.kernel.pack import new_packer
from scanner.kernel.read import LinkRule, read
from scanner.model import Chunk, Fault, Path, Task, children
from scanner.options import ScanOptions

HELD_DIRECTORIES = 4
LOOK_EVERY = 0.002  # seconds between two looks at whether another slot is idle


class Held(NamedTuple):
    """A huge directory between two of its parts, kept open so that the next part need not start over."""

    entries: Any  # what os.scandir gives: an iterator with close()
    position: int
    below: list[Path]  # its sub-directories so far, last first: entered once the last part is read


class Walker:
    """Walks Tasks for one scan. One a worker process; not for use by two threads."""

    def __init__(self, options: ScanOptions, *, joined: bool) -> None:
        """`joined`: Chunks travel to another process, so names are joined (see `pack`)."""
        self._options = options
        self._joined = joined
        self._links = link_rule(options)
        self._held: dict[Path, Held] = {}

    def walk(self, task: Task, asked: Callable[[], bool] = lambda: False) -> Chunk:
        """Walk `task`, no further than its budget. `asked` tells that another slot is idle: what is left
        is then given up early, unless there is only one directory to give.
        """
        packer = new_packer(self._options.packing, self._options.separator, joined=self._joined)
        stack = task.directories[::-1]
        faults: list[Fault] = []
        position = task.position
        directories = entries = files = 0
        now = time.monotonic()
        deadline, look = now + task.seconds, now + LOOK_EVERY
        while stack:
            path = stack.pop()
            try:
                if position:
                    listing, below = self._resume(path, position)
                else:
                    listing, below = os.scandir(path), []
            except OSError as error:
                faults.append(Fault.of(error, path, "read" if position else "open"))
                position = 0
                continue
            except ValueError as error:  # a NUL in a name that the caller has added
                faults.append(Fault(path, "open", errno.EINVAL, str(error)))
                continue
            dirs, links, names, troubles = read(path, listing, task.entries, self._links)
            count = len(dirs) + len(names)
            broken = False
            if troubles:
                faults += troubles
                broken = troubles[-1].operation == "read"
            if not broken or packer.keeps_broken:
                packer.add(path, dirs, links, names, not position)
                if dirs:
                    below = children(path, dirs, links) + below
                entries += count
                files += len(names)
                if count == task.entries and not broken:
                    position += count
                    self._hold(path, Held(listing, position, below))
                    stack.append(path)
                    break
                directories += not broken
                stack += below
            position = 0
            now = time.monotonic()
            if entries >= task.entries or now >= deadline:
                break
            if now >= look:
                look = now + LOOK_EVERY
                if len(stack) > 1 and asked():
                    break
        stack.reverse()
        return Chunk(
            task.number, packer.listings(), packer.output(), stack, position, faults, directories, entries, files
        )

    def _hold(self, path: Path, held: Held) -> None:
        while len(self._held) >= HELD_DIRECTORIES:
            oldest = next(iter(self._held))
            self._held.pop(oldest).entries.close()  # whoever resumes it starts over and skips
        self._held[path] = held

    def close(self) -> None:
        """Close the directories that are held open."""
        while self._held:
            self._held.popitem()[1].entries.close()

    def _resume(self, path: Path, position: int) -> tuple[Any, list[Path]]:
        """The open directory after its first `position` entries, and its sub-directories among those.

        Where another process (or nobody, by now) holds it open, it is read again from the start: the order
        of a directory that does not change is the same each time. Raises OSError where that fails.
        """
        held = self._held.pop(path, None)
        if held is not None:
            if held.position == position:
                return held.entries, held.below
            held.entries.close()
        entries = os.scandir(path)
        dirs, links, files, faults = read(path, entries, position, self._links)
        if len(dirs) + len(files) < position:
            last = faults[-1] if faults else None
            if last is not None and last.operation == "read":
                raise last.as_error()
            raise OSError(errno.ESTALE, "it became shorter while it was read")
        return entries, children(path, dirs, links)


def link_rule(options: ScanOptions) -> LinkRule:
    """What links to directories are to this scan: tuples show them as `os.walk` does, sinks as `find` does."""
    if options.followlinks:
        return "enter"
    return "mark" if options.packing == "names" else "file"

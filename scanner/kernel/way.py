"""The directories from a root down to where the walk is, by device and inode: none of them is to be entered again.

A link may lead above the root, and from there plain directories lead back. So each directory is compared, not only
links: as `find -L` does it. But numbers alone are no proof: some file systems give all directories the same.
"""

from __future__ import annotations

import os
from typing import Any

from scanner.kernel.descent import Descent, mount_number
from scanner.model import prefix_of

PATH_MAX = 4096  # characters of a path that can be looked up again

Key = tuple[int, int]


class Way:
    """For one Reader. Holds the lengths of paths: the paths of a deep tree would take memory with the square of it."""

    def __init__(self, descent: Descent) -> None:
        self._descent = descent
        self._last: Any = ""  # the path met last
        self._ends: list[tuple[int, Key | None]] = []  # of prefixes of it, each one of the next; None: unknown
        self._met: dict[Key, int] = {}  # lengths of paths

    def met(self, path: Any, status: os.stat_result) -> Any:
        """Return the highest directory above `path` with the same numbers; None: there is none. Remember `path`."""
        self._leave(path)
        for above in self._unknown_above(path):
            self._enter(above, _key_at(above))
        key = status.st_dev, status.st_ino
        length = self._met.get(key)
        self._enter(path, key)
        self._last = path
        return None if length is None else path[:length]

    def _leave(self, path: Any) -> None:
        """Forget what `path` does not lie below."""
        is_root = self._descent.is_root(path)  # it may lie below another root
        while self._ends and (is_root or not path.startswith(self._prefix(self._ends[-1][0]))):
            end, key = self._ends.pop()
            if key is not None and end - 1 <= self._met.get(key, -1) <= end:
                del self._met[key]

    def _prefix(self, end: int) -> Any:
        return self._last[:end] if end <= len(self._last) else prefix_of(self._last)

    def _unknown_above(self, path: Any) -> list[Any]:
        """Return the directories between `path` and what is known above it, the highest first."""
        known = self._ends[-1][0] if self._ends else 0
        if known and path.find(path[known - 1 : known], known) < 0:
            return []
        above = self._descent.above(path if known else path[:PATH_MAX])
        return [each for each in above if len(each) > known][::-1]

    def _enter(self, path: Any, key: Key | None) -> None:
        self._ends.append((len(prefix_of(path)), key))
        if key is not None:
            self._met.setdefault(key, len(path))


def has_link(above: Any, path: Any) -> bool:
    """Return whether there is a link between a directory above `path` and `path`, as far as the system can say."""
    separator = prefix_of(above)[-1:]
    end = len(prefix_of(above)) - 1
    while 0 <= (end := path.find(separator, end + 1)) <= PATH_MAX:
        if os.path.islink(path[:end]):
            return True
    return False


def is_mounted_again(above: Any, descriptor: int) -> bool:
    """Return whether a directory that is open is on another mount than the one `above`."""
    try:
        return mount_number(above) != mount_number(descriptor)
    except OSError:
        return False


def _key_at(path: Any) -> Key | None:
    try:
        status = os.stat(path)
    except OSError:  # it is gone; the depth has its limit
        return None
    return status.st_dev, status.st_ino

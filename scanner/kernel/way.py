"""Detect loops of symlinks: compare each directory with those above it by device and inode, as `find -L` does.

A symlink may lead above the root, and ordinary directories lead back from there. So all directories are compared, not
only targets of symlinks. Equal numbers alone are no proof: some file systems give all directories the same.
"""

from __future__ import annotations

import os
from typing import Any

from scanner.kernel.descent import Descent, mount_number
from scanner.model import prefix_of

PATH_MAX = 4096  # characters: the longest path that the system looks up

Key = tuple[int, int]


class Way:
    """The directories from a root down to the current one, for one Reader. Holds the lengths of their paths only: the
    paths would take memory in proportion to the square of the depth.
    """

    def __init__(self, descent: Descent) -> None:
        self._descent = descent
        self._last: Any = ""  # the path met last
        self._ends: list[tuple[int, Key | None]] = []  # lengths of its prefixes, the shortest first; None: unknown
        self._met: dict[Key, int] = {}  # length of the path of each

    def met(self, path: Any, status: os.stat_result) -> Any:
        """Return the highest directory above `path` with the same device and inode, or None. Remember `path`."""
        self._leave(path)
        for above in self._unknown_above(path):
            self._enter(above, _key_at(above))
        key = status.st_dev, status.st_ino
        length = self._met.get(key)
        self._enter(path, key)
        self._last = path
        return None if length is None else path[:length]

    def _leave(self, path: Any) -> None:
        """Forget the directories that `path` does not lie below."""
        is_root = self._descent.is_root(path)  # it may lie below another root
        while self._ends and (is_root or not path.startswith(self._prefix(self._ends[-1][0]))):
            end, key = self._ends.pop()
            if key is not None and end - 1 <= self._met.get(key, -1) <= end:
                del self._met[key]

    def _prefix(self, end: int) -> Any:
        return self._last[:end] if end <= len(self._last) else prefix_of(self._last)

    def _unknown_above(self, path: Any) -> list[Any]:
        """Return the directories between `path` and the nearest known one above it, the highest first."""
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
    """Return whether a component of `path` below `above` is a symlink. Components beyond PATH_MAX are ignored."""
    separator = prefix_of(above)[-1:]
    end = len(prefix_of(above)) - 1
    while 0 <= (end := path.find(separator, end + 1)) <= PATH_MAX:
        if os.path.islink(path[:end]):
            return True
    return False


def is_mounted_again(above: Any, descriptor: int) -> bool:
    """Return whether an open directory is on another mount than the directory `above`."""
    try:
        return mount_number(above) != mount_number(descriptor)
    except OSError:
        return False


def _key_at(path: Any) -> Key | None:
    try:
        status = os.stat(path)
    except OSError:  # removed; the limit of the depth ends a loop
        return None
    return status.st_dev, status.st_ino

"""Open directories from their parents, not by their paths. `_walk.h` does the same for runs; GAP is common to both.

    root --> a --> b --> c          open: a file descriptor each, closed when the walk has left it
                         |-- d      opened by its name from c, never through a symlink

So a directory that is replaced by a symlink during the scan cannot lead it out of the root, a path may be longer than
PATH_MAX, and no path is looked up again from its start for each directory (on an uncached network file system every
component costs a round trip). In a bare loop this takes as long as opening by path, within 2 %. In Python an open
directory lists its names as str only, and a scan for bytes has to encode them again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from scanner.kernel.requests import OPEN_REQUESTS
from scanner.model import Path, prefix_of

HERE = -100  # AT_FDCWD: no descriptor, relative to the current directory
MOST_OPEN = 48  # descriptors for the way down; a longer way is thinned out, and the missing ones are opened again
GAP = 4  # the gap between two of them is at most this many times the distance to the bottom
_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_ATIME = getattr(os, "O_NOATIME", 0)  # do not change access times
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC  # to open names below


class Descent:
    """The open directories on the way from a root to the current directory. Not for use by two threads."""

    def __init__(
        self, roots: Sequence[Path], *, follow: bool, most_open: int = MOST_OPEN, offline: bool = False
    ) -> None:
        """follow: open symlinks below the roots. The roots themselves may always be symlinks.

        offline: nothing is opened, because a snapshot is read back: the first directory lent has the descriptor -1.
        """
        self._offline = offline
        self._roots = sorted(roots, key=len, reverse=True)
        self._several = len(roots) > 1
        self._nested = are_nested(roots)
        self._no_link = not follow
        self._way: list[tuple[Any, int]] = []  # prefixes of the path, the shortest first; descriptors
        self._prefix: Any = None
        self._separator: Any = None
        self._parent = -1
        self.most_open = most_open
        self.requests = 0  # sent to file systems by all who read with this Descent
        self._devices: dict[Any, int] = {}  # of roots
        self._mounts: dict[Any, bytes] = {}  # of roots

    def place(self, path: Any) -> tuple[int, Any, bool]:
        """Return a descriptor above `path`, the name to open there, and whether to refuse symlinks. Raises OSError."""
        if self._offline:
            raise OSError(errno.EIO, "its row in the snapshot is damaged")
        if not self._begin(path):
            return HERE, path, False
        while not path.startswith(self._prefix):
            self._leave()
        return self._parent, path[len(self._prefix) :] or os.curdir, self._no_link

    def _begin(self, path: Any) -> bool:
        """Open the root above `path`. Return False if `path` is a root, or below none. Raises OSError."""
        if self._several and path in self._roots:  # also a root below another root; it may be a symlink
            self.close()  # this root must not be kept below another one
            return False
        if self._nested and self._way and (root := self._root_of(path)) and self._way[0][0] != prefix_of(root):
            self.close()  # that root may be a symlink, which is followed only where it is opened as a root
        if self._way and not path.startswith(self._way[0][0]):
            self.close()
        if not self._way:
            root = self._root_of(path)
            if root is None:
                return False
            self.keep(root, os.open(root, _PASS))
        return True

    def root_length(self, path: Any) -> int:
        """Return the length in bytes of the root above `path`, with its slash; 0: there is none. The way may begin
        further down.
        """
        root = self._root_of(path)
        return 0 if root is None else len(os.fsencode(prefix_of(root)))

    def lend(self, path: Any) -> list[tuple[Any, int]]:
        """Return the open directories below the root of `path`: their paths with a slash, and descriptors.

        All but the first are the caller's, to close or to `keep`. Empty if `path` is a root, or below none. Raises
        OSError.
        """
        if self._offline:
            root = self._root_of(path)
            return [] if root is None else [(prefix_of(root), -1)]
        if not self._begin(path):
            return []
        way, self._way = self._way, self._way[:1]
        self._prefix, self._parent = way[0]
        return way

    def open(self, path: Any) -> int:
        """Open the directory `path`. The descriptor is the caller's, to close or `keep`. Raises OSError, ValueError."""
        parent, name, no_link = self.place(path)
        self.requests += OPEN_REQUESTS
        if parent == HERE:
            descriptor = os.open(path, _READ)
        else:
            if has_steps(name):
                name = self._step_down(path)
            descriptor = os.open(name, _READ | (os.O_NOFOLLOW if no_link else 0), dir_fd=self._parent)
        if _NO_ATIME:
            with contextlib.suppress(OSError):  # refused for directories of other owners, also as a flag of `open`
                fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_RDONLY | _NO_ATIME)
        return descriptor

    def _root_of(self, path: Any) -> Any:
        """Return the root above `path`; None if `path` is one, or below none (added by the caller of `walk`)."""
        if path in self._roots:
            return None
        return next((root for root in self._roots if path.startswith(prefix_of(root))), None)

    def is_root(self, path: Any) -> bool:
        return path in self._roots

    def depth(self, path: Any) -> int:
        """Return how many levels `path` lies below its root."""
        root = self._root_of(path)
        if root is None:
            return 0
        prefix = prefix_of(root)
        count: int = path.count(prefix[-1:], len(prefix))
        return count + 1

    def is_elsewhere(self, path: Any, device: int) -> bool:
        """Return whether `path`, on this device, is on another file system than its root. Raises OSError."""
        return self._root_of(path) is not None and device != self.device(path)

    def device(self, path: Any) -> int:
        """Return the device of the root that `path` is or lies below. Raises OSError."""
        root = self._root_of(path)
        root = path if root is None else root
        if self._offline:
            return 0
        if root not in self._devices:
            self._devices[root] = os.stat(root).st_dev
        return self._devices[root]

    def is_on_another_mount(self, path: Any, place: Any) -> bool:
        """Return whether the directory `path`, open as or found at `place`, is on another mount than its root."""
        root = self._root_of(path)
        if root is None:
            return False
        if root not in self._mounts:
            self._mounts[root] = mount_number(root)
        return mount_number(place) != self._mounts[root]

    def above(self, path: Any) -> Iterator[Any]:
        """Yield the directories above `path`, from its parent up to its root."""
        root = self._root_of(path)
        if root is None:
            return
        start = len(prefix_of(root))
        separator = prefix_of(root)[-1:]
        while (end := path.rfind(separator, start)) >= 0:
            path = path[:end]
            yield path
        yield root

    def _step_down(self, path: Any) -> Any:
        """Open the directories above `path`, one name after the other. Return the last name."""
        start = len(self._prefix)
        no_link = os.O_NOFOLLOW if self._no_link else 0
        while (end := path.find(self._separator, start)) >= 0:
            if end > start:  # a path added by the caller of `walk` may have double slashes
                self.requests += 1
                self.keep(path[:end], os.open(path[start:end], _PASS | no_link, dir_fd=self._parent))
            start = end + 1
        return path[start:] or os.curdir

    def is_link(self, path: Any) -> bool:
        """Return whether the directory opened last is a symlink below its root."""
        if not self._way:
            return False
        try:
            os.readlink(path[len(self._prefix) :], dir_fd=self._parent)
        except OSError:
            return False
        return True

    def keep(self, path: Any, descriptor: int) -> None:
        """Take over the descriptor of `path`: the next directory may lie below it."""
        if len(self._way) >= self.most_open:
            self._thin_out()
        self._prefix = prefix_of(path)
        self._separator = self._prefix[-1:]
        self._parent = descriptor
        self._way.append((self._prefix, descriptor))

    def _leave(self) -> None:
        os.close(self._way.pop()[1])
        if self._way:
            self._prefix, self._parent = self._way[-1]

    def _thin_out(self) -> None:
        """Keep the lowest open. Of those above, keep enough that a gap between two is never more than GAP times the
        distance to the bottom: so the way back up always starts from a directory nearby. Where that keeps too many,
        close every other. `thin_out` in _walk.h does the same.
        """
        bottom = below = len(self._way[-1][0])
        lowest = self.most_open // 4 + 1
        kept: list[tuple[Any, int]] = []
        for (above, _), (prefix, descriptor) in reversed([*pairwise(self._way)]):
            if len(kept) < lowest or below - len(above) > GAP * (bottom - below):
                kept.append((prefix, descriptor))
                below = len(prefix)
            else:
                os.close(descriptor)
        self._way[1:] = kept[::-1]
        if len(self._way) >= self.most_open:
            self._close_every_other()

    def _close_every_other(self) -> None:
        """Close every other one of the upper three quarters."""
        some = slice(1, max(2, self.most_open * 3 // 4), 2) if self.most_open > 1 else slice(None)
        for _, descriptor in self._way[some]:
            os.close(descriptor)
        del self._way[some]

    def hold_fewer(self) -> None:
        """Hold fewer descriptors, at the price of opening more often: the process has run out of them."""
        self.most_open = max(1, self.most_open // 8)

    def close(self) -> None:
        """Close everything; the next `open` starts from its root."""
        while self._way:
            os.close(self._way.pop()[1])


def mount_number(place: Any) -> bytes:
    """Return the number of the mount that a path or an open directory is on; empty without /proc. Raises OSError if the
    path cannot be reached.
    """
    descriptor = place if isinstance(place, int) else os.open(place, _PASS)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as lines:
            return next((line for line in lines if line.startswith(b"mnt_id:")), b"")
    except OSError:  # no /proc
        return b""
    finally:
        if descriptor != place:
            os.close(descriptor)


def are_nested(roots: Sequence[Any]) -> bool:
    """Return whether a root lies below another one."""
    if len(roots) < 2:
        return False
    return any(below.startswith(above) for above, below in pairwise(sorted(map(prefix_of, roots))))


def has_steps(name: Any) -> bool:
    """Return whether a name has several components."""
    return steps_in(name) > 0


def steps_in(name: Any) -> int:
    """Return how many directories a name leads through."""
    count: int = name.count(os.sep if isinstance(name, str) else os.sep.encode())
    return count

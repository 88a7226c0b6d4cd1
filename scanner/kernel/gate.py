"""Checks before a directory is entered: depth, file system, loops of symlinks."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import Any

from scanner.kernel.descent import Descent
from scanner.kernel.way import Way, has_link, is_mounted_again
from scanner.model import Fault, Path, excluded
from scanner.options import MAX_DEPTH, ScanOptions


class Elsewhere(Exception):
    """A directory is on another file system than its root."""


class Gate:
    """Opens directories for one Reader, after these checks."""

    def __init__(self, options: ScanOptions, descent: Descent) -> None:
        self._descent = descent
        self._detect_loops = options.detect_loops and options.followlinks
        self._way = Way(descent)
        self._followlinks = options.followlinks
        self._one_file_system = options.one_file_system
        self._one_mount = options.one_mount and options.followlinks  # mounts found before the scan are barred by path
        self.stays = self._one_file_system or self._one_mount  # whether directories on other mounts are refused
        self.checks = self._detect_loops or self.stays  # whether an open directory is checked before it is read
        self._max_depth = sys.maxsize if options.max_depth is None else options.max_depth
        self.deepest = min(self._max_depth - 1, MAX_DEPTH)  # level of the deepest directory that is read
        self.longest_sure = 2 * (self.deepest + 1)  # characters: no shorter path has too many levels
        self.opening = 0.0  # seconds spent on opening directories

    def is_last(self, path: Path) -> bool:
        """Return whether the depth limit excludes everything below `path`."""
        return self._max_depth < sys.maxsize and self._descent.depth(path) + 1 >= self._max_depth

    def too_deep(self, path: Path) -> Fault | None:
        depth = self._descent.depth(path)
        if depth >= self._max_depth:
            return excluded(path, f"it lies {depth} levels deep")
        if depth > MAX_DEPTH:
            return Fault(path, "open", errno.ELOOP, f"it lies deeper than {MAX_DEPTH:,} levels", "depth")
        return None

    def open(self, path: Any) -> int:
        """Open the directory `path`. The descriptor is the caller's. Raises OSError, ValueError, Elsewhere."""
        started = time.monotonic()
        try:
            descriptor = self._descent.open(path)
        except OSError:
            self._refuse_unreadable_elsewhere(path)
            raise
        self.opening += time.monotonic() - started
        if self.checks:
            try:
                self.refuse_elsewhere(path, descriptor)
                if self._detect_loops:
                    self._refuse_loop(path, descriptor)
            except (OSError, Elsewhere):
                os.close(descriptor)
                raise
        return descriptor

    def refuse_elsewhere(self, path: Any, place: Any) -> None:
        """Raise Elsewhere if a directory is on another file system or mount than its root, and an option forbids that.

        place  the descriptor or the path of the directory
        """
        if self._one_file_system and self._descent.is_elsewhere(path, os.stat(place).st_dev):
            raise Elsewhere
        if self._one_mount and self._descent.is_on_another_mount(path, place):
            raise Elsewhere

    def _refuse_unreadable_elsewhere(self, path: Any) -> None:
        """Raise Elsewhere if an unreadable directory is on another file system, where its error is not reported."""
        with contextlib.suppress(OSError):
            if self._one_file_system:
                device = os.stat(path, follow_symlinks=self._followlinks).st_dev
                if self._descent.is_elsewhere(path, device):
                    raise Elsewhere

    def _refuse_loop(self, path: Any, descriptor: int) -> None:
        """Raise OSError if `path` is the same directory as one above it: by a symlink, or by a second mount."""
        above = self._way.met(path, os.fstat(descriptor))
        if above is None:
            return
        if self._descent.is_link(path):
            what = "a link that"
        elif has_link(above, path):
            what = "a link above it"
        elif is_mounted_again(above, descriptor):
            what = "a mount that"
        else:  # the file system gives several directories the same number
            return
        raise OSError(errno.ELOOP, f"{what} leads back to '{os.fsdecode(above)}'")

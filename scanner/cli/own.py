"""Which of our own temporary files a scan would list."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from scanner.export.part import own_parts
from scanner.mounts import LOCAL, filesystem_type, mounted_below


def names_to_hide(roots: Sequence[str], *, follow: bool) -> tuple[str, ...]:
    """Names of our temporary files, if a scan of `roots` may come to the directories that hold them.

    A name is used once, so that it says as much as device and inode, also where a mount or another file system shows
    the same directory. To compare names has a cost: it is not done where no way leads there.
    """
    if not own_parts:
        return ()
    may_meet = follow or any(mounted_below(roots)) or any(filesystem_type(root) not in LOCAL for root in roots)
    above = {place for path in own_parts for place in _places_above(path)}
    if may_meet or not above.isdisjoint(place for root in roots for place in _place(root)):
        return tuple(os.path.basename(path) for path in own_parts)
    return ()


def _places_above(path: str) -> Iterator[tuple[int, int]]:
    """The directories that lead to `path`, as devices and inodes: a root may name one of them in another way."""
    while (parent := os.path.dirname(path)) != path:
        path = parent
        yield from _place(path)


def _place(path: str) -> Iterator[tuple[int, int]]:
    with contextlib.suppress(OSError, ValueError):  # the scan will say so
        status = os.stat(path)
        yield status.st_dev, status.st_ino

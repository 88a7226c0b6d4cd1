"""Parts: temporary files beside the target of an output, without a name where the system supports that.

A part `.NAME-PID-TIME.part` is locked while its writer lives. SQLite uses the same kind of lock, with which `flock`
would conflict on network file systems.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator

LONGEST = 200  # bytes of the target's name in the name of its part
ROOM = 48  # bytes of the rest of that name
OLD = ".old"  # suffix of a file that was moved away for a part; for a moment it is the only complete one
NUMBERS = r"[0-9]+-[0-9a-f]{16}\.part"
PART = re.compile(rf"\..+-{NUMBERS}", re.DOTALL)
own_parts: set[str] = set()
"""Paths of the named parts of this process: scans hide them."""


def part_path(directory: str, name: str) -> str:
    """Return a new path in `directory` for the part of a target `name`."""
    return os.path.join(directory, f"{_prefix(directory, name)}{os.getpid()}-{time.time_ns():x}.part")


def _prefix(directory: str, name: str) -> str:
    """Return the start of the names of parts. File systems limit bytes; the name is cut between characters."""
    longest = LONGEST
    with contextlib.suppress(OSError, ValueError):
        longest = max(1, min(longest, os.pathconf(directory, "PC_NAME_MAX") - ROOM))
    while len(os.fsencode(name)) > longest:
        name = name[:-1]
    return f".{name}-"


def open_part(path: str, mode: int) -> int:
    """Create the part `path`, lock it, and return its descriptor. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
        lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            own_parts.add(path)
            return descriptor
        os.close(descriptor)  # removed as a leftover before it was locked


def open_nameless(directory: str, mode: int) -> int | None:
    """Return the descriptor of a part without a name, which a killed process does not leave behind, or None."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR, mode)
    except OSError:  # unsupported by the file system
        return None
    lock(descriptor)
    return descriptor


def remove_part(path: str) -> None:
    """Remove a part. Errors are ignored."""
    with contextlib.suppress(OSError):  # it was renamed just before a signal
        os.unlink(path)
    own_parts.discard(path)


def lock(descriptor: int) -> None:
    """Mark a part as in use. A file system without locks is ignored: no leftovers are removed there either.

    The lock belongs to the process: SQLite's locks in this process do not conflict with it, and replace it.
    """
    with contextlib.suppress(OSError):
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_leftovers(target: str) -> None:
    """Remove all parts beside `target` whose writers have died: outputs may have another name each night."""
    directory, name = os.path.split(target)
    aside = re.compile(re.escape(_prefix(directory, name)) + NUMBERS + re.escape(OLD))
    # The directory may be writable, but not readable.
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            is_old = aside.fullmatch(entry.name) and os.path.lexists(target)
            if (is_old or PART.fullmatch(entry.name)) and entry.path not in own_parts:
                _remove_if_dead(entry.path)


def _remove_if_dead(path: str) -> None:
    with contextlib.suppress(OSError):
        with _opened(path) as descriptor:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)  # after closing: some file systems rename an open file instead


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

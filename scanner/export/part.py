"""The temporary file that an output is written to: beside its target, without a name where the system can do that.

`.NAME-PID-TIME.part` is locked while its writer lives, by the kind of lock that SQLite uses, too: on network file
systems `flock` would conflict with that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator

LONGEST = 200  # bytes of the target's name in that of its part
ROOM = 48  # bytes of a name beside these
OLD = ".old"  # ends the name of a file that was moved away for a part, and is the only one for a moment
NUMBERS = r"[0-9]+-[0-9a-f]{16}\.part"
PART = re.compile(rf"\..+-{NUMBERS}", re.DOTALL)
own_parts: set[str] = set()
"""The parts of this process that have a name: a scan must not show them."""


def part_path(directory: str, name: str) -> str:
    """A new path in `directory` for the part of a target `name`."""
    return os.path.join(directory, f"{_prefix(directory, name)}{os.getpid()}-{time.time_ns():x}.part")


def _prefix(directory: str, name: str) -> str:
    """What names of parts begin with. Cut between characters: file systems count bytes."""
    longest = LONGEST
    with contextlib.suppress(OSError, ValueError):
        longest = max(1, min(longest, os.pathconf(directory, "PC_NAME_MAX") - ROOM))
    while len(os.fsencode(name)) > longest:
        name = name[:-1]
    return f".{name}-"


def open_part(path: str, mode: int) -> int:
    """Create the part `path`, and lock it. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
        lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            own_parts.add(path)
            return descriptor
        os.close(descriptor)  # taken for a leftover before it was locked


def open_nameless(directory: str, mode: int) -> int | None:
    """A part without a name, which nobody sees and which no killed process leaves; None where that cannot be."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR, mode)
    except OSError:  # not on every file system
        return None
    lock(descriptor)
    return descriptor


def remove_part(path: str) -> None:
    """Remove a part, if it is there and may be removed."""
    with contextlib.suppress(OSError):  # a signal came right after it was renamed
        os.unlink(path)
    own_parts.discard(path)


def lock(descriptor: int) -> None:
    """Mark a part as alive. Where there are no locks, nothing is taken for a leftover either.

    The lock is the process's: SQLite's locks in this process do not conflict with it, and replace it.
    """
    with contextlib.suppress(OSError):
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_leftovers(target: str) -> None:
    """Remove the parts beside `target` whose writers have died: outputs may have another name each night."""
    directory, name = os.path.split(target)
    aside = re.compile(re.escape(_prefix(directory, name)) + NUMBERS + re.escape(OLD))
    # A directory may be writable, but not readable.
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            is_old = aside.fullmatch(entry.name) and os.path.lexists(target)
            if (is_old or PART.fullmatch(entry.name)) and entry.path not in own_parts:
                _remove_if_dead(entry.path)


def _remove_if_dead(path: str) -> None:
    with contextlib.suppress(OSError):
        with _opened(path) as descriptor:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)  # closed: some file systems rename an open file instead


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

"""The option `changed`: which directories to read, from a list of the paths that changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from scanner.errors import OptionError
from scanner.kernel.rows import Key
from scanner.model import Path, is_below, prefix_of


def changed_keys(changed: Any, roots: Sequence[Path]) -> frozenset[Key]:
    """Return the directories to read: the paths that changed, absolute or relative to each root, and all
    directories above them. Raises OptionError for a file that is unreadable.
    """
    found: set[Key] = set()
    tops = [os.path.abspath(os.fsencode(root)) for root in roots]
    for path in changed_paths(changed):
        for number, top in enumerate(tops):
            absolute = os.path.normpath(os.path.join(top, path))
            if is_below(absolute, top):
                key = absolute[len(prefix_of(top)) :]
                found |= {(number, key[:end]) for end in ends_of(key)}
    return frozenset(found)


def ends_of(key: bytes) -> list[int]:
    """Return where a path and each directory above it end: a list of files does not name new directories."""
    return [0, *(at for at, byte in enumerate(key) if byte == ord("/")), len(key)]


def changed_paths(changed: Any) -> list[bytes]:
    """Return the paths in a file, separated by NULs if it has any, otherwise by line breaks; `-` is stdin."""
    if not isinstance(changed, (str, bytes, os.PathLike)):
        return [os.fsencode(path) for path in changed]
    try:
        with open(0 if changed == "-" else changed, "rb", closefd=changed != "-") as file:
            content = file.read()
    except OSError as error:
        raise OptionError(f"changed: {changed!r} is unreadable: {error.strerror}") from error
    return [path for path in content.split(b"\0" if b"\0" in content else b"\n") if path]

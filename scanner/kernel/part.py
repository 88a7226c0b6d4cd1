"""What reading a directory, or a part of a huge one, gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from scanner.model import Fault

Part: TypeAlias = tuple[list[Any], list[Any], Any, int, list[Fault], bool, int]
"""Directory names, those of them that are marked links, all other names (packed) and how many they are, faults, whether
there is more to read, and how many entries were. When there is no (whole) listing, the last fault says why."""


def no_listing(fault: Fault) -> Part:
    """What comes of a directory that cannot be listed at all."""
    return [], [], [], 0, [fault], False, 0


class Stated(NamedTuple):
    """In the place of the names of files, where it was asked what entries are (see `status`).

    `files`: their names, joined; `rows`: of the directory itself and of these; `links`: rows of the directories in it
    that are not entered; `left_out`: names that are not shown, for who tells these as well.
    """

    files: Any
    rows: bytes
    links: bytes = b""
    left_out: Sequence[Any] = ()

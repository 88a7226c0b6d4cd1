"""What reading a directory, or a part of a huge one, gives."""

from __future__ import annotations

from typing import Any, TypeAlias

from scanner.model import Fault

Part: TypeAlias = tuple[list[Any], list[Any], Any, int, list[Fault], bool, int]
"""Directory names, those of them that are marked links, all other names (packed) and how many they are, faults, whether
there is more to read, and how many entries were. When there is no (whole) listing, the last fault says why."""


def no_listing(fault: Fault) -> Part:
    """What comes of a directory that cannot be listed at all."""
    return [], [], [], 0, [fault], False, 0

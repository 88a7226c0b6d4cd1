"""Several ROOTs, where each directory must count once."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from scanner.errors import OptionError
from scanner.model import Path


def refuse_shared_directories(roots: Sequence[str]) -> None:
    """Raise OptionError if one ROOT is, or lies below, another: sums would have it twice."""
    places = [(os.path.realpath(root), root) for root in roots]
    for number, (place, root) in enumerate(places):
        for other_place, other in places[:number]:
            if _below(place, other_place) or _below(other_place, place):
                raise OptionError(f"sizes would count twice what ROOTs {other!r} and {root!r} share: give one of them")


def distinct(paths: Sequence[str], *, follow: bool) -> tuple[list[str], dict[Path, os.stat_result]]:
    """Without directories that are, or lie below, one that comes before: they are counted there. And what those are
    that are no directories: these are not scanned.
    """
    named: list[str] = []
    files: dict[Path, os.stat_result] = {}
    places: list[str] = []
    for path in dict.fromkeys(paths):
        try:
            status = os.stat(path) if follow else os.lstat(path)
        except (OSError, ValueError):  # the scan will say so
            named.append(path)
            continue
        if stat.S_ISDIR(status.st_mode):
            place = os.path.realpath(path)
            if any(_below(place, other) for other in places):
                continue
            places.append(place)
        else:
            files[path] = status
        named.append(path)
    return named, files


def counted_before(roots: Sequence[str]) -> tuple[str, ...]:
    """Roots below one that comes later, as that spells them: there they are not entered, for they are counted."""
    places = [os.path.realpath(root) for root in roots]
    return tuple(
        os.path.join(root, os.path.relpath(places[earlier], places[later]))
        for later, root in enumerate(roots)
        for earlier in range(later)
        if _below(places[earlier], places[later])
    )


def _below(place: str, other: str) -> bool:
    return os.path.commonpath([place, other]) == other

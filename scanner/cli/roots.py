"""Several ROOTs, where each directory must count once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from scanner.errors import OptionError
from scanner.model import Path, is_below
from scanner.mounts import barred
from scanner.options import ScanOptions


def refuse_shared_directories(roots: Sequence[str]) -> None:
    """Raise OptionError if one ROOT is, or lies below, another: sums would have it twice."""
    places = [(os.path.realpath(root), root) for root in roots]
    for number, (place, root) in enumerate(places):
        for other_place, other in places[:number]:
            if is_below(place, other_place) or is_below(other_place, place) or _is_same(place, other_place):
                raise OptionError(f"sizes would count twice what ROOTs {other!r} and {root!r} share: give one of them")


def _is_same(one: str, two: str) -> bool:
    """Return whether both are one directory, which is mounted twice."""
    try:
        return os.path.samefile(one, two)
    except (OSError, ValueError):  # the scan reports it
        return False


def distinct(paths: Sequence[str], options: ScanOptions) -> tuple[list[str], dict[Path, os.stat_result]]:
    """Return the paths without directories that are, or are entered from, one that comes before; and the status of each
    path that is no directory: these are not scanned.
    """
    named: list[str] = []
    files: dict[Path, os.stat_result] = {}
    places: list[tuple[str, str]] = []
    for path in dict.fromkeys(paths):
        status = _status(path, options)
        if status is not None and stat.S_ISDIR(status.st_mode):
            place = os.path.realpath(path)
            if any(is_below(place, other) and _enters(root, other, place, options) for root, other in places):
                continue
            places.append((path, place))
        elif status is not None:
            files[path] = status
        named.append(path)
    return named, files


def each_time(
    paths: Sequence[str], options: ScanOptions
) -> tuple[list[str], dict[Path, os.stat_result], dict[str, str]]:
    """Return all paths, the status of each that is no directory, and those that are spelled in another way: as given.

    A directory counts each time it is given. So that the scan can tell it from the same one below another path, it is
    spelled in another way.
    """
    named: list[str] = []
    files: dict[Path, os.stat_result] = {}
    given: dict[str, str] = {}
    for path in paths:
        status = _status(path, options)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            files[path] = status
            named.append(path)
            continue
        used = [root for root in named if root not in files]
        spelled = next((each for each in _spellings(path, len(used)) if not _is_nested(each, used)), None)
        if spelled is not None:
            given[spelled] = path
            named.append(spelled)
    return named, files, given


def _spellings(path: str, count: int) -> Iterator[str]:
    """Yield `path` and other ways to write it, so many of each kind."""
    yield path
    for way in (path, os.path.abspath(path), os.path.relpath(path)):
        head, here = ("/", "./") if os.path.isabs(way) else ("", "./")
        for number in range(count + 1):
            yield head + here * (number + 1) + way.removeprefix("/")


def _is_nested(path: str, others: Sequence[str]) -> bool:
    return any(is_below(path, other) or is_below(other, path) for other in others)


def _status(path: str, options: ScanOptions) -> os.stat_result | None:
    """Return what the path is; None if that is unknown: the scan reports it."""
    try:
        return os.stat(path) if options.followlinks else os.lstat(path)
    except (OSError, ValueError):
        return None


def _enters(root: str, top: str, place: str, options: ScanOptions) -> bool:
    """Return whether a scan of `root`, which is at `top`, enters `place` below it: no mount point is in the way."""
    names = os.path.relpath(place, top).split(os.sep)
    ways = [os.path.join(root, *names[:count]) for count in range(1, len(names) + 1)]
    shut = barred([root], kinds=options.skip_fs, one_file_system=options.one_file_system, one_mount=options.one_mount)
    if not set(shut).isdisjoint(ways):
        return False
    if not options.one_file_system:
        return True
    try:
        return len({os.stat(way).st_dev for way in [root, *ways]}) == 1
    except OSError:  # gone a moment ago: the scan reports it
        return False


def counted_before(roots: Sequence[str]) -> tuple[str, ...]:
    """Return the roots below one that comes later, as that spells them: not entered there, as they have counted."""
    places = [os.path.realpath(root) for root in roots]
    return tuple(
        os.path.join(root, os.path.relpath(places[earlier], places[later]))
        for later, root in enumerate(roots)
        for earlier in range(later)
        if is_below(places[earlier], places[later])
    )

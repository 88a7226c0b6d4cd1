"""Roots that share directories: which of them count, and how often."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from scanner.model import Path, is_below
from scanner.mounts import barred
from scanner.options import ScanOptions


def distinct(
    paths: Sequence[str], options: ScanOptions, *, follow: bool
) -> tuple[list[str], dict[Path, os.stat_result]]:
    """Drop directories that the scan of an earlier path includes. Return the other paths, and the status of those that
    are files, which are not scanned.
    """
    named: list[str] = []
    files: dict[Path, os.stat_result] = {}
    places: list[tuple[str, str]] = []
    for path in dict.fromkeys(paths):
        status = _status(path, follow=follow)
        if status is not None and stat.S_ISDIR(status.st_mode):
            place = os.path.realpath(path)
            if any(is_below(place, other) and _enters(root, other, place, options) for root, other in places):
                continue
            places.append((path, place))
        elif status is not None:
            files[path] = status
        named.append(path)
    return named, files


def each_time(paths: Sequence[str], *, follow: bool) -> tuple[list[str], dict[Path, os.stat_result], dict[str, str]]:
    """Return all paths, the status of those that are files, and the given spelling for each changed one.

    A directory counts each time it is given. A repeated one is spelled differently, so that the scan distinguishes it
    from the same directory below another path.
    """
    named: list[str] = []
    files: dict[Path, os.stat_result] = {}
    given: dict[str, str] = {}
    for path in paths:
        status = _status(path, follow=follow)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            files[path] = status
            named.append(path)
            continue
        used = [root for root in named if root not in files]
        spelled = next((each for each in _spellings(path, len(used)) if not _is_nested(each, used)), None)
        if spelled is not None:
            if spelled != path:
                given[spelled] = path
            named.append(spelled)
    return named, files, given


def _spellings(path: str, count: int) -> Iterator[str]:
    """Yield `path`, then `count` + 1 other ways to write it as given, as absolute and as relative path."""
    yield path
    for way in (path, os.path.abspath(path), os.path.relpath(path)):
        head, here = ("/", "./") if os.path.isabs(way) else ("", "./")
        for number in range(count + 1):
            yield head + here * (number + 1) + way.removeprefix("/")


def _is_nested(path: str, others: Sequence[str]) -> bool:
    return any(is_below(path, other) or is_below(other, path) for other in others)


def _status(path: str, *, follow: bool) -> os.stat_result | None:
    """Return the status of `path`; None if it is unreadable, which the scan reports."""
    try:
        return os.stat(path) if follow else os.lstat(path)
    except (OSError, ValueError):
        return None


def _enters(root: str, top: str, place: str, options: ScanOptions) -> bool:
    """Return whether a scan of `root`, whose real path is `top`, enters `place`: no skipped mount lies in between."""
    names = os.path.relpath(place, top).split(os.sep)
    ways = [os.path.join(root, *names[:count]) for count in range(1, len(names) + 1)]
    shut = barred([root], kinds=options.skip_fs, one_file_system=options.one_file_system, one_mount=options.one_mount)
    if not set(shut).isdisjoint(ways):
        return False
    if not options.one_file_system:
        return True
    try:
        return len({os.stat(way).st_dev for way in [root, *ways]}) == 1
    except OSError:  # removed meanwhile: the scan reports it
        return False


def counted_before(roots: Sequence[str]) -> tuple[str, ...]:
    """Return the roots that lie below a later root, as paths below it: the scan of the later root must skip them."""
    places = [os.path.realpath(root) for root in roots]
    return tuple(
        os.path.join(root, os.path.relpath(places[earlier], places[later]))
        for later, root in enumerate(roots)
        for earlier in range(later)
        if is_below(places[earlier], places[later])
    )

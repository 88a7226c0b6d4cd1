"""Check expectations about ROOTs, and count directories once where one ROOT lies in another."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator, Sequence

from scanner.errors import OptionError
from scanner.model import UNEXPECTED, Fault, Path, is_below
from scanner.mounts import barred, filesystem_type
from scanner.options import ScanOptions
from scanner.stats import ScanStats


class Expectations:
    """Checks --expect-fs and --min-entries: an empty or unmounted ROOT is readable, but its inventory is wrong.

    File systems are looked up by the constructor, before the scan. Raises OptionError.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        if args.min_entries < 0:
            raise OptionError(f"--min-entries must be a whole number of 0 or more, not {args.min_entries}")
        self._roots = args.roots
        self._least = args.min_entries
        self._types = args.expect_fs
        self._found = [filesystem_type(root) for root in args.roots] if args.expect_fs else []

    def unmet(self, stats: ScanStats) -> Iterator[Fault]:
        """Yield a Fault for each expectation that a finished scan does not meet, on the ROOT that it concerns."""
        yield from self.wrong_filesystems()
        if not self._least:
            return
        if stats.entries < self._least:
            where = next(iter(self._roots), "the ROOTs")
            yield _unmet(where, f"{stats.entries:,} entries were found in all, fewer than {self._least:,}")
        elif len(self._roots) > 1:
            yield from (_unmet(root, "it is empty") for root in self._roots if _is_empty(root))

    def wrong_filesystems(self) -> Iterator[Fault]:
        """Yield a Fault for each ROOT on another file system than --expect-fs names."""
        for root, found in zip(self._roots, self._found, strict=False):  # _found is empty without --expect-fs
            if found not in self._types:
                message = f"its file system is {found}, not {' or '.join(self._types)}: is it mounted?"
                yield _unmet(root, message)


def _is_empty(root: str) -> bool:
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except OSError:  # the scan has reported it
        return False


def _unmet(root: str, message: str) -> Fault:
    return Fault(root, "expect", 0, message, UNEXPECTED)


def file_id(path: str) -> tuple[int, int] | None:
    """Return device and inode of the target of `path`; None if it is unreadable, which the scan reports."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def refuse_shared_directories(roots: Sequence[str]) -> None:
    """Raise OptionError if one ROOT is, or lies below, another: sums would include it twice."""
    places = [(os.path.realpath(root), file_id(root), root) for root in roots]
    for number, (place, file, root) in enumerate(places):
        for other_place, other_file, other in places[:number]:
            is_mounted_twice = file is not None and file == other_file
            if is_mounted_twice or is_below(place, other_place) or is_below(other_place, place):
                raise OptionError(f"sizes would count twice what is in ROOTs {other!r} and {root!r}: give one of them")


def distinct(paths: Sequence[str], options: ScanOptions) -> tuple[list[str], dict[Path, os.stat_result]]:
    """Drop directories that the scan of an earlier path includes. Return the other paths, and the status of those that
    are files, which are not scanned.
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
    """Return all paths, the status of those that are files, and the given spelling for each changed one.

    A directory counts each time it is given. A repeated one is spelled differently, so that the scan distinguishes it
    from the same directory below another path.
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
    """Yield `path`, then `count` + 1 other ways to write it as given, as absolute and as relative path."""
    yield path
    for way in (path, os.path.abspath(path), os.path.relpath(path)):
        head, here = ("/", "./") if os.path.isabs(way) else ("", "./")
        for number in range(count + 1):
            yield head + here * (number + 1) + way.removeprefix("/")


def _is_nested(path: str, others: Sequence[str]) -> bool:
    return any(is_below(path, other) or is_below(other, path) for other in others)


def _status(path: str, options: ScanOptions) -> os.stat_result | None:
    """Return the status of `path`; None if it is unreadable, which the scan reports."""
    try:
        return os.stat(path) if options.followlinks else os.lstat(path)
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

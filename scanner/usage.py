"""Roots of which disk usage is summed up: each directory counts once, or each time that it is given."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from scanner.errors import OptionError
from scanner.export.met import Key, key_of
from scanner.export.tree import NO_FILES, DistinctTree, Tree
from scanner.fields import Field
from scanner.model import Path, is_below
from scanner.mounts import are_shared, barred
from scanner.options import ProducerSpec, ScanOptions


class Counting(NamedTuple):
    """What counts.

    every_name   a file counts once for each of its names, and a root each time it is given
    dereference  roots that are symbolic links stand for their targets
    hashes_all   any directory may be met again: False for one root, unless links are followed
    """

    every_name: bool = False
    dereference: bool = False
    hashes_all: bool = False


class Places(NamedTuple):
    """The roots of a scan.

    named          all roots, without repetitions
    files          status of those that are files: nothing scans them
    given          the given spelling of roots that were spelled differently
    mounted_twice  whether a file system is mounted twice where the scan may meet both
    """

    named: list[str]
    files: Mapping[Path, os.stat_result]
    given: Mapping[str, str]
    counting: Counting
    mounted_twice: bool = False
    follows: bool = False

    @property
    def scanned(self) -> list[str]:
        """The roots that are no files."""
        return [root for root in self.named if root not in self.files]

    @property
    def known(self) -> tuple[Key, ...]:
        """Devices and inodes of the roots that are files."""
        return tuple(map(key_of, self.files.values()))

    @property
    def meets_twice(self) -> bool:
        """Whether a directory may be met twice, and counts once."""
        return not self.counting.every_name and (self.mounted_twice or self.follows)

    def tree(self, time: Field | None = None) -> Tree:
        """Return what sums up the records of the scan."""
        kind = DistinctTree if self.meets_twice else Tree
        return kind(self.named, self.files, every_name=self.counting.every_name, time=time)

    def sizes(self, depth: int | None = None, time: Field | None = None, file_levels: int = 0) -> ProducerSpec:
        """Return the producer of the records that `tree` takes. Arguments as of `DirectorySizes`."""
        depth = None if self.meets_twice else depth  # a directory that may be met twice needs its own record
        arguments = depth, self.counting.every_name, self.known, self.mounted_twice, time, file_levels, True
        return ProducerSpec("sizes", arguments)

    def summary(self, now: int) -> ProducerSpec:
        """Return the producer of sums by class. `now`: origin of ages, nanoseconds since 1970."""
        return ProducerSpec("summary", (now, 0, self.counting.every_name, self.known, self.meets_twice, True))


def places_of(roots: Sequence[str], options: ScanOptions, counting: Counting) -> tuple[Places, ScanOptions]:
    """Return the places of a scan of `roots`, and its options without directories that an earlier root has counted.

    Raises OptionError for a file if there is a store.
    """
    files: Mapping[Path, os.stat_result] = NO_FILES
    given: dict[str, str] = {}
    if options.known is not None:
        return Places(list(roots), files, given, counting, follows=options.followlinks), options
    follow = options.followlinks or counting.dereference
    if counting.every_name:
        named, files, given = each_time(roots, follow=follow)
    else:
        named, files = distinct(roots, options, follow=follow)
    if files and options.store:
        raise OptionError(f"--store: {os.fsdecode(next(iter(files)))!r} is no directory: a store is of directories")
    places = Places(named, files, given, counting, follows=options.followlinks)
    if counting.every_name:
        return places, options
    twice = counting.hashes_all and are_shared(places.scanned)  # GNU du: not with one ROOT
    return places._replace(mounted_twice=twice), options._replace(barred=counted_before(places.scanned))


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

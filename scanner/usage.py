"""Disk usage: what a scan of several roots counts, and the function `du`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, AnyStr, Literal, NamedTuple

from scanner.errors import OptionError
from scanner.export.formats import SIZES_FIELDS
from scanner.export.tree import NO_FILES, DistinctTree, Total, Tree
from scanner.fields import Field
from scanner.kernel.met import Key, key_of
from scanner.kernel.producers.base import depth_below
from scanner.model import Path, is_below, prefix_of
from scanner.mounts import are_shared
from scanner.options import ProducerSpec, ScanOptions
from scanner.plan.merge import OnError
from scanner.roots import counted_before, distinct, each_time
from scanner.run import Run, notify, refuse_nul
from scanner.signature import takes_options

TimeName = Literal["mtime", "atime", "ctime"]
TIMES: dict[TimeName, Field] = {"mtime": "mtime_ns", "atime": "atime_ns", "ctime": "ctime_ns"}
EVERY_LEVEL = 1 << 62


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
    given          the given spelling of roots that are spelled differently here
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

    def levels(self, path: str) -> int:
        """Return how many levels a path lies below its root."""
        return depth_below(path, max((root for root in self.named if is_below(path, root)), key=len))

    def as_given(self, path: str) -> str:
        """Return a path below its root as the caller spelled it."""
        top = next((spelled for spelled in self.given if is_below(path, spelled)), None) if self.given else None
        if top is None:
            return path
        inner = path[len(prefix_of(top)) :]
        return prefix_of(self.given[top]) + inner if inner else self.given[top]

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


@takes_options("stat", detect_loops=True, partial_listings=True)
def du(
    tops: AnyStr | os.PathLike[AnyStr] | Sequence[AnyStr | os.PathLike[AnyStr]],
    *,
    depth: int | None = None,
    files: bool = False,
    count_links: bool = False,
    dereference: bool = False,
    time: TimeName | None = None,
    onerror: OnError = None,
    options: ScanOptions | None = None,
    **keywords: Any,
) -> Iterator[Total[AnyStr]]:
    """Yield the disk usage of each directory, lazily, in the order of `scanner du`: subdirectories first.

        tops: One or several directories or files, str, bytes or path-like.
        depth: Levels below each of them to yield; deeper ones count. Default: None (all).
        files: Whether to yield files as well. Default: False.
        count_links: Count a file once for each of its names. Default: False.
        dereference: Follow symbolic links among `tops`. Default: False.
        time: Time whose latest value each Total has, "mtime", "atime" or "ctime". Default: None.
        onerror: Function that gets an OSError for each unreadable directory and entry. Default: these are ignored.
        options: A ScanOptions, which the keywords override.
        detect_loops: With `followlinks`, skip links to a directory above them. Default: True.
        partial_listings: Keep names that were read before a listing failed. Default: True.

    A file with several names counts once, for the first in walk order. So does a directory that several roots share.
    The sums of the roots add up to the total.

    Raises OptionError (a ValueError), ScanTimeout (a TimeoutError), exceptions of `onerror`, and without it
    PruneError.
    """
    several: Any = [tops] if isinstance(tops, str | bytes | os.PathLike) else tops
    given = [os.fspath(root) for root in several]
    if len(set(map(type, given))) > 1:
        raise TypeError("tops must be all str or all bytes")
    if time not in (None, *TIMES):
        raise OptionError(f"time must be one of {', '.join(TIMES)}, or None, not {time!r}")
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 0):
        raise OptionError(f"depth must be a whole number of 0 or more, or None, not {depth!r}")
    chosen = ScanOptions.of(keywords, options, detect_loops=True, partial_listings=True)
    if chosen.stat:
        raise OptionError("stat is for scan and entries: du fetches what it needs")
    counting = Counting(count_links, dereference, hashes_all=len(given) > 1)
    return _du(given, chosen, counting, depth, None if time is None else TIMES[time], onerror, with_files=files)


def _du(
    given: Sequence[Path], options: ScanOptions, counting: Counting, depth: int | None, time: Field | None,
    onerror: OnError, *, with_files: bool,
) -> Iterator[Total[Any]]:  # fmt: skip
    for root in given:
        refuse_nul(root)
    places, options = places_of([os.fsdecode(root) for root in given], options, counting)
    levels = 0 if not with_files else EVERY_LEVEL if depth is None else depth
    fields = (*SIZES_FIELDS, *([time] if time is not None else []))
    options = options._replace(producers=(places.sizes(depth, time, levels),), stat=fields)
    spelled = os.fsencode if given and isinstance(given[0], bytes) else os.fsdecode
    with Run(list(places.scanned), options, monitored=False) as run:
        for total in _totals(run, places.tree(time), onerror):
            if depth is None or places.levels(total.path) <= depth:
                yield total._replace(path=spelled(places.as_given(total.path)))


def _totals(run: Run, tree: Tree, onerror: OnError) -> Iterator[Total[Any]]:
    for chunk in run.chunks():
        for fault in chunk.faults:
            notify(fault, onerror)
        yield from tree.add(chunk.output)
    yield from tree.finish()

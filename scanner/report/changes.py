"""Sums of the changes between two snapshots: in all, and by directory, owner, group, suffix or age."""

from __future__ import annotations

import os
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from scanner.kernel.producers.summary import AGES, FUTURE, suffix_of
from scanner.model import is_below, prefix_of
from scanner.owners import group_of, owner_of
from scanner.report.classes import days_of
from scanner.report.tables import age_label

if TYPE_CHECKING:
    from scanner.snapshot.diff import Change

BY = "directory", "owner", "group", "suffix", "age"
SORTS = "growth", "count", "name"
UNKNOWN = "unknown"
COUNTED = {"+": "added", "-": "removed", "M": "changed", "U": "changed", "T": "changed", "R": "moved"}


class Sums:
    """Numbers of changes, and bytes that came and went, of all or of some entries.

    Bytes count each name of a file. What was moved from one group to another is `removed_bytes` of one, `added_bytes`
    of the other, and neither in the total. A directory that was moved counts once, without what is below it.
    """

    __slots__ = ("added", "added_bytes", "changed", "moved", "removed", "removed_bytes")

    def __init__(self) -> None:
        self.added = self.removed = self.changed = self.moved = self.added_bytes = self.removed_bytes = 0

    def add_bytes(self, growth: int) -> None:
        if growth > 0:
            self.added_bytes += growth
        else:
            self.removed_bytes -= growth

    def add_change(self, kind: str) -> None:
        name = COUNTED[kind]
        setattr(self, name, getattr(self, name) + 1)

    def add(self, other: Sums) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def growth(self) -> int:
        return self.added_bytes - self.removed_bytes

    @property
    def count(self) -> int:
        return self.added + self.removed + self.changed + self.moved

    def as_dict(self, *, has_sizes: bool) -> dict[str, int | None]:
        sizes = {"added_bytes": self.added_bytes, "removed_bytes": self.removed_bytes, "growth": self.growth}
        counts = {"added": self.added, "removed": self.removed, "changed": self.changed, "moved": self.moved}
        return {**counts, **{name: size if has_sizes else None for name, size in sizes.items()}}


class Share(NamedTuple):
    """What a change adds to a group. `counts`: whether the change itself is counted there."""

    key: str
    growth: int
    counts: bool


Grouping = Callable[["Change"], Iterable[Share]]


class Summary:
    """The sums of all changes that are added. `has_sizes`: whether bytes are known of any."""

    def __init__(self) -> None:
        self.total = Sums()
        self.has_sizes = False

    def add(self, change: Change) -> None:
        self.total.add_change(change.kind)
        growth = change.growth
        if growth is not None:
            self.has_sizes = True
            self.total.add_bytes(growth)


class Groups:
    """The sums of each group of the changes that are added."""

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._groups: dict[str, Sums] = {}

    def add(self, change: Change) -> None:
        for key, share, counts in self._grouping(change):
            sums = self._groups.get(key)
            if sums is None:
                sums = self._groups[key] = Sums()
            sums.add_bytes(share)
            if counts:
                sums.add_change(change.kind)

    def by_name(self) -> list[tuple[str, Sums]]:
        return sorted(self._groups.items())

    def largest(self, sort: str, most: int | None) -> list[tuple[str, Sums]]:
        """Return some groups: those with the most `growth`, in either direction, or `count`, or all by `name`."""
        found = self.by_name()
        if sort == "growth":
            found.sort(key=lambda item: (-abs(item[1].growth), -item[1].count, item[0]))
        elif sort == "count":
            found.sort(key=lambda item: (-item[1].count, item[0]))
        return found[:most]


def grouping_by(name: str, roots: Iterable[str], *, depth: int, now_ns: int) -> Grouping:
    """Return the groups of a change. `depth`: levels of directories; `now_ns`: time of the later snapshot."""
    if name == "directory":
        return Directories(roots, depth).shares
    of: dict[str, Callable[[Change], tuple[str, str]]] = {
        "owner": lambda change: (user(change.uid_before), user(change.uid_after)),
        "group": lambda change: (group(change.gid_before), group(change.gid_after)),
        "suffix": lambda change: (suffix(change.source or change.path), suffix(change.path)),
        "age": lambda change: (age(change.mtime_ns_before, now_ns), age(change.mtime_ns_after, now_ns)),
    }
    pair = of[name]

    def shares(change: Change) -> Iterator[Share]:
        before, after = pair(change)
        return shared(change, before, after)

    return shares


def shared(change: Change, before: str, after: str) -> Iterator[Share]:
    """Yield the shares of the groups of an entry before and after: they add up to its growth."""
    if before == after or change.kind in "+-":
        yield Share(before if change.kind == "-" else after, change.growth or 0, counts=True)
    else:
        yield Share(before, -(change.size_before or 0), counts=False)
        yield Share(after, change.size_after or 0, counts=True)


class Directories:
    """Groups by directory, `depth` levels below each root."""

    def __init__(self, roots: Iterable[str], depth: int) -> None:
        self._roots = sorted(roots, key=len, reverse=True)
        self._depth = depth
        self._last = "", ""
        """The directory of the last change, and its group: changes come in the order of their paths."""

    def shares(self, change: Change) -> Iterator[Share]:
        after = self._group(change.path)
        return shared(change, after if change.source is None else self._group(change.source), after)

    def _group(self, path: str) -> str:
        directory = path.rpartition("/")[0]
        if directory != self._last[0] or not directory:
            self._last = directory, self._group_of(path)
        return self._last[1]

    def _group_of(self, path: str) -> str:
        for root in self._roots:
            if is_below(path, root):
                top = prefix_of(root)
                names = path[len(top) :].split("/")[:-1][: self._depth]
                return top + "/".join(names) if names else root
        return os.path.dirname(path)


@cache
def user(uid: int | None) -> str:
    return UNKNOWN if uid is None else owner_of(uid)


@cache
def group(gid: int | None) -> str:
    return UNKNOWN if gid is None else group_of(gid)


def suffix(path: str) -> str:
    return suffix_of(os.path.basename(path)) or "none"


def age(mtime_ns: int | None, now_ns: int) -> str:
    """Return the class of the age of a file, as in a report about sizes."""
    if mtime_ns is None:
        return UNKNOWN
    return age_label(days_of(FUTURE if mtime_ns > now_ns else bisect(AGES, now_ns - mtime_ns)))

"""Many directories in one call, by the compiled walker: what most of a tree on a local disk is walked with.

It takes no notice of mounts that are not entered, depths and links that are followed: where there are such things, and
where directories are out of the ordinary, they are read one at a time (`read`). So they are where a name has what some
rule of a filter asks for, which most have not, and where the entries of slow directories have to be asked about.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from scanner.fields import COLUMNS, columns_of
from scanner.kernel.descent import Descent
from scanner.kernel.rows import OneDevice
from scanner.kernel.which import LINK_RULES, compiled_walk, link_rule
from scanner.model import Path, split
from scanner.options import ScanOptions, SinkSpec

if TYPE_CHECKING:
    from scanner.filters.filter import Filter
    from scanner.filters.spec import Spec


MOST_TAKEN = 64  # directories to take from a stack: few are seldom enough, of many most are given back
ALL = MOST_TAKEN, b"", b"", b"", 0
LINES_OF = ("paths", "text", "table")
"""Sinks that take a run as lines: in these a directory that is not shown has none."""
FEW, MOST_PATIENCE = 4, 255  # directories: fewer in a run are not worth it; for how many it is not tried again then


News = int | bytearray
"""Where it shows that somebody may want the rest of a Task: a descriptor with something to read, or a byte that is not
0; -1: nowhere."""


class Place(Protocol):
    """Where a worker says which directory it reads."""

    @property
    def view(self) -> memoryview: ...
    def at(self, path: Any) -> None: ...


class Run(NamedTuple):
    """Directories that follow one another in walk order, all of them read without trouble.

    `trouble`: the next one has to be read by itself. `error`: why it could not be opened; below zero, why its listing
    broke off; `lost`: the seconds spent on it. `slow`: seconds and path of each that took long; `opening`: seconds
    spent on opening, in all.
    `files`: entries that are no directories; `text`: characters of paths. `names`: as `Chunk.listings`, or lines in the
    place of files. `counts`: of files and of links in each directory; `rows`: columns, each with a value for each
    directory, its files, its links.
    """

    trouble: bool
    error: int
    lost: float
    slow: list[tuple[float, Path]]
    opening: float
    directories: int
    entries: int
    files: int
    text: int
    names: tuple[Any, Any, Any, Any]
    counts: bytes
    rows: bytes

    @property
    def paths(self) -> list[Any]:
        joined = self.names[0]
        paths: list[Any] = joined.split("\0" if isinstance(joined, str) else b"\0")
        return paths

    def apart(self, width: int) -> Iterator[tuple[Any, Any, Any, Any, bytes, bytes]]:
        """Each directory: path, directories, links, files, rows of itself and its files, rows of links."""
        numbers = iter(memoryview(self.counts).cast("i").tolist()) if width else repeat(0)
        size, start = len(self.rows) // (width or 1), 0

        def rows(count: int) -> bytes:
            nonlocal start
            first, start = start, start + 8 * count
            return b"".join(
                [self.rows[column + first : column + start] for column in range(0, width * size, size or 1)]
            )

        for listing, files, links in zip(split(self.names), numbers, numbers, strict=False):
            yield *listing, rows(1 + files), rows(links)


class Runs:
    """Walks for one Walker."""

    def __init__(
        self, options: ScanOptions, descent: Descent, place: Place | None, *, slow: float, longest: int,
        filters: Filter | None,
    ) -> None:  # fmt: skip
        """`slow`: seconds for a directory that are worth telling; `longest`: characters of a path, beyond which it must
        be looked how deep it lies.
        """
        columns = bytes(COLUMNS.index(name) for name in columns_of(options.fields))
        as_bytes = any(isinstance(root, bytes) for root in options.roots)
        self._walk: Any = compiled_walk(options)
        self._descent = descent
        self._rule = LINK_RULES.index(link_rule(options))
        self._one_file_system = options.one_file_system
        self._one_device = OneDevice(options)
        self._columns = columns
        self._always = None if place is None else place.view, as_bytes
        self._slow, self._longest = slow, longest
        self._filter = filters
        self._last: tuple[Any, ...] | None = None
        self._patience = self._penalty = 0

    def walk(
        self, stack: list[Any], limit: int, form: int, separator: bytes, budget: tuple[float, ...], news: News, *,
        near: bool,
    ) -> Run | None:  # fmt: skip
        """What `stack` ends with, as far as it lies below the same root; None if that cannot be.

        `limit`: of entries in a directory; `budget`: entries, directories, characters of paths, seconds; `news`: what
        ends it early; `near`: looking up names takes long, so what is open on the way to what comes next stays open,
        and several that lie in the same directory are opened from there.
        """
        wanted = ALL if self._filter is None else self._interesting(stack[-1])
        if wanted is None:
            return None
        try:
            device = self._descent.device(stack[-1]) if self._one_file_system else -1
            way = self._descent.lend(stack[-1])
        except (OSError, ValueError):
            return None  # the reader of single directories reports it
        if not way:
            return None
        told = self._lent(
            way, self._longest, limit, self._rule, self._columns, device, self._descent.most_open, *self._always,
            near, form, separator, self._slow, *wanted, stack, *budget, news,
        )  # fmt: skip
        run = Run(*told)
        return run._replace(rows=self._one_device.only(device, run.rows)) if self._one_device.wanted else run

    def _lent(self, way: list[tuple[Any, int]], *arguments: Any) -> tuple[Any, ...]:
        """Walk, and keep what was left open of what the Descent has lent; close it if a signal comes as soon as that is
        over.
        """
        try:
            told: tuple[Any, ...] = self._walk(way, *arguments)
            while len(way) > 1:
                self._descent.keep(*way.pop(1))
        except BaseException:
            while len(way) > 1:
                os.close(way.pop(1)[1])
            raise
        return told

    def _interesting(self, path: Path) -> tuple[int, bytes, bytes, bytes, int] | None:
        """How many directories to take from the stack, which names the Filter has to look at, and which types it does
        not show. None if it has to look at all, or if so many directories had some that it does not pay: what was read
        is read again for it.
        """
        assert self._filter is not None
        if self._patience < 0:
            self._patience += 1
            return None
        found = self._filter.suspects(path)
        if found is None:
            return None
        suspects, alone = found
        if self._last is None or self._last[0] is not suspects:
            words = (suspects.names, suspects.endings, suspects.beginnings)
            self._last = suspects, *("\0".join(some).encode("latin-1") for some in words)
        names, endings, beginnings = self._last[1:]
        return 1 if alone else MOST_TAKEN, names, endings, beginnings, self._filter.selection.unwanted or 0

    def learn(self, run: Run) -> None:
        """How far it came."""
        if self._filter is None or not run.trouble or run.directories >= FEW:
            self._penalty = 0
        else:
            self._penalty = min(2 * self._penalty + 1, MOST_PATIENCE)
            self._patience = -self._penalty


def may_run(options: ScanOptions) -> bool:
    """Whether directories need not be read one at a time."""
    special = compiled_walk(options) is None or options.barred or options.max_depth is not None or options.followlinks
    # Of a name that no encoding gives, its own encoding says something else.
    special = special or any(os.fsdecode(os.fsencode(root)) != os.fsdecode(root) for root in options.roots)
    return not special and (options.filter is None or _may_sift(options.filter, options.sinks))


def runs_unlocked(options: ScanOptions) -> bool:
    """Whether nearly all of a walk is done without the interpreter lock, so that threads do not wait for each other."""
    return options.filter is None and may_run(options)


def _may_sift(spec: Spec, sinks: tuple[SinkSpec, ...] | None) -> bool:
    """Whether what is shown can be told there."""
    kinds = [sink.kind for sink in sinks or ()]
    hides_directories = bool(spec.types) and "d" not in spec.types
    return "ncdu" not in kinds and (not hides_directories or not kinds or (len(kinds) == 1 and kinds[0] in LINES_OF))

"""Runs: many directories in one call of the compiled walker, which reads most of a tree on a local disk.

A run ends before an unusual directory, which `read` reads instead: unreadable or huge directories, directories with a
name that a rule of the filter may match or with a mount that must not be entered, and, on slow file systems,
directories whose entries need `stat`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from scanner.kernel.descent import Descent
from scanner.kernel.native import NO_LIMIT, RunRequest, WalkedRun
from scanner.kernel.pack import DeviceColumn
from scanner.model import Path
from scanner.options import ScanOptions

if TYPE_CHECKING:
    from scanner.filters.filter import Filter
    from scanner.kernel.facts import ScanFacts
    from scanner.kernel.known import Known

MOST_TAKEN = 64  # directories to take from a stack: most stacks are shorter, and a run seldom needs more
NO_SUSPECTS = MOST_TAKEN, b"", b"", b""  # as `Runs._suspects` returns them
EVERYTHING = 0, False, b"", b"", False  # as `Selection.compared` returns it
SHORTEST_PAYING_RUN = 4  # directories: after a shorter run the next ones are read singly
MOST_PATIENCE = 255  # directories to read singly before the next attempt

News = int | bytearray
"""How another slot shows that it wants work: a descriptor becomes readable, or the byte is not 0. -1: never."""


class SharedPlace(Protocol):
    """Where a worker publishes which directory it reads."""

    @property
    def view(self) -> memoryview: ...
    def at(self, path: Any) -> None: ...


class Runs:
    """Walks runs for one Walker."""

    def __init__(
        self, options: ScanOptions, facts: ScanFacts, descent: Descent, place: SharedPlace | None, *, slow: float,
        deepest: int, filters: Filter | None, known: Known | None = None,
    ) -> None:  # fmt: skip
        """Prepare runs.

        slow     directories that take as many seconds are reported.
        deepest  levels below the root: deeper directories are read singly, which reports them.
        """
        assert facts.native is not None
        self._walk = facts.native.walk_run
        self._descent = descent
        self._known = known
        self._one_file_system = options.one_file_system
        self._devices = DeviceColumn(options, facts.columns)
        self._filter = filters
        self._last: tuple[Any, ...] | None = None
        self._patience = self._penalty = 0
        as_bytes = any(isinstance(root, bytes) for root in options.roots)
        selection = EVERYTHING if filters is None else filters.selection.compared()
        self._counts_depth = options.max_depth is not None or options.min_depth > 0
        last_depth = NO_LIMIT if options.max_depth is None else options.max_depth - 1
        mount_parents = b"\0".join({os.path.dirname(os.fsencode(mount)) for mount in options.barred})
        self._always: tuple[Any, ...] = (
            facts.rule, facts.numbers, as_bytes, None if place is None else place.view, slow, *selection,
            options.min_depth, last_depth, deepest, mount_parents,
        )  # fmt: skip

    def walk(
        self, stack: list[Any], limit: int, form: int, separator: bytes, budget: tuple[int, int, int, float],
        news: News, *, near: bool,
    ) -> WalkedRun | None:  # fmt: skip
        """Walk the end of `stack`, as far as it lies below the same root. None if that is not possible.

        limit   entries in a directory: a larger one is read in parts.
        budget  entries, requests, bytes of paths, seconds.
        news    how another slot ends the run early.
        near    looking up names is slow: directories above the next one stay open, and directories with the same parent
                are opened from there.
        """
        words = NO_SUSPECTS if self._filter is None else self._suspects(self._filter, stack[-1])
        length = self._descent.root_length(stack[-1])
        if words is None or (self._counts_depth and not length):
            return None
        try:
            device = self._descent.device(stack[-1]) if self._one_file_system else -1
            way = self._descent.lend(stack[-1])
        except (OSError, ValueError):
            return None  # the reader of single directories reports it
        if not way:
            return None
        page = None
        if self._known is not None:
            page = self._known.page_for(stack[-1])
            if page is None:
                return None
        request = RunRequest(
            way, stack, length, limit, self._descent.most_open, near, device, *words, *budget, news, form, separator,
            *self._always, page,  # type: ignore[call-arg]  # mypy does not count the items of these tuples
        )  # fmt: skip
        try:
            run = self._walk_lent(request)
        except EOFError:  # a damaged page
            assert self._known is not None
            self._known.repair_page()
            return None
        return run._replace(rows=self._devices.changed(run.rows, device)) if self._devices.is_needed else run

    def _walk_lent(self, request: RunRequest) -> WalkedRun:
        """Walk, and keep the directories that were left open. Close them if a signal handler raises after the call."""
        way = request.way
        try:
            run = WalkedRun(*self._walk(request))
            while len(way) > 1:
                self._descent.keep(*way.pop(1))
        except BaseException:
            while len(way) > 1:
                os.close(way.pop(1)[1])
            raise
        if self._known is not None:
            self._known.add_run(run)
        return run

    def _suspects(self, filters: Filter, path: Path) -> tuple[int, bytes, bytes, bytes] | None:
        """Return how many directories to take from the stack, and which names a rule may match. None if the filter has
        to see all names, or if runs do not pay here: a directory with such a name is read twice.
        """
        if self._patience < 0:
            self._patience += 1
            return None
        found = filters.suspects(path)
        if found is None:
            return None
        suspects, alone = found
        if self._last is None or self._last[0] is not suspects:
            words = (suspects.names, suspects.endings, suspects.beginnings)
            self._last = suspects, *("\0".join(some).encode("latin-1") for some in words)
        names, endings, beginnings = self._last[1:]
        return 1 if alone else MOST_TAKEN, names, endings, beginnings

    def learn(self, run: WalkedRun) -> None:
        """Note how far the run came: after short ones, directories are read singly for a while."""
        if self._filter is None or not run.trouble or run.uncovered or run.directories >= SHORTEST_PAYING_RUN:
            self._penalty = 0
        else:
            self._penalty = min(2 * self._penalty + 1, MOST_PATIENCE)
            self._patience = -self._penalty

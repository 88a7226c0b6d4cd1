"""The contents of a Task: how much to walk, which directories are closed to it, which rules apply to it."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable

from scanner.model import LONGEST_TASK, TASK_SECONDS, Chunk, Fault, Path, Rules, below_any, is_below, upwards

TASK_ENTRIES = 20_000
SLOW_DIRECTORIES = 8  # so many, where they take longer than a Task may otherwise: a Task of its own costs as much work
TASK_DIRECTORIES = 256
LEAST_DIRECTORIES = 4
TASK_BYTES = 32_768  # of paths: a Task that fits into an empty pipe is sent at once
LISTING_BYTES = 400  # what a Listing takes beside its text: five objects and a place in a dictionary
NEAR = 4  # times the memory left: found in simulations of 128 and 512 slots (tests/unit/test_window.py)
MOST_DEATHS = 2  # of slots over one directory, before it is not entered any more
# Where slots die over others as well, it may be chance that one is met twice: one more for so many deaths elsewhere.
ELSEWHERE, MOST_DEATHS_EVER = 5, 4


def task_seconds(latency: float, usual: float = TASK_SECONDS, longest: float = LONGEST_TASK) -> float:
    """Return the seconds that a Task may take if a directory takes `latency`. Rounded, so that it seldom changes."""
    return round(min(max(usual, SLOW_DIRECTORIES * latency), longest), 2)


def reach(window: int, waiting: int, largest: int, slots: int, under_way: int) -> int:
    """How many bytes may wait in the line before a Segment for it to start.

    In all, `window` bytes and the `largest` Chunk for each of the `slots` may wait; that much is reserved for each Task
    `under_way`, and for this one. A Chunk far behind keeps its memory until all before it is consumed. So the less is
    left, the nearer to the consumer new Tasks lie: were it all or nothing, one slot would fill all gaps at the front.
    """
    return NEAR * (window - waiting + largest * (slots - under_way - 1))


def task_length(directories: list[Path], slots: int, workers: int, outstanding: int) -> int:
    """How many of queued `directories` one Task takes: a fair share, so that all slots find some, and none gets crumbs.

    Many slots a worker are there because directories take long: then a single one is no crumb, unless much is
    `outstanding` in all.
    """
    least = LEAST_DIRECTORIES if slots <= workers else max(1, outstanding // slots)
    fair = max(least, -(-len(directories) // max(slots, workers)))
    count = size = 0
    for path in directories[: min(fair, TASK_DIRECTORIES)]:
        size += len(path) + 8
        if count and size > TASK_BYTES:
            break
        count += 1
    return count


class Quarantine:
    """`max_hung`: late directories of one mount before it is not entered any more (0: any number)."""

    def __init__(self, max_hung: int) -> None:
        self._max_hung = max_hung
        self._deaths: Counter[Path] = Counter()  # by directory
        self._late: Counter[Path] = Counter()  # late directories by mount
        self._reasons: dict[Path, tuple[str, str]] = {}

    def blame(self, path: Path) -> None:
        """A slot has died over `path`."""
        self._deaths[path] += 1
        deaths = self._deaths[path]
        if deaths >= min(MOST_DEATHS_EVER, MOST_DEATHS + (self._deaths.total() - deaths) // ELSEWHERE):
            self._reasons[path] = ("lost", f"{deaths} worker processes died over it")

    def late(self, path: Path, mount: Path, message: str) -> None:
        """`path` has not answered: nor may the rest of its mount, if it has happened too often."""
        self._reasons[path] = ("timeout", message)
        self._late[mount] += 1
        if self._late[mount] == self._max_hung:
            reason = f"mount quarantined: {self._max_hung} directories of it gave {message}"
            self._reasons[mount] = ("timeout", reason)

    def forget(self, faults: Iterable[Fault]) -> None:
        """These are told: nobody will meet them again. A mount stays shut."""
        for fault in faults if self._reasons else ():
            if fault.path not in self._late:
                self._reasons.pop(fault.path, None)

    @property
    def any(self) -> bool:
        return bool(self._reasons)

    def within(self, tops: list[Path]) -> dict[Path, tuple[str, str]]:
        """What of it a Task for these directories may meet: goes out with the Task."""
        return {
            path: reason for path, reason in self._reasons.items()
            if below_any(path, tops) or any(is_below(top, path) for top in tops)
        }  # fmt: skip


def lost(path: Path, deaths: int) -> Chunk:
    """What comes of a directory over which worker after worker has died: a Fault."""
    fault = Fault(path, "open", errno.EIO, f"{deaths} worker processes died over it", "lost")
    return Chunk(0, path, faults=[fault])


class KnownRules:
    """Rules of directories above queued ones, kept to the end of the scan.

    Chunks bring them, and each Task gets those of the directories above it: each file of rules is read once.
    """

    def __init__(self) -> None:
        self._rules: Rules = {}

    def add(self, rules: Rules) -> None:
        self._rules.update(rules)

    def above(self, directories: list[Path]) -> Rules:
        """Return the rules of the directories, and of all above them."""
        if not self._rules:
            return {}
        found: Rules = {}
        seen: set[Path] = set()
        for path in directories:
            for each in upwards(path):
                if each in seen:
                    break  # and all above it
                seen.add(each)
                if each in self._rules:
                    found[each] = self._rules[each]
        return found

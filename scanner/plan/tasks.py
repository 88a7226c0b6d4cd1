"""The contents of a Task: how much to walk, which directories are closed to it, which rules apply to it."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable

from scanner.model import LONGEST_TASK, TASK_SECONDS, Chunk, Fault, Path, Rules, below_any, is_below, upwards

TASK_ENTRIES = 20_000
SLOW_DIRECTORIES = 8  # in a Task, although they exceed its seconds: a Task costs as much work as a directory
TASK_DIRECTORIES = 256  # at the start of a Task, at most
LEAST_DIRECTORIES = 4  # at the start of a Task, if there are as many
TASK_BYTES = 32_768  # of paths: a Task that fits into an empty pipe is sent at once
LISTING_BYTES = 400  # of a Listing beside its text: five objects and a dictionary entry
NEAR = 4  # factor on the free memory, from simulations of 128 and 512 slots (tests/unit/test_window.py)
MOST_DEATHS = 2  # of slots in one directory, before it is closed
# Where slots die in other directories as well, two deaths in one may be chance: one more for each 5 deaths elsewhere.
ELSEWHERE, MOST_DEATHS_EVER = 5, 4


def task_seconds(latency: float, usual: float = TASK_SECONDS, longest: float = LONGEST_TASK) -> float:
    """Return the seconds that a Task may take if a directory takes `latency`. Rounded, so that it seldom changes."""
    return round(min(max(usual, SLOW_DIRECTORIES * latency), longest), 2)


def reach(window: int, waiting: int, largest: int, slots: int, under_way: int) -> int:
    """Return how many bytes may wait in the line before a Segment that is to start.

    In all, `window` bytes and the `largest` Chunk for each of the `slots` may wait. The largest Chunk is reserved for
    each Task `under_way`, and for the new one. A Chunk far behind keeps its memory until all before it is consumed. So
    the less memory is left, the nearer to the consumer new Tasks lie. With all or nothing instead, one slot would fill
    all gaps at the front.
    """
    return NEAR * (window - waiting + largest * (slots - under_way - 1))


def task_length(directories: list[Path], slots: int, workers: int, outstanding: int) -> int:
    """Return how many of the queued `directories` one Task takes: a fair share for each slot, but no tiny Tasks.

    Workers have many slots where directories take long. A single directory is then enough for a Task, unless many are
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
    """Directories that are not entered any more, because slots died or waited too long in them.

    `max_hung`: late directories of one mount before the mount is closed (0: any number).
    """

    def __init__(self, max_hung: int) -> None:
        self._max_hung = max_hung
        self._deaths: Counter[Path] = Counter()  # by directory
        self._late: Counter[Path] = Counter()  # late directories by mount
        self._reasons: dict[Path, tuple[str, str]] = {}

    def blame(self, path: Path) -> None:
        """Count a death in `path`, and close it after too many."""
        self._deaths[path] += 1
        deaths = self._deaths[path]
        if deaths >= min(MOST_DEATHS_EVER, MOST_DEATHS + (self._deaths.total() - deaths) // ELSEWHERE):
            self._reasons[path] = ("lost", f"{deaths} worker processes died over it")

    def late(self, path: Path, mount: Path, message: str) -> None:
        """Close `path`, which has not answered in time, and its whole mount after too many of these."""
        self._reasons[path] = ("timeout", message)
        self._late[mount] += 1
        if self._late[mount] == self._max_hung:
            reason = f"mount quarantined: {self._max_hung} directories of it gave {message}"
            self._reasons[mount] = ("timeout", reason)

    def forget(self, faults: Iterable[Fault]) -> None:
        """Drop directories that were reported, because no Task meets them again. Mounts stay closed."""
        for fault in faults if self._reasons else ():
            if fault.path not in self._late:
                self._reasons.pop(fault.path, None)

    @property
    def any(self) -> bool:
        return bool(self._reasons)

    def within(self, tops: list[Path]) -> dict[Path, tuple[str, str]]:
        """Return the closed directories that a Task for `tops` may meet, with kind and message."""
        return {
            path: reason for path, reason in self._reasons.items()
            if below_any(path, tops) or any(is_below(top, path) for top in tops)
        }  # fmt: skip


def lost(path: Path, deaths: int) -> Chunk:
    """Return the Chunk in place of a directory in which worker after worker has died: a Fault."""
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

"""Which directories are not entered any more, because of what has happened over them."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable

from scanner.model import Chunk, Fault, Path, below_any, is_below

MOST_DEATHS = 2  # of slots over one directory, before it is not entered any more
# Where slots die over others as well, it may be chance that one is met twice: one more for so many deaths elsewhere.
ELSEWHERE, MOST_DEATHS_EVER = 5, 4


class Shut:
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

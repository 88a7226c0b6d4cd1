"""When worker processes are worth their start.

They take 30 to 100 ms of another processor, which are lost on a tree that ends before they are ready. So first it is
walked here: until that has taken so long that it would have been worth it, or the rest of the tree promises to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from scanner.model import Path
from scanner.options import ScanOptions

START_AFTER = {"fork": 0.08, "forkserver": 0.1, "spawn": 0.1}
"""Seconds of walking here after which they are started whatever is to be expected; by start method."""
SOONEST = min(START_AFTER.values())  # how processes start is looked up only then: that takes a tenth of a millisecond
FIRST_LOOK, LOOK_EVERY = 0.01, 0.005  # seconds of walking here
PROMISING = 0.15  # seconds of walking to come


class Worth:
    """For one scan. What is expected of the rest: the uppermost directories that are left lie side by side, and take as
    long as those beside them have taken so far.
    """

    def __init__(self, options: ScanOptions) -> None:
        self._options = options
        self._divisible = False  # whether there was more than one directory to walk at some look
        self._parent: Path | None = None
        self._siblings = 0  # left of them when they were seen first,
        self._since = self._last = 0.0  # after so many seconds of walking; and at the last look
        self.next_look = FIRST_LOOK  # before that it is not due

    def is_due(self, spent: float, ahead: Sequence[Path]) -> bool:
        """`spent`: seconds of walking so far; `ahead`: directories that are known to come, the last one first."""
        if spent < self.next_look:
            return False
        self._divisible = self._divisible or len(ahead) > 1
        rest = self._rest(spent, ahead)
        self._last, self.next_look = spent, spent + LOOK_EVERY
        if not self._divisible:
            return False
        return rest >= PROMISING or (spent >= SOONEST and spent >= START_AFTER[self._options.method])

    def _rest(self, spent: float, ahead: Sequence[Path]) -> float:
        """Seconds of walking to come, if siblings are alike."""
        parent = os.path.dirname(ahead[0]) if ahead else None
        left = next((count for count, path in enumerate(ahead) if os.path.dirname(path) != parent), len(ahead))
        if parent != self._parent:
            self._parent, self._siblings, self._since = parent, left, self._last
        return left * (spent - self._since) / (max(0, self._siblings - left) + 1)


def pays(options: ScanOptions) -> bool:
    """Whether worker processes can gain anything here: on a single processor only if they were asked for."""
    return options.workers > 1 or options.max_workers is not None

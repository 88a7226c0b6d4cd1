"""Exit codes, what is said on the way out, and what signals do."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from scanner.model import UNEXPECTED, Path
from scanner.report.data import printable, shown
from scanner.stats import ScanStats

COMPLETE, INCOMPLETE, USAGE, NO_RESULT, OUT_OF_TIME = 0, 1, 2, 3, 75
MOST_FAULTS = 20  # listed on stderr, unless -v asks for all


class Interrupted(BaseException):
    """A signal asks us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interruption:
    """What signals do: SIGINT, SIGTERM and SIGHUP end the command, the second one of any there and then.

    The first raises Interrupted wherever the program is, but not while a scan is `deferring` it: an exception out of
    nowhere, in an import or with a lock in hand, is swallowed or leaves the lock behind. The engine asks `is_set` at
    each turn instead; only where we wait for a reader (`raising`) it is raised at once all the same.
    """

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.number = 0
        self._ours: list[int] = []
        self._deferring = False

    def is_set(self) -> bool:
        return self.number != 0

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in self.NUMBERS}
        for number in self.NUMBERS:
            if before[number] is not signal.SIG_IGN:  # nohup
                self._ours.append(number)
                signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        for each in self._ours:
            signal.signal(each, signal.SIG_DFL)
        self.number = number
        if not self._deferring:
            raise Interrupted(number)

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        before, self._deferring = self._deferring, True
        try:
            yield
        finally:
            self._deferring = before

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """Where it may take for ever until the engine's next turn."""
        before, self._deferring = self._deferring, False
        try:
            if self.number:
                raise Interrupted(self.number)
            yield
        finally:
            self._deferring = before


def die_of(number: int) -> int:
    """End as the signal would have ended us, so that a shell or a supervisor sees the truth."""
    settle()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number  # not reached, unless the signal is blocked


def settle() -> bool:
    """What must happen before the process ends in a hurry: output, and the semaphores of multiprocessing.

    Whether all of standard output could be written.
    """
    atexit._run_exitfuncs()
    written = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            written = written and stream is not sys.stdout
    return written


def say(message: str) -> None:
    """A line on stderr. Where that is closed or full there is nobody to tell, but still an exit code."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"scanner: {printable(message)}", file=sys.stderr, flush=True)


def usage_error(message: str) -> int:
    say(message)
    return USAGE


def silence_stdout() -> None:
    """The interpreter flushes standard output at exit, and would complain about the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


HARMLESS = {"vanished", "pattern"}  # kinds of Faults after which a result is complete all the same
TOLD_IN = {"pattern", "prune", UNEXPECTED}  # kinds that are about something in what the Fault names


def outcome_of(roots: Sequence[Path], stats: ScanStats) -> tuple[str, int]:
    """`complete`, `incomplete` or `failed`, and the exit code. What vanished below a root is no failure."""
    lost_roots = {f.path for f in stats.faults if f.drops_listing and not f.partial}.intersection(roots)
    if lost_roots and len(lost_roots) == len(set(roots)):
        return "failed", NO_RESULT
    if lost_roots or any(kind not in HARMLESS for kind in stats.errors):
        return "incomplete", INCOMPLETE
    return "complete", COMPLETE


def tell_faults(roots: Sequence[Path], stats: ScanStats, *, everything: bool, reported: bool) -> None:
    """The errors on stderr, roots first. `reported`: a report has told the first few of each kind below the roots."""
    faults = sorted(stats.faults, key=lambda fault: fault.path not in roots)
    if reported and not everything:
        faults = [fault for fault in faults if fault.path in roots]
    some = faults if everything else faults[:MOST_FAULTS]
    for fault in some:
        what = "in" if fault.kind in TOLD_IN else "cannot scan" if fault.path in roots else "cannot read"
        kept = " (the names read before are kept)" if fault.partial else ""
        say(f"{what} '{shown(fault.path)}': {printable(fault.message)}{kept}")
    if len(faults) > len(some):
        say(f"and {len(faults) - len(some):,} more errors (-v lists all)")

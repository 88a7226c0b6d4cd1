"""Exit codes, what is said on the way out, and what signals do."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from scanner.model import Path
from scanner.report.data import shown
from scanner.stats import ScanStats

COMPLETE, INCOMPLETE, USAGE, NO_RESULT, OUT_OF_TIME = 0, 1, 2, 3, 75
MOST_FAULTS = 20  # listed on stderr, unless -v asks for all


class Interrupted(BaseException):
    """A signal asks us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise Interrupted, once: the second one of any ends the process there and then."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, _: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def die_of(number: int) -> int:
    """End as the signal would have ended us, so that a shell or a supervisor sees the truth."""
    settle()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number  # not reached, unless the signal is blocked


def settle() -> None:
    """What must happen before the process ends in a hurry: output, and the semaphores of multiprocessing."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def say(message: str) -> None:
    print(f"scanner: {message}", file=sys.stderr)


def usage_error(message: str) -> int:
    say(message)
    return USAGE


def silence_stdout() -> None:
    """The interpreter flushes standard output at exit, and would complain about the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def outcome_of(roots: Sequence[Path], stats: ScanStats) -> tuple[str, int]:
    """`complete`, `incomplete` or `failed`, and the exit code. What vanished below a root is no failure."""
    lost_roots = {fault.path for fault in stats.faults if fault.drops_listing}.intersection(roots)
    if lost_roots and len(lost_roots) == len(set(roots)):
        return "failed", NO_RESULT
    if lost_roots or any(kind != "vanished" for kind in stats.errors):
        return "incomplete", INCOMPLETE
    return "complete", COMPLETE


def tell_faults(roots: Sequence[Path], stats: ScanStats, *, everything: bool, reported: bool) -> None:
    """The errors on stderr, roots first. `reported`: a report has told the first few of each kind below the roots."""
    faults = sorted(stats.faults, key=lambda fault: fault.path not in roots)
    if reported and not everything:
        faults = [fault for fault in faults if fault.path in roots]
    some = faults if everything else faults[:MOST_FAULTS]
    for fault in some:
        what = "cannot scan" if fault.path in roots else "cannot read"
        kept = " (the names read before are kept)" if fault.partial else ""
        say(f"{what} '{shown(fault.path)}': {fault.message}{kept}")
    if len(faults) > len(some):
        say(f"and {len(faults) - len(some):,} more errors (-v lists all)")

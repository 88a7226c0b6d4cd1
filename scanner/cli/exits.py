"""Exit codes, messages on stderr, and signal handling."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from scanner.encoding import printable
from scanner.model import UNEXPECTED, Path
from scanner.report.data import HARMLESS_KINDS, shown
from scanner.stats import ScanStats

COMPLETE, INCOMPLETE, USAGE, NO_RESULT, RULE_BROKEN, OUT_OF_TIME = 0, 1, 2, 3, 4, 75
BUSY = OUT_OF_TIME  # EX_TEMPFAIL: the same command may succeed later
STORE_CODES = {"usage": USAGE, "missing": NO_RESULT, "unusable": NO_RESULT, "unmounted": NO_RESULT, "busy": BUSY}
"""Exit codes by the reason of a StoreError."""
MOST_FAULTS = 20  # printed on stderr without -v
CONTENT_KINDS = frozenset({"pattern", "prune", UNEXPECTED})
"""Kinds of Faults about the content of their path; the path itself is readable."""


class Interrupted(BaseException):
    """A signal ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interruption:
    """Handler of SIGINT, SIGTERM and SIGHUP. The first signal ends the command in order, the second one at once.

    The first signal raises Interrupted wherever the program is, except while a scan is `deferring` it: an exception
    raised inside an import is swallowed, and one raised under a lock leaves the lock behind. The engine polls `is_set`
    at each turn instead. Writes that may block on a reader use `raising`, which raises at once.
    """

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.number = 0
        self._handled_numbers: list[int] = []
        self._deferring = False

    def is_set(self) -> bool:
        return self.number != 0

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Install the handlers in this context. Signals that were ignored (nohup) stay ignored."""
        before = {number: signal.getsignal(number) for number in self.NUMBERS}
        for number in self.NUMBERS:
            if before[number] is not signal.SIG_IGN:
                self._handled_numbers.append(number)
                signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        for each in self._handled_numbers:
            signal.signal(each, signal.SIG_DFL)
        self.number = number
        if not self._deferring:
            raise Interrupted(number)

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        """Only record signals in this context."""
        before, self._deferring = self._deferring, True
        try:
            yield
        finally:
            self._deferring = before

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """Raise Interrupted at once in this context, in which a write may block on a reader."""
        before, self._deferring = self._deferring, False
        try:
            if self.number:
                raise Interrupted(self.number)
            yield
        finally:
            self._deferring = before


def end_by_signal(number: int) -> int:
    """End the process by the signal, so that a shell or a supervisor sees the real cause.

    Returns 128 + `number` if the signal is blocked.
    """
    flush_before_exit()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def flush_before_exit() -> bool:
    """Run the exit functions (semaphores of multiprocessing) and flush the streams, before `os._exit` or a signal.

    Returns whether all of standard output was written.
    """
    atexit._run_exitfuncs()
    is_written = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            is_written = is_written and stream is not sys.stdout
    return is_written


def print_message(message: str) -> None:
    """Print one line on stderr. A closed or full stderr is ignored: the exit code remains."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"scanner: {printable(message)}", file=sys.stderr, flush=True)


def discard_stdout() -> None:
    """Redirect stdout to /dev/null: the interpreter flushes it at exit, and would complain about a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def outcome_of(roots: Sequence[Path], stats: ScanStats) -> tuple[str, int]:
    """Return `complete`, `incomplete` or `failed`, and the exit code.

    An entry below a root that vanished during the scan does not make the result incomplete.
    """
    lost_roots = {f.path for f in stats.faults if f.drops_listing and not f.partial}.intersection(roots)
    if lost_roots and len(lost_roots) == len(set(roots)):
        return "failed", NO_RESULT
    if lost_roots or any(kind not in HARMLESS_KINDS for kind in stats.errors):
        return "incomplete", INCOMPLETE
    return "complete", COMPLETE


def print_faults(roots: Sequence[Path], stats: ScanStats, *, everything: bool, is_reported: bool) -> None:
    """Print the Faults on stderr, those of roots first.

    `is_reported`: a report was printed, which lists the first few of each kind below the roots.
    """
    faults = sorted(stats.faults, key=lambda fault: fault.path not in roots)
    if is_reported and not everything:
        faults = [fault for fault in faults if fault.path in roots]
    some = faults if everything else faults[:MOST_FAULTS]
    for fault in some:
        what = "in" if fault.kind in CONTENT_KINDS else "cannot scan" if fault.path in roots else "cannot read"
        kept = " (the names read before are kept)" if fault.partial else ""
        print_message(f"{what} '{shown(fault.path)}': {printable(fault.message)}{kept}")
    if len(faults) > len(some):
        print_message(f"and {len(faults) - len(some):,} more errors (-v lists all)")

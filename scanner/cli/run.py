"""Running a scan for a person: progress on a terminal, signals, and an outcome in every case."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from scanner.cli import exits
from scanner.errors import OptionError, ScanCancelled, ScanTimeout
from scanner.export.output import STDOUT, Output
from scanner.model import Chunk, Fault
from scanner.options import ScanOptions
from scanner.report.data import fault_fields, shown
from scanner.run import Run
from scanner.stats import ScanStats


class Unfinished(Exception):
    """The result is not whole, so the file must not appear."""


class Outcome(NamedTuple):
    """How a scan ended: one word, the exit code, the signal that ended it (0: none), and the statistics."""

    word: str
    code: int
    signal: int
    stats: ScanStats


def run_scan(
    args: argparse.Namespace,
    options: ScanOptions,
    take: Callable[[Chunk], object],
    interruption: exits.Interruption,
    *,
    monitored: bool,
) -> Outcome:
    """Scan `args.roots` and hand each Chunk, in order, to `take`. What `take` raises passes through."""
    with contextlib.nullcontext() if args.errors is None else Output(args.errors) as errors:
        with interruption.deferring():
            if options.nice:
                from scanner.backends.nice import lower_priority  # with psutil: 15 ms

                lower_priority()
            monitored = monitored or _shows_progress(args)
            run = Run(list(args.roots), options, cancelled=interruption, monitored=monitored)
            outcome = _outcome(args, run, take)
        outcome = interrupted_late(outcome, interruption)
        if errors is not None:
            write_errors(errors, run.stats.faults)
    return outcome


def interrupted_late(outcome: Outcome, interruption: exits.Interruption) -> Outcome:
    """What a signal makes of it that was deferred, and has come after the engine's last turn."""
    if not interruption.is_set():
        return outcome
    return Outcome("interrupted", 128 + interruption.number, interruption.number, outcome.stats)


def write_errors(output: Output, faults: list[Fault]) -> None:
    """One JSON object a line."""
    import json

    for fault in faults:
        output.write(json.dumps(fault_fields(fault)).encode() + b"\n")


def _outcome(args: argparse.Namespace, run: Run, take: Callable[[Chunk], object]) -> Outcome:
    """How the scan ended, interruptions apart: these may come later still."""
    word, code = "interrupted", 0
    try:
        with run, _progress(args, run):
            for chunk in run.chunks():
                take(chunk)
        word, code = exits.outcome_of(args.roots, run.stats)
    except ScanTimeout as error:
        exits.say(str(error))
        word, code = "timeout", exits.OUT_OF_TIME
    except (ScanCancelled, exits.Interrupted):
        pass
    return Outcome(word, code, 0, run.stats)


def refuse_shared(flags: str, files: Iterable[str | None]) -> None:
    """Raise OptionError if two of the `files` are one. None: not asked for."""
    targets = [file if file == "-" else os.path.realpath(file) for file in files if file]
    if len(set(targets)) < len(targets):
        raise OptionError(f"{flags}: two outputs cannot go to one file")


def conclude(args: argparse.Namespace, outcome: Outcome) -> int:
    """Tell the errors, and end with the outcome's code or by its signal."""
    if not args.quiet or outcome.code == exits.NO_RESULT:
        exits.tell_faults(args.roots, outcome.stats, everything=args.verbose, reported=args.command == "scan")
    if outcome.signal:
        return exits.die_of(outcome.signal)
    return outcome.code


def _shows_progress(args: argparse.Namespace) -> bool:
    if sys.stderr is None or not sys.stderr.isatty() or args.quiet or args.progress is False:
        return False
    # Not between the lines of a list that goes to the same terminal.
    return bool(args.progress) or args.command != "list" or args.output is not None or not os.isatty(STDOUT)


def _progress(args: argparse.Namespace, run: Run) -> contextlib.AbstractContextManager[object]:
    if not _shows_progress(args):
        return contextlib.nullcontext()
    from scanner.progress import ProgressLine

    monitor = run.monitor
    line = ProgressLine(run.stats, lambda: monitor.memory if monitor is not None else 0, shown)
    run.show_progress(line.update)
    return line

"""Running a scan for a person: progress on a terminal, signals, and an outcome in every case."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from scanner.cli import exits
from scanner.cli.expect import Expectations
from scanner.cli.live import progress_of, shows_progress
from scanner.cli.outputs import Outputs
from scanner.errors import OptionError, OutputError, ScanCancelled, ScanTimeout
from scanner.export.formats import COMPRESSIONS, OTHER_COMPRESSIONS, suffixes_of
from scanner.export.output import STDOUT, Output
from scanner.export.part import own_parts
from scanner.model import Chunk, Fault
from scanner.options import ScanOptions
from scanner.report.data import fault_fields
from scanner.run import Run
from scanner.stats import ScanStats

UNFINISHED = ("timeout", "interrupted", "failed")
"""Outcomes after which the result is not whole, so that its file must not appear."""
STDOUT_NAMES = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class Outcome(NamedTuple):
    """How a scan ended: one word, the exit code, the signal that ended it (0: none), and the statistics.

    `failures`: why some outputs do not appear.
    """

    word: str
    code: int
    signal: int
    stats: ScanStats
    failures: tuple[OutputError, ...] = ()

    def without(self, failures: Sequence[OutputError]) -> Outcome:
        """The same without some outputs."""
        return self._replace(failures=(*self.failures, *failures))


def run_scan(
    args: argparse.Namespace,
    options: ScanOptions,
    take: Callable[[Chunk], object],
    interruption: exits.Interruption,
    *,
    monitored: bool,
) -> Outcome:
    """Scan `args.roots` and hand each Chunk, in order, to `take`.

    What `take` raises passes through; an output that fails does so only after `--errors` is written.
    """
    expected = Expectations(args)
    with Outputs(quiet=args.quiet) as outputs:
        errors = _open_errors(args, outputs)
        lasting = Lasting(take)
        take = take if errors is None else lasting
        own = _own_names(args.roots, follow=options.followlinks)
        options = options._replace(own=own) if own else options
        with interruption.deferring():
            if options.nice:
                from scanner.backends.nice import lower_priority  # with psutil: 15 ms

                lower_priority()
            monitored = monitored or shows_progress(args)
            run = Run(list(args.roots), options, cancelled=interruption, monitored=monitored)
            outcome = _outcome(args, run, take, expected)
        outcome = interrupted_late(outcome, interruption)
        if errors is not None:
            with outputs.attempt(errors):
                write_errors(errors, run.stats.faults)
                errors.publish()
    if lasting.stopped is not None:
        raise next(iter(outputs.failures), lasting.stopped)
    return outcome.without(outputs.failures)


def _open_errors(args: argparse.Namespace, outputs: Outputs) -> Output | None:
    if args.errors is None:
        return None
    if args.errors in STDOUT_NAMES and args.command in ("scan", "du"):
        raise OptionError(f"--errors {args.errors}: standard output has the result of {args.command}; give a FILE")
    _, suffix = suffixes_of(args.errors)
    if suffix in OTHER_COMPRESSIONS or suffix in COMPRESSIONS:
        raise OptionError(f"--errors {args.errors!r}: errors are written as NDJSON, not compressed")
    return outputs.open(None if args.errors == "-" else args.errors)


def _own_names(roots: Sequence[str], *, follow: bool) -> tuple[str, ...]:
    if not own_parts:
        return ()
    from scanner.cli.own import names_to_hide  # seldom needed

    return names_to_hide(roots, follow=follow)


class Lasting:
    """Hands Chunks to `take` until an output fails there. `stopped`: how."""

    def __init__(self, take: Callable[[Chunk], object]) -> None:
        self._take = take
        self.stopped: OutputError | BrokenPipeError | None = None

    def __call__(self, chunk: Chunk) -> None:
        if self.stopped is None:
            try:
                self._take(chunk)
            except (OutputError, BrokenPipeError) as error:
                self.stopped = error


def interrupted_late(outcome: Outcome, interruption: exits.Interruption) -> Outcome:
    """What a signal makes of it that was deferred, and has come after the engine's last turn."""
    if not interruption.is_set():
        return outcome
    return outcome._replace(word="interrupted", code=128 + interruption.number, signal=interruption.number)


def write_errors(output: Output, faults: list[Fault]) -> None:
    """One JSON object a line."""
    import json

    for fault in faults:
        output.write(json.dumps(fault_fields(fault)).encode() + b"\n")


def _outcome(args: argparse.Namespace, run: Run, take: Callable[[Chunk], object], expected: Expectations) -> Outcome:
    """How the scan ended, interruptions apart: these may come later still."""
    word, code = "interrupted", 0
    try:
        with run, progress_of(args, run):
            for chunk in run.chunks():
                take(chunk)
        for fault in expected.unmet(run.stats):
            run.stats.add(fault)
        word, code = exits.outcome_of(args.roots, run.stats)
    except ScanTimeout as error:
        exits.say(str(error))
        word, code = "timeout", exits.OUT_OF_TIME
    except (ScanCancelled, exits.Interrupted):
        pass
    return Outcome(word, code, 0, run.stats)


def refuse_shared(flags: str, files: Iterable[str | None]) -> None:
    """Raise OptionError if two of the `files` are one. None: not asked for."""
    targets = ["-" if file in STDOUT_NAMES else os.path.realpath(file) for file in files if file]
    if len(set(targets)) < len(targets) or ("-" in targets and any(map(_is_stdout, set(targets) - {"-"}))):
        raise OptionError(f"{flags}: two outputs cannot go to one file")


def _is_stdout(path: str) -> bool:
    """Whether standard output was redirected to this file."""
    try:
        status = os.stat(path)
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.fstat(STDOUT))
    except OSError:
        return False


def conclude(args: argparse.Namespace, outcome: Outcome) -> int:
    """Report the errors, and end with the outcome's code or by its signal; or as outputs that are missing ask for."""
    if outcome.stats.clamped_times and not args.quiet:
        exits.say(
            f"{outcome.stats.clamped_times:,} times before 1677-09-21 or after 2262-04-11 were clamped: "
            "columns of 64 bits cannot hold them; ndjson, csv and --template can"
        )
    if not args.quiet or outcome.code == exits.NO_RESULT:
        exits.tell_faults(args.roots, outcome.stats, everything=args.verbose, reported=args.command == "scan")
    for failure in outcome.failures:
        exits.say(str(failure))
    if outcome.failures:
        return exits.NO_RESULT
    if outcome.signal:
        return exits.die_of(outcome.signal)
    return outcome.code

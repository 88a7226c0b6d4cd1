"""One scan of a command: progress, signals, the files of --errors and --report, and an outcome in every case."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from scanner import __version__
from scanner.cli import exits
from scanner.cli.cluster import cluster_of
from scanner.cli.outputs import Outputs, names_to_hide
from scanner.cli.roots import Expectations
from scanner.cli.terminal import progress_line, shows_progress
from scanner.errors import ClusterError, OptionError, OutputError, ScanCancelled, ScanTimeout, StoreError
from scanner.export.formats import COMPRESSIONS, OTHER_COMPRESSIONS, suffixes_of
from scanner.export.output import Output
from scanner.model import Chunk, Fault
from scanner.mounts import filesystem_type
from scanner.options import ScanOptions
from scanner.report.data import fault_fields, report_data
from scanner.run import Run
from scanner.stats import ScanStats

if TYPE_CHECKING:
    from scanner.report.formats import ReportFunction

UNFINISHED = ("timeout", "interrupted", "failed")
"""Outcomes without a whole result: its file must not appear."""


class Outcome(NamedTuple):
    """How a scan ended: one word, the exit code, the signal that ended it (0: none), and the statistics.

    `report`: the report's data, if there is one; `failures`: the errors of outputs that do not appear; `message`: why
    it was stopped.
    """

    word: str
    code: int
    signal: int
    stats: ScanStats
    report: dict[str, Any] | None = None
    failures: tuple[OutputError | StoreError, ...] = ()
    message: str = ""

    def with_failures(self, failures: Sequence[OutputError | StoreError]) -> Outcome:
        return self._replace(failures=(*self.failures, *failures))

    def with_signal(self, interruption: exits.Interruption) -> Outcome:
        """Return the outcome with a deferred signal, which may arrive after the engine's last turn."""
        if not interruption.is_set():
            return self
        return self._replace(word="interrupted", code=128 + interruption.number, signal=interruption.number)


Details = Callable[[], dict[str, Any]]
"""Returns the report's parts beside statistics, after the scan."""


def run_scan(
    args: argparse.Namespace,
    options: ScanOptions,
    take: Callable[[Chunk], object],
    interruption: exits.Interruption,
    details: Details | None = None,
) -> Outcome:
    """Scan `args.roots`, pass each Chunk, in order, to `take`, and write the files of --errors and --report.

    With `details` the outcome has the report's data also without --report. Exceptions of `take` are raised; an output
    that fails there raises only after these files are written. A signal is deferred until the reports are written.
    """
    expected = Expectations(args)
    offline = options.known is not None
    with Outputs(quiet=args.quiet) as outputs:
        report = ScanReport(args, outputs, details)
        until_failure = UntilFailure(take)
        own = () if offline else names_to_hide(args.roots, follow=options.followlinks)  # after all outputs are open
        options = options._replace(own=own) if own else options
        with interruption.deferring():
            if options.nice:
                from scanner.backends.nice import lower_priority  # with psutil: 15 ms

                lower_priority()
            with_progress = shows_progress(args)
            run = Run(
                list(args.roots), options, cancelled=interruption, monitored=report.is_wanted or with_progress,
                unmet=expected.unmet, **cluster_of(args),
            )  # fmt: skip
            if run.engine.paused_until and not args.quiet:
                exits.print_message(f"it is not between {options.between}: paused until {run.engine.paused_until}")
            take = until_failure if report.has_files else take
            outcome = _outcome(args.roots, run, take, with_progress=with_progress)
            outcome = report.write(outcome.with_signal(interruption))
        outcome = outcome.with_signal(interruption)
        report.write_errors(outcome.stats.faults)  # its reader may block: here a signal ends the command at once
    if until_failure.error is not None:
        raise next(iter(outputs.failures), until_failure.error)
    if options.store is not None and outcome.word not in UNFINISHED:
        remove_old_snapshots(args, options.store)
    return outcome.with_failures(outputs.failures)


class ScanReport:
    """The report of one scan, and the files of --errors and --report: opened before the scan, written after it."""

    def __init__(self, args: argparse.Namespace, outputs: Outputs, details: Details | None) -> None:
        self.is_wanted = details is not None or bool(args.report)
        self.has_files = args.errors is not None or bool(args.report)
        self._details: Details = details or dict
        self._outputs = outputs
        self._roots = list(args.roots)
        self._files = list(_open_reports(args.report, outputs)) if args.report else []
        self._errors = _open_errors(args.errors, outputs)
        is_offline = args.source is not None
        self._filesystems = [filesystem_type(root) for root in args.roots] if self.is_wanted and not is_offline else []

    def write(self, outcome: Outcome) -> Outcome:
        """Write the files of --report, and return the outcome with the report's data."""
        stats = outcome.stats
        if not self.is_wanted:
            return outcome
        systems = [root["filesystem"] for root in stats.cluster["roots"]] if stats.cluster else self._filesystems
        data = report_data(self._roots, outcome.word, stats, systems, __version__, **self._details())
        for write, output in self._files:
            with self._outputs.attempt(output):
                try:
                    text = write(data)
                except Exception as error:  # of a drawing library: all other reports are still written and printed
                    raise output.failed(f"{type(error).__name__}: {error}") from error
                output.write(text.encode())
                output.publish()
        return outcome._replace(report=data)

    def write_errors(self, faults: Sequence[Fault]) -> None:
        """Write the file of --errors: one JSON object a line."""
        if self._errors is None:
            return
        import json

        with self._outputs.attempt(self._errors):
            for fault in faults:
                self._errors.write(json.dumps(fault_fields(fault)).encode() + b"\n")
            self._errors.publish()


def _open_reports(paths: Sequence[str], outputs: Outputs) -> Iterator[tuple[ReportFunction, Output]]:
    """Yield each open file with its report function, slow formats last. Raises OptionError, OutputError."""
    from scanner.report.formats import report_function, takes_longest

    formats = [(report_function(path), path) for path in sorted(paths, key=takes_longest)]
    for write, path in formats:
        yield write, outputs.open(path)


def _open_errors(path: str | None, outputs: Outputs) -> Output | None:
    if path is None:
        return None
    _, suffix = suffixes_of(path)
    if suffix in OTHER_COMPRESSIONS or suffix in COMPRESSIONS:
        raise OptionError(f"--errors {path!r}: errors are written as NDJSON without compression; use another suffix")
    return outputs.open(None if path == "-" else path)


class UntilFailure:
    """Passes Chunks to `take` until an output fails there; `error` is the reason."""

    def __init__(self, take: Callable[[Chunk], object]) -> None:
        self._take = take
        self.error: OutputError | BrokenPipeError | None = None

    def __call__(self, chunk: Chunk) -> None:
        if self.error is None:
            try:
                self._take(chunk)
            except (OutputError, BrokenPipeError) as error:
                self.error = error


def _outcome(roots: Sequence[str], run: Run, take: Callable[[Chunk], object], *, with_progress: bool) -> Outcome:
    """Run the scan and return its outcome, without the signal: another one may arrive later."""
    word, code, message = "interrupted", 0, ""
    failures: tuple[StoreError, ...] = ()
    try:
        with run, progress_line(run) if with_progress else contextlib.nullcontext():
            try:
                for chunk in run.chunks():
                    take(chunk)
            except StoreError as error:  # at the end: the scan itself is complete
                failures = (error,)
        word, code = exits.outcome_of(roots, run.stats)
    except ScanTimeout as error:
        word, code, message = "timeout", exits.OUT_OF_TIME, str(error)
    except ClusterError as error:
        if error.reason != "lost":
            raise
        word, code, message = "interrupted", exits.OUT_OF_TIME, str(error)
    except (ScanCancelled, exits.Interrupted):
        pass
    return Outcome(word, code, 0, run.stats, failures=failures, message=message)


def remove_old_snapshots(args: argparse.Namespace, store: Any) -> None:
    """Apply --keep and --keep-within."""
    if args.keep is not None or args.keep_within is not None:
        from scanner.snapshot.store import Store

        Store(store).prune(args.keep, args.keep_within)


def conclude(args: argparse.Namespace, outcome: Outcome) -> int:
    """Print the errors, and return the exit code or end by the outcome's signal. A failed output prevails."""
    if outcome.message:
        exits.print_message(outcome.message)
    if outcome.stats.clamped_times and not args.quiet:
        exits.print_message(
            f"{outcome.stats.clamped_times:,} times before 1677-09-21 or after 2262-04-11 were clamped: "
            "columns of 64 bits cannot hold them; ndjson, csv and --template can"
        )
    if not args.quiet or outcome.code == exits.NO_RESULT:
        is_reported = args.command == "scan"  # on stdout
        exits.print_faults(args.roots, outcome.stats, everything=args.verbose, is_reported=is_reported)
    for failure in outcome.failures:
        exits.print_message(str(failure))
    if outcome.failures:
        return exits.NO_RESULT
    if outcome.signal:
        return exits.end_by_signal(outcome.signal)
    return outcome.code

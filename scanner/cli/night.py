"""One night of one tree: scan, compare, write, notify."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

from scanner.cli import exits
from scanner.cli.main import options_from
from scanner.cli.roots import Expectations
from scanner.cli.run import UNFINISHED, Outcome, remove_old_snapshots, run_scan
from scanner.cli.scan import Collected
from scanner.engine import HOURS_OVER
from scanner.errors import OptionError, OutputError, ScanError, ScanTimeout, StoreError
from scanner.export.output import Output
from scanner.nightly.history import History, history_of, totals
from scanner.nightly.metrics import metrics_text
from scanner.nightly.night import (
    MOST_LISTED,
    Night,
    failure_part,
    night_part,
    report_of_failures,
    unreadable,
)
from scanner.nightly.pages import LATEST, Pages
from scanner.nightly.ping import Pinger
from scanner.report.data import one_line, shown
from scanner.report.rules import rules_of
from scanner.report.treemap import Node, rows_of
from scanner.snapshot.prune import FINISHED
from scanner.snapshot.store import Snapshot, Store
from scanner.units import duration

T = TypeVar("T")
POLL = 0.5  # seconds between two attempts to lock


class NightFailed(Exception):
    """A night without a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NightlyJob:
    """The night of one tree. `args`: complete arguments of `nightly`, with the places of all files."""

    def __init__(self, args: argparse.Namespace, interruption: exits.Interruption) -> None:
        self._args, self._interruption = args, interruption
        self._began = time.time()
        self._pinger = Pinger(args.ping)
        self._failure: NightFailed | None = None
        self._pages: Pages | None = None

    def run(self) -> int:
        """Return the exit code of the night. A failure of any step skips all but page, metrics, ping and line.

        A signal interrupts the steps, and nothing between them: so it costs none of these. Once there is a result it
        changes nothing.
        """
        with self._interruption.deferring():
            self._attempt(lambda: self._ping("start"))
            self._attempt(self._open_pages)
            result = self._attempt(self._result)
            if self._pages is None and self._interruption.is_set():
                self._lock_pages_at_once()
            night = self._night(result)
            if self._pages is not None:
                with contextlib.closing(self._pages):
                    night = self._publish(night, self._pages)
            self._notify(night)
        if self._interruption.is_set() and not night.has_result:
            return exits.end_by_signal(self._interruption.number)
        return night.code

    def _attempt(self, step: Callable[[], T]) -> T | None:
        """Return what a step returns; None if it fails, or if one before has failed."""
        if self._failure is None:
            try:
                with self._interruption.raising():
                    return step()
            except Exception as error:
                self._failure = failure_of(error)
            except exits.Interrupted as error:
                self._failure = NightFailed(128 + error.number, f"ended by signal {error.number}")
        return None

    def _open_pages(self) -> None:
        """Lock the pages, and try whether metrics can be written."""
        self._waiting(self._lock_pages)
        with Output(self._args.prom) as output:
            output.discard()

    def _lock_pages(self) -> None:
        with self._interruption.deferring():  # otherwise a signal may leave a lock that nobody releases
            self._pages = Pages(self._args.to, self._args.store)

    def _lock_pages_at_once(self) -> None:
        """Lock the pages after a signal that came before that, unless another night has them."""
        with contextlib.suppress(ScanError, OSError):
            self._lock_pages()

    def _result(self) -> Night:
        """Scan, and compare with earlier nights."""
        args = self._args
        refuse_wrong_filesystems(args)
        refuse_store_without_sizes(args.store)
        os.makedirs(os.path.dirname(args.store), exist_ok=True)
        collected = Collected(args, names=True, sizes=True, treemap=True)
        outcome = self._waiting(lambda: self._scan(collected))
        store = Store(args.store)
        snapshot = snapshot_of(args, outcome, store)
        history = history_of(
            store,
            snapshot.number,
            reported_in(self._pages),
            rules_of(args.fail_if),
            list(paths_of(collected.drawn)),
            args.depth,
        )
        return self._complete(outcome, collected.drawn, store, history, totals(snapshot))

    def _scan(self, collected: Collected) -> Outcome:
        args = argparse.Namespace(
            **{**vars(self._args), "keep": None, "keep_within": None}
        )  # only after the comparison
        options = collected.add_to(options_from(args))
        outcome = run_scan(args, options, collected.take, self._interruption, collected.data)
        if args.verbose:
            exits.print_faults(args.roots, outcome.stats, everything=True, is_reported=False)
        return outcome

    def _complete(
        self, outcome: Outcome, drawn: Sequence[Node], store: Store, history: History, now: dict[str, Any]
    ) -> Night:
        """Remove old snapshots, and complete the report."""
        args, report = self._args, outcome.report
        assert report is not None
        broken = [one_line(verdict.message) for verdict in history.verdicts if verdict.is_broken]
        problems = [*broken, *unreadable(report), *self._prune(store)]
        code = exits.RULE_BROKEN if broken else outcome.code
        report["treemap"] = rows_of(drawn, history.tree_growth)
        report["night"] = night_part(args.name, code, problems, history, store.path, now)
        del report["faults"][MOST_LISTED:]
        return Night(args.name, code, problems, report, 0)

    def _prune(self, store: Store) -> Iterator[str]:
        """Apply --keep and --keep-within. Yield why that failed: the night is as good without it."""
        try:
            self._waiting(lambda: remove_old_snapshots(self._args, store.path))
        except StoreError as error:
            yield one_line(f"old snapshots were not removed: {error}")

    def _night(self, result: Night | None) -> Night:
        seconds = time.time() - self._began
        if result is not None:
            return result._replace(seconds=seconds)
        assert self._failure is not None
        earlier = None if self._pages is None else self._pages.earlier
        return Night(self._args.name, self._failure.code, [one_line(str(self._failure))], earlier, seconds)

    def _publish(self, night: Night, pages: Pages) -> Night:
        """Write pages and metrics. Return the night, which fails if that fails."""
        try:
            if night.has_result and night.report is not None:
                pages.write_night(night.report, self._args.keep_pages)
        except Exception as error:  # also of a drawing library
            night = night.failed(str(failure_of(error)), pages.earlier)
        if not night.has_result:
            night = self._write_failure(night, pages)
        try:
            with Output(self._args.prom) as output:
                output.write(metrics_text(night, time.time()).encode())
        except Exception as error:
            night = night.failed(str(failure_of(error)), night.report)
        return night

    def _write_failure(self, night: Night, pages: Pages) -> Night:
        """Write the pages of the last good night again, below the failure. Return the night, without damage."""
        reports = [] if night.report is None else [night.report]
        for report in (*reports, report_of_failures(night.name, self._args.store)):
            report["night"]["failure"] = failure_part(night, time.time())
            try:
                metrics_text(night._replace(report=report), 0)
                pages.write(report)
            except OutputError as error:  # the line says it
                return night.failed(str(error), None)
            except Exception:  # it is that of a file, which may be damaged
                continue
            return night._replace(report=report)
        return night._replace(report=None)

    def _notify(self, night: Night) -> None:
        """Ping and print the line."""
        line = night.line(os.path.join(self._args.to, f"{LATEST}.html"))
        self._ping("" if night.code in (0, 1) else "fail", line)
        if night.code or not self._args.quiet_ok:
            with contextlib.suppress(OSError):  # nobody reads it
                print(line, flush=True)

    def _ping(self, signal: Literal["", "start", "fail"], text: str = "") -> None:
        if (failure := self._pinger.send(signal, text)) is not None:
            exits.print_message(f"the ping to {self._pinger.host} failed: {failure}")

    def _waiting(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. While another scan has the lock, try again, for --lock-wait."""
        deadline = time.monotonic() + self._args.lock_wait
        while True:
            try:
                return work()
            except StoreError as error:
                if error.reason != "busy" or time.monotonic() >= deadline:
                    raise
            time.sleep(POLL)


def failure_of(error: Exception) -> NightFailed:
    """Return an error as the failure of a night."""
    if isinstance(error, NightFailed):
        return error
    if isinstance(error, StoreError):
        return NightFailed(exits.STORE_CODES[error.reason], str(error))
    if isinstance(error, ScanTimeout):
        return NightFailed(exits.OUT_OF_TIME, str(error))
    if isinstance(error, OptionError):
        return NightFailed(exits.USAGE, str(error))
    if isinstance(error, (OutputError, OSError)):
        return NightFailed(exits.NO_RESULT, str(error))
    return NightFailed(exits.NO_RESULT, f"internal error: {type(error).__name__}: {error}")


def refuse_wrong_filesystems(args: argparse.Namespace) -> None:
    """Raise NightFailed if a ROOT is not on a file system of --expect-fs: nothing is stored then."""
    unmet = list(Expectations(args).wrong_filesystems())
    if unmet:
        raise NightFailed(exits.NO_RESULT, "; ".join(f"{shown(fault.path)}: {fault.message}" for fault in unmet))


def reported_in(pages: Pages | None) -> int | None:
    """Return the number of the snapshot of the last page."""
    number = None if pages is None or pages.earlier is None else pages.earlier["night"].get("snapshot")
    return number if isinstance(number, int) else None


def refuse_store_without_sizes(path: str) -> None:
    if os.path.exists(path) and os.path.getsize(path):
        store = Store(path)
        if store.snapshots and "size" not in store.fields:
            raise OptionError(f"store {path!r} was made without sizes: give --store with another file")


def snapshot_of(args: argparse.Namespace, outcome: Outcome, store: Store) -> Snapshot:
    """Return the snapshot of a scan. Raises NightFailed if it has none, or one that was not expected."""
    if outcome.failures:
        raise NightFailed(exits.NO_RESULT, "; ".join(map(str, outcome.failures)))
    if outcome.word == "timeout":
        if outcome.message.startswith(HOURS_OVER):
            raise NightFailed(exits.OUT_OF_TIME, outcome.message)
        after = duration(args.timeout or 0)
        raise NightFailed(exits.OUT_OF_TIME, f"stopped by --timeout after {after}; the next night continues")
    if outcome.signal:
        raise NightFailed(outcome.code, f"ended by signal {outcome.signal}")
    number = outcome.stats.snapshot.get("number")
    snapshot = next((each for each in store.snapshots if each.number == number), None)
    if outcome.word in UNFINISHED or snapshot is None or snapshot.state not in FINISHED:
        faults = [fault for fault in outcome.stats.faults if fault.path in args.roots]
        reasons = [f"{shown(fault.path)}: {fault.message}" for fault in faults] or ["the scan was not finished"]
        raise NightFailed(exits.NO_RESULT, "; ".join(reasons))
    return snapshot


def paths_of(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield the paths of nodes and of all below them."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        yield node.path
        todo += node.below

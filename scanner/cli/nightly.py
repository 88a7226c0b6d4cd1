"""`scanner nightly`: one scan with everything that a nightly job needs."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from scanner.cli import exits
from scanner.cli.main import options_from
from scanner.cli.parser import make_parsers
from scanner.cli.roots import Expectations
from scanner.cli.run import UNFINISHED, Outcome, remove_old_snapshots, run_scan
from scanner.cli.scan import Collected
from scanner.errors import OptionError, OutputError, StoreError
from scanner.export.output import Output
from scanner.nightly.config import arguments_of, read_config
from scanner.nightly.history import history_of, totals
from scanner.nightly.install import Job, cron_line, systemd_script, this_program
from scanner.nightly.metrics import metrics_text
from scanner.nightly.night import Night, duration, failure_part, night_part, unreadable
from scanner.nightly.pages import Pages, refuse_missing_libraries
from scanner.nightly.ping import Pinger
from scanner.report.rules import rules_of
from scanner.report.treemap import Node, rows_of
from scanner.snapshot.prune import FINISHED, refuse_no_snapshot
from scanner.snapshot.store import Store

T = TypeVar("T")
POLL = 0.5  # seconds between two attempts to lock the store
GRAVITY = [0, 1, exits.RULE_BROKEN, exits.OUT_OF_TIME, exits.NO_RESULT, exits.USAGE]
"""Exit codes of several trees: the gravest counts."""


def nightly_command(args: argparse.Namespace, words: Sequence[str], interruption: exits.Interruption) -> int:
    trees = list(trees_of(args))
    for tree in trees:
        check(tree)
    if getattr(args, "install_cron", False) or getattr(args, "install_systemd", False):
        job = job_of(words, trees)
        print((cron_line if hasattr(args, "install_cron") else systemd_script)(job), end="")
        return exits.COMPLETE
    codes = [NightlyJob(tree, interruption).run() for tree in trees]
    return max(codes, key=lambda code: GRAVITY.index(code) if code in GRAVITY else len(GRAVITY))


def trees_of(given: argparse.Namespace) -> Iterator[argparse.Namespace]:
    """Yield the arguments of each tree: those of the command line, then those of --config, then the defaults."""
    explicit = vars(given)
    path = explicit.get("config")
    trees = {"": {}} if path is None else read_config(path)
    if explicit.get("roots") and "" not in trees:
        raise OptionError(f"--config {path!r} names the ROOTs of its trees: give none on the command line")
    for name, keys in trees.items():
        parser = make_parsers(["nightly"])[1]["nightly"]
        words = list(arguments_of(str(path), name, keys, parser.options))
        tree = argparse.Namespace(**{**vars(parser.parse_args(words)), **explicit, "command": "scan"})
        if not tree.roots:
            raise OptionError("no ROOT: give one, or a --config with [trees.NAME] and roots")
        yield with_places(tree, name, shares_to=len(trees) > 1 and "to" in explicit)


def with_places(args: argparse.Namespace, name: str, *, shares_to: bool) -> argparse.Namespace:
    """Fill in name, store and directory of the pages, where they are not given.

    `shares_to`: several trees have one --to: each gets a directory in it.
    """
    args.name = name or args.name or ", ".join(os.path.basename(os.path.abspath(root)) or root for root in args.roots)
    if args.to is None and args.store is None:
        raise OptionError("--store FILE is required: it keeps what later nights are compared with")
    if args.to is None:
        args.to = os.path.dirname(os.path.abspath(args.store))
    elif shares_to:
        args.to = os.path.join(args.to, args.name)
    if args.store is None:
        args.store = os.path.join(args.to, f"{args.name}.snap")
    return args


def check(args: argparse.Namespace) -> None:
    """Raise OptionError for wrong options, before anything is done."""
    refuse_missing_libraries()
    refuse_no_snapshot(args.keep, args.keep_within)
    Pinger(args.ping)
    rules_of(args.fail_if)
    if args.keep_pages < 1 or args.depth < 0:
        raise OptionError("--keep-pages must be a whole number of 1 or more, and --depth one of 0 or more")


def job_of(words: Sequence[str], trees: Sequence[argparse.Namespace]) -> Job:
    """Return the job that does the same each night, without the options that install it."""
    at = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", trees[0].at)
    if at is None:
        raise OptionError(f"--at {trees[0].at!r} must be a time of day, such as 02:10")
    words = [word for word in words if not word.startswith("--install-")]
    while "--at" in words:
        del words[words.index("--at") : words.index("--at") + 2]
    words = [word for word in words if not word.startswith("--at=")]
    directories = {os.path.abspath(tree.to) for tree in trees}
    directories |= {
        os.path.dirname(os.path.abspath(path)) for tree in trees for path in (tree.store, tree.prom) if path
    }
    paths = [path for tree in trees for path in (*tree.roots, tree.store, tree.to, tree.prom, tree.config) if path]
    paths += [
        path for tree in trees for path in (*tree.exclude_from, *(rule[1:] for rule in tree.fail_if if rule[0] == "@"))
    ]
    workdir = None if all(map(os.path.isabs, paths)) else os.getcwd()
    roots = [os.path.abspath(root) for tree in trees for root in tree.roots]
    name = trees[0].name if len(trees) == 1 else "trees"
    return Job([*this_program(), *words], name, roots, sorted(directories), workdir, int(at[1]), int(at[2]))


class NightlyJob:
    """The night of one tree: scan, compare, write, notify."""

    def __init__(self, args: argparse.Namespace, interruption: exits.Interruption) -> None:
        self._args, self._interruption = args, interruption
        self._began = time.time()
        self._pinger = Pinger(args.ping)

    def run(self) -> int:
        """Return the exit code of the night."""
        args = self._args
        self._ping("start")
        try:
            pages = Pages(args.to, args.name)
        except (OptionError, OutputError) as error:
            self._ping("fail", str(error))
            raise
        night, signal = self._night(pages.earlier)
        try:
            self._write(night, pages)
        except OutputError as error:
            night = night._replace(code=exits.NO_RESULT, problems=[*night.problems, str(error)])
        if night.code or not args.quiet_ok:
            print(night.line(pages.page), flush=True)
        self._ping("" if night.code in (0, 1) else "fail", night.line(pages.page))
        return exits.end_by_signal(signal) if signal else night.code

    def _night(self, earlier: dict[str, Any] | None) -> tuple[Night, int]:
        """Scan and compare. Return what the night has come to, and the signal that ended it (0: none)."""
        number, code, report = 0, exits.NO_RESULT, None
        try:
            code, problems, report = self._scan_and_compare()
        except Failed as error:
            code, problems, number = error.code, [str(error)], error.signal
        except exits.Interrupted as error:
            code, problems, number = 128 + error.number, [f"ended by signal {error.number}"], error.number
        except StoreError as error:
            code, problems = exits.STORE_CODES[error.reason], [str(error)]
        except (OptionError, OutputError, OSError) as error:
            code, problems = exits.USAGE if isinstance(error, OptionError) else exits.NO_RESULT, [str(error)]
        seconds = time.time() - self._began
        return Night(self._args.name, code, problems, earlier if report is None else report, seconds), number

    def _scan_and_compare(self) -> tuple[int, list[str], dict[str, Any]]:
        args = self._args
        rules = rules_of(args.fail_if)
        unmet = list(Expectations(args).wrong_filesystems())
        if unmet:
            raise Failed(exits.NO_RESULT, "; ".join(f"{fault.path}: {fault.message}" for fault in unmet))
        os.makedirs(os.path.dirname(os.path.abspath(args.store)), exist_ok=True)
        collected = Collected(args, names=True, sizes=True, treemap=True)
        options = collected.add_to(options_from(args))
        unpruned = argparse.Namespace(**{**vars(args), "keep": None, "keep_within": None})
        outcome = waiting_for_lock(
            lambda: run_scan(unpruned, options, collected.take, self._interruption, collected.data), args.lock_wait
        )
        store = Store(args.store)
        refuse_failed(args, outcome, store)
        history = history_of(store, rules, list(paths_of(collected.drawn)), args.depth)
        now = totals(store.snapshots[-1])
        remove_old_snapshots(args, store.path)
        broken = [verdict.message for verdict in history.verdicts if verdict.is_broken]
        assert outcome.report is not None
        report = outcome.report
        code = exits.RULE_BROKEN if broken else outcome.code
        problems = [*broken, *unreadable(report)]
        report["treemap"] = rows_of(collected.drawn, history.tree_growth)
        report["night"] = night_part(args.name, code, problems, history, store.path, now)
        if args.verbose:
            exits.print_faults(args.roots, outcome.stats, everything=True, is_reported=False)
        return code, problems, report

    def _write(self, night: Night, pages: Pages) -> None:
        args = self._args
        if night.has_result and night.report is not None:
            report = night.report
        else:
            report = night.report or {"night": {"name": args.name}}
            report["night"]["failure"] = failure_part(night.code, night.problems, time.time())
        pages.write(report, copy=night.has_result)
        pages.remove_copies(args.keep_pages)
        with Output(args.prom or os.path.join(args.to, "latest.prom")) as output:
            output.write(metrics_text(night, time.time()).encode())

    def _ping(self, signal: Any, text: str = "") -> None:
        if (failure := self._pinger.send(signal, text)) is not None:
            exits.print_message(f"the ping to {self._args.ping} failed: {failure}")


class Failed(Exception):
    """A night without a result."""

    def __init__(self, code: int, message: str, signal: int = 0) -> None:
        super().__init__(message)
        self.code, self.signal = code, signal


def refuse_failed(args: argparse.Namespace, outcome: Outcome, store: Store) -> None:
    """Raise Failed if a scan has no result, or one that was not expected."""
    if outcome.failures:
        raise Failed(exits.NO_RESULT, "; ".join(map(str, outcome.failures)))
    if outcome.word == "timeout":
        after = duration(args.timeout or 0)
        raise Failed(exits.OUT_OF_TIME, f"stopped by --timeout after {after}; the next night continues")
    if outcome.word in UNFINISHED or store.snapshots[-1].state not in FINISHED:
        faults = [fault for fault in outcome.stats.faults if fault.path in args.roots]
        reasons = [f"{fault.path}: {fault.message}" for fault in faults] or [f"ended by signal {outcome.signal}"]
        raise Failed(outcome.code if outcome.signal else exits.NO_RESULT, "; ".join(reasons), outcome.signal)


def paths_of(nodes: Sequence[Node]) -> Iterator[Any]:
    todo = list(nodes)
    while todo:
        node = todo.pop()
        yield node.path
        todo += node.below


def waiting_for_lock(work: Callable[[], T], seconds: float) -> T:
    """Return what `work` returns. While another scan uses the store, try again, for at most `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except StoreError as error:
            if error.reason != "busy" or time.monotonic() >= deadline:
                raise
        time.sleep(POLL)

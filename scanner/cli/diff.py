"""`scanner diff`: what changed between two snapshots, or between a snapshot and the tree."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from scanner.cli import exits
from scanner.cli.outputs import Outputs, refuse_same_files
from scanner.encoding import utf8_bytes
from scanner.errors import OptionError, StoreError
from scanner.export.formats import suffixes_of
from scanner.export.output import Output
from scanner.options import ScanOptions
from scanner.report.changes import Groups, Summary, grouping_by
from scanner.report.diffs import (
    DiffReport,
    as_json,
    csv_rows,
    junit,
    markdown,
    ndjson_lines,
    text_lines,
    write_parquet,
)
from scanner.report.rules import Rule, RuleCheck, rules_of
from scanner.snapshot.moments import FORMS, split_store
from scanner.snapshot.prune import FINISHED
from scanner.snapshot.store import Store, diff

if TYPE_CHECKING:
    from scanner.snapshot.diff import Change, Diff

LINES_AT_ONCE = 1000
REPEATED = "followlinks", "one_file_system", "one_mount", "gitignore", "hidden", "exclude_caches"
"""Options that --live repeats."""
Lines = Callable[[DiffReport, "Diff"], Iterable[str]]
Write = Callable[[DiffReport, "Diff", Callable[[bytes | memoryview], object]], None]


def diff_command(args: argparse.Namespace, interruption: exits.Interruption) -> int:
    rules = rules_of(args.fail_if)
    writers = [(writer_of(path, args), path) for path in args.output]
    if args.itemize and args.top is not None:
        raise OptionError("--top counts groups, which --itemize does not print: give one of them")
    if args.depth < 0 or (args.top is not None and args.top < 1):
        raise OptionError("--depth must be a whole number of 0 or more, and --top one of 1 or more")
    with contextlib.ExitStack() as stack:
        one, before, other, after = sides_of(args, stack)
        refuse_same_files({"-o": args.output}, {}, (one.path, other.path))
        outputs = stack.enter_context(Outputs(quiet=args.quiet))
        opened = [(write, outputs.open(None if path == "-" else path)) for write, path in writers]
        changes = stack.enter_context(contextlib.closing(diff(one, other, before, after)))
        report = report_of(args, rules, changes, one, before, other, after)
        for write, output in opened:
            with outputs.attempt(output):
                write(report, changes, output.write)
                output.publish()
        if not any(path == "-" for path in args.output):
            with interruption.raising(), Output(None) as stdout:
                (as_lines(json_text) if args.json else plain_text(args))(report, changes, stdout.write)
                stdout.publish()
    for failure in outputs.failures:
        exits.print_message(str(failure))
    if outputs.failures:
        return exits.NO_RESULT
    if report.broken:
        for verdict in report.broken if args.json or args.output else ():
            exits.print_message(verdict.message)
        return exits.RULE_BROKEN
    return exits.INCOMPLETE if report.unknown else exits.COMPLETE


def sides_of(args: argparse.Namespace, stack: contextlib.ExitStack) -> tuple[Store, int | str, Store, int | str]:
    """Return the store and snapshot before, and those after."""
    path, which = split_store(args.store)
    store, given = Store(path), args.snapshots
    if args.live is not None:
        if len(given) > 1 or (given and "@" in args.store):
            raise OptionError("--live is compared with one snapshot: give STORE, STORE@SNAPSHOT or STORE SNAPSHOT")
        if len(store.roots) != 1:
            raise OptionError(f"--live: store {path!r} is of several ROOTs: scan with --store, and compare")
        number = store.snapshot(given[0].removeprefix("@") if given else which).number
        return store, number, scanned(store, args.live, stack), -1
    if given and os.path.isfile(split_store(given[0])[0]):
        if len(given) > 1:
            raise OptionError("two stores are compared without further snapshots: OLD[@SNAPSHOT] NEW[@SNAPSHOT]")
        other, after = split_store(given[0])
        return store, which, Store(other), after
    names = [name.removeprefix("@") for name in given]
    for name in names:
        if not re.match("[-0-9]", name):
            raise OptionError(f"{name!r} is no file with a store, and a snapshot is {FORMS}")
    if "@" in args.store and path != args.store:
        names.insert(0, which)
    if len(names) > 2:
        raise OptionError("diff compares two snapshots: STORE [A [B]]")
    before, after = {0: ("-2", "-1"), 1: (names[0], "-1") if names else ("", ""), 2: tuple(names)}[len(names)]
    return store, before, store, after


def scanned(store: Store, root: str, stack: contextlib.ExitStack) -> Store:
    """Return a copy of a store, with another snapshot: of the tree as it is now."""
    from scanner.run import Run

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="scanner-"))
    copy = os.path.join(folder, "store")
    store.export(-1, copy)
    options = store.settings.options
    for name in options:
        if name not in REPEATED:
            raise OptionError(f"--live cannot repeat the option {name} of the scans: scan with --store, and compare")
    keywords: dict[str, Any] = {name: options[name] == "True" for name in options}
    given = ScanOptions(store=copy, restart=True, stat=store.fields, **keywords)
    own = (os.path.basename(folder),)  # which may lie below the root
    with Run([root], given._replace(own=own), monitored=False) as run:
        for _ in run.chunks():
            pass
    live = Store(copy)
    if live.snapshots[-1].state not in FINISHED:
        raise StoreError(f"{root!r} cannot be read: {next(iter(run.stats.faults)).message}", "unmounted")
    return live


def report_of(
    args: argparse.Namespace, rules: list[Rule], changes: Diff, one: Store, before: int | str, other: Store,
    after: int | str,
) -> DiffReport:  # fmt: skip
    first, last = one.snapshot(before), other.snapshot(after)
    grouping = grouping_by(args.by, other.roots, depth=args.depth, now_ns=int(last.began * 1e9))
    check = RuleCheck(rules, other.roots)
    summary, groups = Summary(), Groups(grouping)
    for change in check.watched(changes.changes(every=True)):
        summary.add(change)
        groups.add(change)
    unknown = changes.unknown
    verdicts = check.verdicts(first.bytes, unknown)
    rows = groups.largest(args.sort, args.top)
    return DiffReport(other.roots, first, last, summary, args.by, rows, unknown, verdicts)


def as_lines(lines: Lines) -> Write:
    """Return a function that writes these lines."""

    def write_lines(report: DiffReport, changes: Diff, write: Callable[[bytes | memoryview], object]) -> None:
        rest = iter(lines(report, changes))
        while some := list(islice(rest, LINES_AT_ONCE)):
            write(b"".join(map(utf8_bytes, some)))

    return write_lines


def plain_text(args: argparse.Namespace) -> Write:
    return as_lines(
        lambda report, changes: (
            line + "\n" for line in text_lines(report, changes.changes() if args.itemize else None)
        )
    )


def json_text(report: DiffReport, changes: Diff) -> Iterator[str]:
    yield as_json(report, changes)


def writer_of(path: str, args: argparse.Namespace) -> Write:
    """Return the function that writes a file. Raises OptionError."""
    suffix = "" if path == "-" else suffixes_of(path)[1]
    writers: dict[str, Write] = {
        "": as_lines(json_text) if args.json else plain_text(args),
        ".txt": plain_text(args),
        ".json": as_lines(json_text),
        ".md": as_lines(lambda report, _: [markdown(report)]),
        ".xml": as_lines(lambda report, _: [junit(report)]),
        ".ndjson": as_lines(lambda _, changes: (line + "\n" for line in ndjson_lines(changes.changes(every=True)))),
        ".csv": as_lines(lambda _, changes: csv_lines(changes.changes(every=True))),
        ".parquet": lambda _, changes, write: write_parquet(changes.changes(every=True), write),
    }
    if suffix not in writers:
        raise OptionError(f"-o {path!r}: the suffix selects the format: {', '.join(filter(None, writers))}")
    return writers[suffix]


def csv_lines(changes: Iterable[Change]) -> Iterator[str]:
    """Yield the lines of a CSV file."""
    for row in csv_rows(changes):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        yield line.getvalue()

"""`scanner snapshots`: lists, checks, prunes and exports snapshots; and `--from` of the other commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from scanner.cli import exits
from scanner.errors import OptionError
from scanner.options import ScanOptions
from scanner.report.tables import human
from scanner.snapshot.moments import split_store
from scanner.snapshot.store import Snapshot, Store

HEADS = ("number", "began", "took", "directories", "entries", "size", "read", "kept", "errors", "state")


def snapshots_command(args: argparse.Namespace) -> int:
    if not args.prune and (args.keep is not None or args.keep_within is not None):
        raise OptionError("--keep and --keep-within need --prune")
    if args.prune and args.keep is None and args.keep_within is None:
        raise OptionError("--prune needs --keep or --keep-within: without them all snapshots stay")
    store = Store(args.store)
    if args.prune:
        removed = store.prune(args.keep, args.keep_within)
        print(f"removed {removed:,} snapshots, {len(store.snapshots):,} are left")
    elif args.export:
        which, target = args.export
        store.export(which, target)
    elif args.check:
        problems = store.check()
        for problem in problems:
            exits.print_message(problem)
        return exits.INCOMPLETE if problems else exits.COMPLETE
    elif args.json:
        import json  # not needed otherwise

        json.dump([snapshot._asdict() for snapshot in store.snapshots], sys.stdout, indent=2)
        print()
    else:
        for line in table(store.snapshots):
            print(line)
    return exits.COMPLETE


def table(snapshots: list[Snapshot]) -> Iterator[str]:
    """Yield the lines of the table."""
    rows = [HEADS, *(tuple(_cells(snapshot)) for snapshot in snapshots)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(snapshot: Snapshot) -> Iterator[str]:
    from datetime import datetime  # takes 2 ms: not needed otherwise

    yield str(snapshot.number)
    yield datetime.fromtimestamp(snapshot.began).strftime("%Y-%m-%d %H:%M:%S")
    yield "" if snapshot.seconds is None else f"{snapshot.seconds:.1f} s"
    for number in (snapshot.directories, snapshot.entries):
        yield f"{number:,}"
    yield "" if snapshot.blocks is None else human(512 * snapshot.blocks)
    for number in (snapshot.read, snapshot.kept, snapshot.errors):
        yield f"{number:,}"
    yield snapshot.state


def read_from_store(args: argparse.Namespace, options: ScanOptions) -> ScanOptions:
    """Return the options of a command with --from, and set its ROOTs. Raises OptionError, StoreError."""
    for name in ("store", "expect_fs"):
        if getattr(args, name):
            raise OptionError(f"--{name.replace('_', '-')} cannot be used with --from, which does not touch the tree")
    for name in ("gitignore", "ignore_files", "exclude_caches"):
        if getattr(args, name):
            flag = "ignore-file" if name == "ignore_files" else name.replace("_", "-")
            raise OptionError(f"--{flag} cannot be used with --from: a snapshot has what its scan included")
    path, which = split_store(args.source)
    store = Store(path)
    sources = [store.source(which, root) for root in args.roots or store.roots]
    tops = tuple(top for _, source in sources for top in source.known.tops)
    args.roots = [root for root, _ in sources]
    source = sources[0][1]
    if options.followlinks and not source.followlinks:
        raise OptionError(f"--follow-links: the scans of store {path!r} did not follow symbolic links")
    known = source.known._replace(tops=tops)
    return options._replace(known=known, followlinks=source.followlinks, max_rate=None, between=None)

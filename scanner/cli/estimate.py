"""`scanner estimate`: about how large a tree is, and how long a scan of it would take."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scanner.cli import exits
from scanner.errors import OptionError, ScanCancelled
from scanner.export.output import Output
from scanner.options import ScanOptions
from scanner.report.data import shown
from scanner.report.tables import human
from scanner.units import duration

if TYPE_CHECKING:
    from scanner.estimates import Estimate
    from scanner.sampling import Range

KINDS = "directories", "entries", "bytes", "seconds"
NAME_WIDTH = 14


def estimate_command(args: argparse.Namespace, options: ScanOptions, interruption: exits.Interruption) -> int:
    if args.source is not None:
        return print_snapshot(args)
    from scanner.estimates import estimated  # with random: not needed otherwise

    with interruption.deferring():
        try:
            found = estimated(args.root, args.seconds, options, interruption)
        except ScanCancelled:
            return exits.end_by_signal(interruption.number)
    if not found.read:
        exits.print_message(f"cannot scan '{shown(args.root)}': no directory of it was read")
        return exits.NO_RESULT
    write(json_of(args.root, found) if args.json else "".join(f"{line}\n" for line in lines_of(args.root, found)))
    return exits.INCOMPLETE if found.unreadable else exits.COMPLETE


def write(text: str) -> None:
    with Output(None) as output:
        output.write(text.encode(sys.stdout.encoding or "utf-8", errors="backslashreplace"))


def json_of(root: str, found: Estimate) -> str:
    """Return the estimate as JSON: `high` null is unknown."""
    numbers: dict[str, Any] = {kind: getattr(found, kind)._asdict() for kind in KINDS}
    about = {"root": shown(root), "exact": found.is_exact, "read": found.read, "unreadable": found.unreadable}
    return json.dumps({**about, **numbers, "elapsed": round(found.elapsed, 3)}, indent=2) + "\n"


def lines_of(root: str, found: Estimate) -> Iterator[str]:
    """Yield the lines for people."""
    yield f"{'Root':{NAME_WIDTH}}{shown(root)}"
    for kind in KINDS[:2]:
        yield f"{kind.capitalize():{NAME_WIDTH}}{text_of(getattr(found, kind), lambda count: f'{count:,.0f}')}"
    yield f"{'Bytes':{NAME_WIDTH}}{text_of(found.bytes, lambda size: human(round(size)))}"
    yield f"{'Full scan':{NAME_WIDTH}}{text_of(found.seconds, duration)}, with sizes"
    what = "the whole tree" if found.is_exact else f"{found.read:,} directories"
    yield f"{'Read':{NAME_WIDTH}}{what} in {duration(found.elapsed)}"
    if found.unreadable:
        yield f"{'Unreadable':{NAME_WIDTH}}{found.unreadable:,}"


def text_of(there: Range, form: Any) -> str:
    """Return an estimate with its interval, or an exact number."""
    if there.is_exact:
        return f"{form(there.value)} (exact)"
    if there.high is None:
        return f"{form(there.low)} or more; more --seconds are needed"
    return f"about {form(there.value)} ({form(there.low)} to {form(there.high)})"


def print_snapshot(args: argparse.Namespace) -> int:
    """Print the figures of a snapshot: nothing is read."""
    from datetime import datetime

    from scanner.snapshot.moments import split_store
    from scanner.snapshot.store import Store

    if args.root is not None:
        raise OptionError("ROOT cannot be given with --from: the figures are those of the whole snapshot")
    path, which = split_store(args.source)
    snapshot = Store(path).snapshot(which)
    if args.json:
        write(json.dumps({"store": shown(path), **snapshot._asdict()}, indent=2) + "\n")
        return exits.COMPLETE
    began = datetime.fromtimestamp(snapshot.began).strftime("%Y-%m-%d %H:%M:%S")
    rows = {
        "Snapshot": f"{snapshot.number} of {shown(path)}, {began}",
        "Directories": f"{snapshot.directories:,}",
        "Entries": f"{snapshot.entries:,}",
        "Bytes": "not stored" if snapshot.bytes is None else human(snapshot.bytes),
        "Scan": "unknown" if snapshot.seconds is None else f"took {duration(snapshot.seconds)}",
    }
    write("".join(f"{name:{NAME_WIDTH}}{value}\n" for name, value in rows.items()))
    return exits.COMPLETE

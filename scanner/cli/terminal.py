"""Output on a terminal: the progress line, and colours."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from scanner.export.output import STDOUT
from scanner.report.data import shown
from scanner.run import Run

if TYPE_CHECKING:
    from scanner.snapshot.scan import SnapshotBefore

CONTROLLING_TERMINAL = "/dev/tty"  # has a device number of its own, whichever terminal it is
BOLD, RED, GREEN, YELLOW, END = "\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"
OUTCOMES = {"complete": GREEN, "incomplete": YELLOW, "timeout": YELLOW, "interrupted": YELLOW, "failed": RED}


def shows_progress(args: argparse.Namespace) -> bool:
    """Return whether stderr is a terminal to which nothing else is written during the scan."""
    if sys.stderr is None or not sys.stderr.isatty() or args.quiet or args.progress is False:
        return False
    terminal = os.fstat(sys.stderr.fileno()).st_rdev
    return terminal not in _terminals_written(args)


def _terminals_written(args: argparse.Namespace) -> Iterator[int]:
    """Yield the terminals that get output during the scan: only `du` and `list` write before its end."""
    outputs = {"list": getattr(args, "output", None) or ["-"], "du": ["-"]}.get(args.command, [])
    for output in outputs:
        if output == CONTROLLING_TERMINAL:
            yield os.fstat(sys.stderr.fileno()).st_rdev
        with contextlib.suppress(OSError, ValueError):  # a new file, so no terminal
            status = os.fstat(STDOUT) if output == "-" else os.stat(output)
            if stat.S_ISCHR(status.st_mode):
                yield status.st_rdev
            elif not (stat.S_ISREG(status.st_mode) or args.progress):  # a pipe may end on the terminal
                yield os.fstat(sys.stderr.fileno()).st_rdev


def progress_line(run: Run) -> contextlib.AbstractContextManager[object]:
    """Return a context in which the progress of the scan is shown on stderr."""
    from scanner.progress import Expected, ProgressLine, Seen  # with rich: only on a terminal

    stats, monitor = run.stats, run.monitor

    def look() -> Seen:
        done, known = run.progress
        seconds, path = run.engine.longest_wait()
        return Seen(
            done, known, stats.entries, monitor.memory if monitor is not None else 0,
            shown(stats.last_directory) if stats.last_directory else "", (seconds, shown(path) if path else ""),
            run.engine.paused_until,
        )  # fmt: skip

    before = run.snapshot.before if run.snapshot is not None else None
    line = ProgressLine(look, Expected(before.entries, _name_of(before, time.time())) if before is not None else None)
    run.at_each_turn = line.update
    return line


def _name_of(before: SnapshotBefore, now: float) -> str:
    return "last night's" if 12 * 3600 <= now - before.began <= 36 * 3600 else f"snapshot {before.number}'s"


def colours_wanted(stream: TextIO | None) -> bool:
    """Return whether `stream` is a terminal with colours, and NO_COLOR (https://no-color.org) is unset."""
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return stream.isatty()


def painted(text: str) -> str:
    """Return the text report with bold names and titles, and with the outcome in its colour."""
    from scanner.report.text import NAME_WIDTH  # only for a printed report

    fact = re.compile(rf"(?P<name>\S.{{{NAME_WIDTH - 1}}})(?P<value>\S.*)")
    return "".join(_painted_line(line, fact.match(line)) for line in text.splitlines(keepends=True))


def _painted_line(line: str, fact: re.Match[str] | None) -> str:
    if line.startswith("Errors:"):
        return f"{RED}{line[:-1]}{END}\n"
    if fact and fact["name"].endswith("  "):
        value = fact["value"]
        if fact["name"].startswith(("Outcome ", "Errors ", "Incidents ")):
            value = f"{OUTCOMES.get(value, '' if value == 'none' else YELLOW)}{value}{END}"
        return f"{BOLD}{fact['name']}{END}{value}\n"
    if line[:1].strip() and line.endswith(":\n"):
        return f"{BOLD}{line[:-1]}{END}\n"
    return line

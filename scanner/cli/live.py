"""The progress line: shown where a person sees it, and where no output is written between its updates."""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
from collections.abc import Iterator

from scanner.export.output import STDOUT
from scanner.report.data import shown
from scanner.run import Run

CONTROLLING_TERMINAL = "/dev/tty"  # a device of its own, whichever terminal that is


def shows_progress(args: argparse.Namespace) -> bool:
    """Whether standard error is a terminal to which nothing else is written during the scan."""
    if sys.stderr is None or not sys.stderr.isatty() or args.quiet or args.progress is False:
        return False
    terminal = os.fstat(sys.stderr.fileno()).st_rdev
    return terminal not in _terminals_written(args)


def _terminals_written(args: argparse.Namespace) -> Iterator[int]:
    """Devices that get output while the scan runs: `du` and `list` write as they go, the others at the end."""
    outputs = {"list": getattr(args, "output", None) or ["-"], "du": ["-"]}.get(args.command, [])
    for output in outputs:
        if output == CONTROLLING_TERMINAL:
            yield os.fstat(sys.stderr.fileno()).st_rdev
        with contextlib.suppress(OSError, ValueError):  # not there yet, so no terminal
            status = os.fstat(STDOUT) if output == "-" else os.stat(output)
            if stat.S_ISCHR(status.st_mode):
                yield status.st_rdev
            elif not (stat.S_ISREG(status.st_mode) or args.progress):  # a pipe may end on the terminal
                yield os.fstat(sys.stderr.fileno()).st_rdev


def progress_of(args: argparse.Namespace, run: Run) -> contextlib.AbstractContextManager[object]:
    """The line for one scan, or nothing."""
    if not shows_progress(args):
        return contextlib.nullcontext()
    from scanner.progress import ProgressLine

    monitor = run.monitor
    line = ProgressLine(run.stats, lambda: monitor.memory if monitor is not None else 0, shown)
    run.show_progress(line.update)
    return line

"""`scanner why`: whether a scan shows something, and if not, why."""

from __future__ import annotations

import argparse
import os

from scanner.cli import exits
from scanner.export.output import Output
from scanner.kernel.why import why
from scanner.options import ScanOptions
from scanner.report.data import shown


def why_command(args: argparse.Namespace, options: ScanOptions) -> int:
    answer = why(args.root, args.path, options)
    if not answer.known:
        exits.say(f"'{shown(args.path)}': {answer.reason}")
        return exits.NO_RESULT
    shows = answer.reason is None
    line = f"in: {shown(args.path)}" if shows else f"out: {shown(args.path)}: {answer.reason}"
    with Output(None) as output:
        output.write(os.fsencode(f"{line}\n"))
    return exits.COMPLETE if shows else exits.INCOMPLETE

"""`scanner why`: whether a scan shows something, and if not, why."""

from __future__ import annotations

import argparse

from scanner.cli import exits
from scanner.kernel.why import why
from scanner.options import ScanOptions
from scanner.report.data import shown


def why_command(args: argparse.Namespace, options: ScanOptions) -> int:
    answer = why(args.root, args.path, options)
    if answer.reason is None:
        print(f"in: {shown(args.path)}")
        return exits.COMPLETE
    if not answer.known:
        exits.say(f"'{shown(args.path)}': {answer.reason}")
        return exits.NO_RESULT
    print(f"out: {shown(args.path)}: {answer.reason}")
    return exits.INCOMPLETE

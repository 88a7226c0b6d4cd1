"""`scanner why`: prints whether a scan includes a path, and if not, why."""

from __future__ import annotations

import argparse
import sys

from scanner.cli import exits
from scanner.export.output import Output
from scanner.kernel.why import why
from scanner.options import ScanOptions
from scanner.report.data import one_line, shown


def why_command(args: argparse.Namespace, options: ScanOptions) -> int:
    answer = why(args.root, args.path, options)
    reason = one_line(answer.reason or "")
    if not answer.known:
        exits.print_message(f"'{shown(args.path)}': {reason}")
        return exits.NO_RESULT
    line = f"in: {shown(args.path)}" if answer.is_included else f"out: {shown(args.path)}: {reason}"
    with Output(None) as output:
        output.write(f"{line}\n".encode(sys.stdout.encoding or "utf-8", errors="backslashreplace"))
    return exits.COMPLETE if answer.is_included else exits.INCOMPLETE

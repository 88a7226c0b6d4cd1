"""`scanner list`: the paths, as bytes, in walk order."""

from __future__ import annotations

import argparse

from scanner.cli.exits import Interruption
from scanner.cli.run import conclude, refuse_shared, run_scan
from scanner.export.output import Output
from scanner.model import Chunk
from scanner.options import ScanOptions


class Unfinished(Exception):
    """The list is not whole, so the file must not appear."""


def list_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    refuse_shared("-o, --errors", [args.output, args.errors])
    output = Output(args.output if args.output != "-" else None)

    def take(chunk: Chunk) -> None:
        with interruption.raising():
            output.write(chunk.output)

    try:
        with output:
            outcome = run_scan(args, options, take, interruption, monitored=False)
            if outcome.word in ("timeout", "interrupted", "failed"):
                raise Unfinished
    except Unfinished:
        pass
    return conclude(args, outcome)

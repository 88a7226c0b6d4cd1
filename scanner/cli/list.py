"""`scanner list`: the paths, as bytes, in walk order."""

from __future__ import annotations

import argparse
import os

from scanner.cli.exits import Interruption
from scanner.cli.run import conclude, run_scan
from scanner.errors import OptionError
from scanner.export.output import Output
from scanner.model import Chunk
from scanner.options import ScanOptions


class Unfinished(Exception):
    """The list is not whole, so the file must not appear."""


def list_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    if args.output and args.errors and os.path.realpath(args.output) == os.path.realpath(args.errors):
        raise OptionError("-o, --errors: two outputs cannot go to one file")
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

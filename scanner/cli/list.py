"""`scanner list`: the entries, in walk order, in the formats that are asked for."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from functools import partial

from scanner.cli.exits import Interruption
from scanner.cli.run import Unfinished, conclude, refuse_shared, run_scan
from scanner.errors import OptionError
from scanner.export.formats import Target, targets_of
from scanner.export.output import Output
from scanner.export.writers import Writer, writer_of
from scanner.kernel.sinks.base import apart
from scanner.model import Chunk
from scanner.options import ScanOptions, SinkSpec


def list_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    refuse_shared("-o, --errors", [*(args.output or ["-"]), args.errors])
    end = b"\0" if args.null else b"\n"
    targets = targets_of(args.output, args.format, args.fields, args.template, end, len(args.roots))
    if any(target.format == "ncdu" for target in targets):
        refuse_selection(args)
    sinks = tuple(dict.fromkeys(target.sink for target in targets))
    asked = {field for target in targets for field in target.fields}
    options = options._replace(sinks=sinks, stat=tuple(asked))
    try:
        with contextlib.ExitStack() as stack:
            writers = [(target, _open(target, args.roots, stack, interruption)) for target in targets]
            outcome = run_scan(args, options, partial(_take, sinks, writers), interruption, monitored=False)
            if outcome.word in ("timeout", "interrupted", "failed"):
                raise Unfinished
            for _, writer in writers:
                writer.finish()
    except Unfinished:
        pass
    return conclude(args, outcome)


def _open(target: Target, roots: Sequence[str], stack: contextlib.ExitStack, interruption: Interruption) -> Writer:
    output = stack.enter_context(Output(target.path, named=target.format == "sqlite"))

    def write(body: bytes | memoryview) -> None:
        with interruption.raising():
            output.write(body)

    return writer_of(target, output, write, roots)


def _take(sinks: Sequence[SinkSpec], writers: Sequence[tuple[Target, Writer]], chunk: Chunk) -> None:
    if chunk.output:
        outputs = dict(zip(sinks, apart(chunk.output, len(sinks)), strict=True))
        for target, writer in writers:
            writer.take(outputs[target.sink])


def refuse_selection(args: argparse.Namespace) -> None:
    """Raise OptionError if directories may be missing that others are in."""
    for name in ("include", "min_depth", "types", "size", "newer", "older"):
        if getattr(args, name):
            flag = "--type" if name == "types" else "--" + name.replace("_", "-")
            raise OptionError(f"{flag} is not for --format ncdu: its tree is whole; --exclude is")

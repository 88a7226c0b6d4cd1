"""`scanner list`: the entries, in walk order, in the formats that are asked for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

from scanner import __version__
from scanner.cli import exits
from scanner.cli.exits import Interruption
from scanner.cli.outputs import Outputs
from scanner.cli.run import UNFINISHED, conclude, run_scan
from scanner.errors import OptionError, OutputError
from scanner.export.formats import Target, targets_of
from scanner.export.output import Output
from scanner.export.writers import Writer, writer_of
from scanner.kernel.sinks.base import apart
from scanner.model import Chunk
from scanner.options import ScanOptions, SinkSpec
from scanner.report.data import scan_record


class Written(NamedTuple):
    """One output under way."""

    target: Target
    output: Output
    writer: Writer


def list_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    end = b"\0" if args.null else b"\n"
    targets = targets_of(
        args.output, args.format, args.fields, args.template, end, len(args.roots), trailer=args.trailer
    )
    if any(target.format == "ncdu" for target in targets):
        refuse_selection(args)
    sinks = tuple(dict.fromkeys(target.sink for target in targets))
    asked = {field for target in targets for field in target.fields}
    options = options._replace(sinks=sinks, stat=tuple(asked))
    roots = list(args.roots)
    with Outputs(quiet=args.quiet) as outputs:
        written = [each for target in targets for each in _opened(target, roots, outputs, interruption)]
        if not (written or args.errors or args.report):
            return _ended_by(BrokenPipeError(), outputs.failures)
        try:
            take = partial(_take, sinks, written, outputs)
            outcome = run_scan(args, options, take, interruption)
        except (OutputError, BrokenPipeError) as error:
            return _ended_by(error, outputs.failures)
        if outcome.word not in UNFINISHED:
            record = cache(partial(scan_record, roots, outcome.word, outcome.stats, __version__))
            for each in written:
                with outputs.attempt(each.output):
                    each.writer.finish(record)
                    each.output.publish()
    return conclude(args, outcome.with_failures(outputs.failures))


def _ended_by(error: OutputError | BrokenPipeError, failures: list[OutputError]) -> int:
    """The exit code where no output is left. Raises BrokenPipeError if that is nobody's failure."""
    if isinstance(error, OutputError):
        failures = [*(failure for failure in failures if failure is not error), error]
    elif not failures:
        raise error
    for failure in failures:
        exits.print_message(str(failure))
    return exits.NO_RESULT


def _opened(target: Target, roots: Sequence[str], outputs: Outputs, interruption: Interruption) -> Iterator[Written]:
    """Nothing where a head cannot be written. Raises OutputError where the output cannot be opened."""
    output = outputs.open(target.path, named=target.format == "sqlite")

    def write(body: bytes | memoryview) -> None:
        with interruption.raising():
            output.write(body)

    with outputs.attempt(output):
        yield Written(target, output, writer_of(target, output, write, roots))


def _take(sinks: Sequence[SinkSpec], written: list[Written], outputs: Outputs, chunk: Chunk) -> None:
    """Pass the Chunk to every output, with the bytes made for it. An output that fails is dropped; the last raises."""
    made = dict(zip(sinks, apart(chunk.output, len(sinks)), strict=True))
    for each in tuple(written):
        try:
            each.writer.take(chunk, made[each.target.sink])
        except (OutputError, BrokenPipeError) as error:
            outputs.discard(each.output, error)
            written.remove(each)
            if not written:
                raise


def refuse_selection(args: argparse.Namespace) -> None:
    """Raise OptionError if directories may be missing that others are in."""
    for name in ("include", "min_depth", "types", "size", "newer", "older"):
        if getattr(args, name):
            flag = "--type" if name == "types" else "--" + name.replace("_", "-")
            raise OptionError(f"{flag} is not for --format ncdu: its tree is whole; --exclude is")

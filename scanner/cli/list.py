"""`scanner list`: writes the entries, in walk order, in one or several formats."""

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
from scanner.export.formats import OutputSpec, output_specs
from scanner.export.output import Output
from scanner.export.writers import Writer, writer_of
from scanner.fields import stat_fields
from scanner.kernel.native import Native, native
from scanner.kernel.producers.base import apart
from scanner.model import Chunk
from scanner.options import SELECTING, ProducerSpec, ScanOptions, flag_of
from scanner.report.data import scan_record


class ListOutput(NamedTuple):
    """One output in progress."""

    spec: OutputSpec
    output: Output
    writer: Writer


def list_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    end = b"\0" if args.null else b"\n"
    specs = output_specs(
        args.output, args.format, args.fields, args.template, end, len(args.roots), trailer=args.trailer
    )
    if any(spec.format == "ncdu" for spec in specs):
        refuse_selection(args)
    producers = tuple(dict.fromkeys(spec.producer for spec in specs))
    fields = stat_fields([field for spec in specs for field in spec.fields])
    options = options._replace(producers=producers, stat=fields)
    if options.reads_targets and (args.store or args.source):
        raise OptionError("--fields target, --template {target}: a snapshot has no targets; not with --store or --from")
    if options.known is not None:  # before anything is written
        from scanner.kernel.known import refuse_missing

        refuse_missing(options)
    roots = list(args.roots)
    with Outputs(quiet=args.quiet) as outputs:
        compiled = None if options.pure else native()
        opened = [each for spec in specs for each in _open_output(spec, roots, outputs, interruption, compiled)]
        if not (opened or args.errors or args.report):
            return _exit_without_outputs(BrokenPipeError(), outputs.failures)
        try:
            deliver = partial(_deliver_chunk, producers, opened, outputs)
            outcome = run_scan(args, options, deliver, interruption)
        except (OutputError, BrokenPipeError) as error:
            return _exit_without_outputs(error, outputs.failures)
        if outcome.word not in UNFINISHED:
            record = cache(partial(scan_record, roots, outcome.word, outcome.stats, __version__))
            for each in opened:
                with outputs.attempt(each.output):
                    each.writer.finish(record)
                    each.output.publish()
    return conclude(args, outcome.with_failures(outputs.failures))


def _exit_without_outputs(error: OutputError | BrokenPipeError, failures: list[OutputError]) -> int:
    """Return the exit code where every output has failed. Raises BrokenPipeError if all were closed pipes."""
    if isinstance(error, OutputError):
        failures = [*(failure for failure in failures if failure is not error), error]
    elif not failures:
        raise error
    for failure in failures:
        exits.print_message(str(failure))
    return exits.NO_RESULT


def _open_output(
    spec: OutputSpec, roots: Sequence[str], outputs: Outputs, interruption: Interruption, compiled: Native | None
) -> Iterator[ListOutput]:
    """Yield the opened output, or nothing if its head cannot be written. Raises OutputError if it cannot be opened."""
    output = outputs.open(spec.path, named=spec.format == "sqlite")

    def write(body: bytes | memoryview) -> None:
        with interruption.raising():
            output.write(body)

    with outputs.attempt(output):
        yield ListOutput(spec, output, writer_of(spec, output, write, roots, compiled))


def _deliver_chunk(producers: Sequence[ProducerSpec], opened: list[ListOutput], outputs: Outputs, chunk: Chunk) -> None:
    """Pass the Chunk to every output, with the bytes made for it. An output that fails is dropped; the last raises."""
    made = dict(zip(producers, apart(chunk.output, len(producers)), strict=True))
    for each in tuple(opened):
        try:
            each.writer.write_chunk(chunk, made[each.spec.producer])
        except (OutputError, BrokenPipeError) as error:
            outputs.discard(each.output, error)
            opened.remove(each)
            if not opened:
                raise


def refuse_selection(args: argparse.Namespace) -> None:
    """Raise OptionError for options that may drop a directory but not its content: ncdu's tree has no such gaps."""
    for name in SELECTING:
        if getattr(args, name):
            raise OptionError(f"{flag_of(name)} cannot be used with --format ncdu; use --exclude")

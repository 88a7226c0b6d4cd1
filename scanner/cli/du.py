"""`scanner du`: prints the disk usage of directories, with the figures and options of GNU du."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any, Protocol

from scanner.cli import exits
from scanner.cli.blocks import count_formatter, size_formatter, threshold_of, unit_of, whole_number
from scanner.cli.lines import Document, Figures, Lines, Row, Style, Usage
from scanner.cli.run import Outcome, conclude, run_scan
from scanner.cli.times import time_field, time_formatter
from scanner.errors import OptionError
from scanner.export.output import Output
from scanner.fields import Field
from scanner.model import Chunk
from scanner.options import ProducerSpec, ScanOptions
from scanner.usage import Counting, places_of

INEFFECTIVE = "warning: --apparent-size and -b are ineffective with --inodes"


class Consumer(Protocol):
    """Takes what the producer makes of the fields, in walk order, and prints it at once or at the end."""

    producer: ProducerSpec
    fields: tuple[str, ...]

    def take(self, output: bytes | memoryview) -> None: ...
    def finish(self, outcome: str, *, is_whole: bool) -> None: ...


def du_command(args: argparse.Namespace, options: ScanOptions, interruption: exits.Interruption) -> int:
    style, time = style_of(args), chosen_time(args)
    several = len(args.roots) > 1 or args.files_from is not None
    given = list(args.roots)
    counting = Counting(args.count_links, args.dereference, hashes_all=several)
    places, options = places_of(args.roots, options, counting)
    args.roots = places.scanned
    with Output(None) as output:
        consumer: Consumer
        if args.by is not None:
            from scanner.cli.by import GroupTable  # not needed otherwise

            consumer = GroupTable(args, given, places, style.depth, output)
        elif args.json:
            consumer = Usage(style, places, time, Document(output, given, with_time=args.time is not None))
        else:
            consumer = Usage(style, places, time, Lines(style, output, with_total=args.total))
        options = options._replace(producers=(consumer.producer,), stat=consumer.fields)
        outcome = print_usage(args, options, interruption, consumer)
    code = exits.INCOMPLETE if outcome.code == exits.NO_RESULT and places.files else outcome.code
    return conclude(args, outcome._replace(code=code or int(args.wrong_names)))


def print_usage(
    args: argparse.Namespace, options: ScanOptions, interruption: exits.Interruption, consumer: Consumer
) -> Outcome:
    """Scan, and print what the consumer makes of it."""
    if args.inodes and args.apparent_size and not args.quiet:
        exits.print_message(INEFFECTIVE)

    def take(chunk: Chunk) -> None:
        with interruption.raising():
            consumer.take(chunk.output)

    outcome = run_scan(args, options, take, interruption)
    consumer.finish(outcome.word, is_whole=outcome.word not in ("timeout", "interrupted"))
    return outcome


def chosen_time(args: argparse.Namespace) -> Field | None:
    """Return the field whose latest value is needed. Raises OptionError."""
    time = time_field(args.time)
    if args.sort == "mtime" and time not in (None, "mtime_ns"):
        raise OptionError(f"--sort mtime and --time={args.time}: only one time can be used")
    return "mtime_ns" if args.sort == "mtime" else time


def style_of(args: argparse.Namespace) -> Style:
    """Return how to print. Raises OptionError for options that contradict each other."""
    depth = shown_depth(args)
    if args.all and args.summarize:
        raise OptionError("-a and -s: give only one of them")
    if args.top is not None and args.top < 1:
        raise OptionError(f"--top must be a whole number of 1 or more, not {args.top}")
    if args.json and (args.null or args.block_size not in (None, "1")):
        raise OptionError("--json has bytes, and no lines: -0, -h, -B and other units cannot be used with it")
    value = value_of(args)
    formatted = (count_formatter if args.inodes else size_formatter)(unit_of(args.block_size))
    moment = time_formatter(args.time_style) if args.time is not None else None
    end = b"\0" if args.null else b"\n"
    passes = threshold_of(args.threshold)
    order = order_of(args, value)
    return Style(value, formatted, moment, passes, depth, args.all, args.separate_dirs, order, args.top, end)


def shown_depth(args: argparse.Namespace) -> int | None:
    """Return the levels to print; None: all. Raises OptionError."""
    depth = None
    if args.shown_depth is not None:
        depth = whole_number(args.shown_depth)
        if depth is None:
            raise OptionError(f"-d must be a whole number of 0 or more, not {args.shown_depth!r}")
    if args.summarize and depth:
        raise OptionError(f"-s and -d {depth}: -s prints no level below ROOT; give only one of them")
    return 0 if args.summarize else depth


def value_of(args: argparse.Namespace) -> Callable[[Figures], int]:
    """Return the function that selects the figure to print."""
    if args.inodes:
        return lambda figures: figures.entries
    return (lambda figures: figures.size) if args.apparent_size else (lambda figures: figures.disk)


def order_of(args: argparse.Namespace, value: Callable[[Figures], int]) -> Callable[[Row], Any] | None:
    """Return the key by which rows are sorted; None: they are not."""
    size: Callable[[Figures], int] = (lambda f: f.size) if args.apparent_size else (lambda f: f.disk)
    orders: dict[str | None, Callable[[Row], Any]] = {
        "size": lambda row: -size(row.figures),
        "name": lambda row: os.fsencode(row.path),
        "count": lambda row: -row.figures.entries,
        "mtime": lambda row: -(row.figures.latest_ns or 0),
    }
    if args.sort is None:
        return None if args.top is None else lambda row: -value(row.figures)
    return orders[args.sort]

"""`scanner du`: prints the disk usage of directories, with the figures and options of GNU du."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from scanner.cli import exits
from scanner.cli.blocks import count_formatter, size_formatter, threshold_of, unit_of, whole_number
from scanner.cli.lines import Document, Figures, Lines, Row, Style, Usage
from scanner.cli.run import conclude, run_scan
from scanner.cli.times import time_field, time_formatter
from scanner.errors import OptionError
from scanner.export.formats import SIZES_FIELDS
from scanner.export.output import Output
from scanner.fields import Field
from scanner.model import Chunk
from scanner.options import ScanOptions
from scanner.usage import Counting, Places, places_of

INEFFECTIVE = "warning: --apparent-size and -b are ineffective with --inodes"


def du_command(args: argparse.Namespace, options: ScanOptions, interruption: exits.Interruption) -> int:
    style, time = style_of(args), chosen_time(args)
    several = len(args.roots) > 1 or args.files_from is not None
    given = list(args.roots)
    counting = Counting(args.count_links, args.dereference, hashes_all=several)
    places, options = places_of(args.roots, options, counting)
    args.roots = places.scanned
    levels = 0 if not args.all else sys.maxsize if style.depth is None else style.depth
    producer = places.sizes(None if style.separate else style.depth, time, levels)
    options = options._replace(producers=(producer,), stat=(*SIZES_FIELDS, *([time] if time else [])))
    if args.inodes and args.apparent_size and not args.quiet:
        exits.print_message(INEFFECTIVE)
    with Output(None) as output:
        printer = Document(style, output, given) if args.json else Lines(style, output, with_total=args.total)
        return print_usage(args, options, interruption, Usage(style, places, printer), places, time)


def print_usage(
    args: argparse.Namespace, options: ScanOptions, interruption: exits.Interruption, usage: Usage, places: Places,
    time: Field | None,
) -> int:  # fmt: skip
    """Scan, print, and return the exit code."""
    tree = places.tree(time)

    def take(chunk: Chunk) -> None:
        with interruption.raising():
            usage.add(tree.add(chunk.output))

    outcome = run_scan(args, options, take, interruption)
    is_whole = outcome.word not in ("timeout", "interrupted")
    if is_whole:
        usage.add(tree.finish())
    usage.finish(outcome.word, is_whole=is_whole)
    code = exits.INCOMPLETE if outcome.code == exits.NO_RESULT and places.files else outcome.code
    return conclude(args, outcome._replace(code=code or int(args.wrong_names)))


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
    return Style(value, formatted, moment, passes, depth, args.separate_dirs, order_of(args, value), args.top, end)


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

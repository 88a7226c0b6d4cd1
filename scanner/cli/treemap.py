"""`scanner treemap`: draws the disk usage of directories."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from scanner.cli.exits import Interruption
from scanner.cli.outputs import Outputs
from scanner.cli.roots import refuse_shared_directories
from scanner.cli.run import UNFINISHED, conclude, run_scan
from scanner.errors import OptionError
from scanner.export.formats import SIZES_FIELDS, suffixes_of
from scanner.export.tree import Tree
from scanner.model import Chunk
from scanner.options import ProducerSpec, ScanOptions
from scanner.report.data import shown
from scanner.report.drawing import treemap_svg
from scanner.report.treemap import Row, Treemap, rows_of


def treemap_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    if args.most < 1:
        raise OptionError(f"--most must be a whole number of 1 or more, not {args.most}")
    if args.source is None:
        refuse_shared_directories(args.roots)
    write = _writer_of(args.output)
    treemap, tree = Treemap(args.roots, args.most), Tree(args.roots)

    def take(chunk: Chunk) -> None:
        for total in tree.add(chunk.output):
            treemap.add(total)

    options = options._replace(producers=(ProducerSpec("sizes", (None, False)),), stat=SIZES_FIELDS)
    with Outputs(quiet=args.quiet) as outputs:
        output = outputs.open(args.output)
        outcome = run_scan(args, options, take, interruption)
        if outcome.word not in UNFINISHED:
            for total in tree.finish():
                treemap.add(total)
            with outputs.attempt(output):
                output.write(write(args, rows_of(treemap.nodes())).encode())
                output.publish()
    return conclude(args, outcome.with_failures(outputs.failures))


def _writer_of(path: str) -> Callable[[argparse.Namespace, list[Row]], str]:
    _, suffix = suffixes_of(path)
    if suffix == ".svg":
        return lambda _, rows: treemap_svg(rows)
    if suffix == ".html":
        return _page
    raise OptionError(f"-o {path!r}: the suffix selects the format, and must be one of .svg, .html")


def _page(args: argparse.Namespace, rows: list[Row]) -> str:
    from scanner.report.html import html_treemap  # its libraries take a second and memory: only after the scan

    return html_treemap(rows, f"Disk usage of {', '.join(map(shown, args.roots))}")

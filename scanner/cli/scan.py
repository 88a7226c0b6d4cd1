"""`scanner scan`: counts, and the report."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scanner import __version__
from scanner.cli.exits import Interruption
from scanner.cli.paint import colours_wanted, painted
from scanner.cli.run import conclude, refuse_shared, run_scan
from scanner.export.output import Output
from scanner.kernel.sinks.base import apart
from scanner.model import Chunk
from scanner.mounts import filesystem_type
from scanner.options import ScanOptions, SinkSpec
from scanner.report.data import report_data
from scanner.report.formats import json_report, writer_of
from scanner.report.text import text_report

if TYPE_CHECKING:
    from scanner.report.names import Names
    from scanner.report.sizes import Sizes
    from scanner.report.treemap import Treemap


def scan_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    formats = [(writer_of(path), path) for path in args.report]
    refuse_shared("--report, --errors", [*args.report, args.errors])
    roots = list(args.roots)
    collected = Collected(args)
    data: dict[str, Any] | None = None
    try:
        with contextlib.ExitStack() as stack:
            reports = [(write, stack.enter_context(Output(path))) for write, path in formats]
            filesystems = [filesystem_type(root) for root in roots]
            outcome = run_scan(args, collected.asking(options), collected.take, interruption, monitored=True)
            data = report_data(roots, outcome.word, outcome.stats, filesystems, __version__, **collected.data())
            for write, output in reports:
                output.write(write(data, collected.treemap).encode())
    finally:
        if data is not None:  # also when it cannot be written: nothing that was found is lost
            _print(json_report(data) if args.json else text_report(data), colours=not args.json)
    return conclude(args, outcome)


class Collected:
    """What the report tells beside statistics, made of Chunks: of names where somebody reads more than the few lines of
    the terminal; of sizes where they are asked for.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.treemap: Treemap | None = None
        self._names: Names | None = None
        self._sizes: Sizes | None = None
        if args.report or args.json:
            from scanner.report.names import Names  # not needed otherwise

            self._names = Names()
        if args.sizes:
            from scanner.report.sizes import Sizes  # not needed otherwise

            if any(path.endswith(".html") for path in args.report):
                from scanner.report.treemap import Treemap  # not needed otherwise

                self.treemap = Treemap(args.roots)
            self._sizes = Sizes(args.roots, self.treemap)

    @property
    def _sinks(self) -> Sequence[SinkSpec]:
        return (*(self._names.SINKS if self._names else ()), *(self._sizes.sinks if self._sizes else ()))

    def asking(self, options: ScanOptions) -> ScanOptions:
        """The options with what is to be asked for this, and counted in the workers."""
        fields = self._sizes.FIELDS if self._sizes else ()
        return options._replace(stat=fields, sinks=tuple(self._sinks))

    def take(self, chunk: Chunk) -> None:
        if not chunk.output:
            return
        outputs = list(apart(chunk.output, len(self._sinks)))
        if self._names:
            self._names.take(outputs.pop(0))
        if self._sizes:
            self._sizes.take(*outputs)

    def data(self) -> dict[str, Any]:
        parts = {"names": self._names, "sizes": self._sizes}
        return {name: part.data() for name, part in parts.items() if part}


def _print(text: str, *, colours: bool) -> None:
    """In colour, where that is wanted and can be seen."""
    text = painted(text) if colours and colours_wanted(sys.stdout) else text
    with Output(None) as output:
        output.write(text.encode(sys.stdout.encoding or "utf-8", errors="backslashreplace"))

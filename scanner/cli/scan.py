"""`scanner scan`: counts, and the report."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scanner import __version__
from scanner.cli.exits import Interruption
from scanner.cli.outputs import Outputs
from scanner.cli.paint import colours_wanted, painted
from scanner.cli.roots import refuse_shared_directories
from scanner.cli.run import conclude, interrupted_late, refuse_shared, run_scan
from scanner.export.output import Output
from scanner.kernel.sinks.base import apart
from scanner.model import Chunk
from scanner.mounts import filesystem_type
from scanner.options import ScanOptions, SinkSpec
from scanner.report.data import report_data
from scanner.report.formats import json_report, takes_longest, writer_of
from scanner.report.text import text_report

if TYPE_CHECKING:
    from scanner.report.names import NameReport
    from scanner.report.sizes import SizeReport
    from scanner.report.treemap import Treemap


def scan_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    formats = [(writer_of(path), path) for path in sorted(args.report, key=takes_longest)]
    refuse_shared("--report, --errors", [*args.report, args.errors])
    roots = list(args.roots)
    collected = Collected(args)
    data: dict[str, Any] | None = None
    try:
        with Outputs(quiet=args.quiet) as outputs:
            reports = [(write, outputs.open(path)) for write, path in formats]
            filesystems = [filesystem_type(root) for root in roots]
            with interruption.deferring():  # reports of a long scan are not lost because somebody ends it now
                outcome = run_scan(args, collected.asking(options), collected.take, interruption, monitored=True)
                data = report_data(roots, outcome.word, outcome.stats, filesystems, __version__, **collected.data())
                for write, output in reports:
                    with outputs.attempt(output):
                        output.write(write(data, collected.treemap).encode())
                        output.publish()
            outcome = interrupted_late(outcome, interruption).without(outputs.failures)
    finally:
        if data is not None:  # also when it cannot be written: nothing that was found is lost
            _print(data, as_json=args.json)
    return conclude(args, outcome)


class Collected:
    """What the report tells beside statistics, made of Chunks: of names where somebody reads more than the few lines of
    the terminal; of sizes where they are asked for.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.treemap: Treemap | None = None
        self._names: NameReport | None = None
        self._sizes: SizeReport | None = None
        if args.report or args.json:
            from scanner.report.names import NameReport  # not needed otherwise

            self._names = NameReport()
        if args.sizes:
            refuse_shared_directories(args.roots)
            from scanner.report.sizes import SizeReport  # not needed otherwise

            if any(takes_longest(path) for path in args.report):
                from scanner.report.treemap import Treemap  # not needed otherwise

                self.treemap = Treemap(args.roots)
            self._sizes = SizeReport(args.roots, self.treemap)

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


def _print(data: dict[str, Any], *, as_json: bool) -> None:
    """As text in the terminal's encoding, in colour where that is wanted and can be seen; or as JSON. Whether a reader
    stays until the end does not change the outcome.
    """
    with contextlib.suppress(BrokenPipeError), Output(None) as output:
        if as_json:
            output.write(json_report(data).encode())
            return
        text = text_report(data)
        text = painted(text) if colours_wanted(sys.stdout) else text
        output.write(text.encode(sys.stdout.encoding or "utf-8", errors="backslashreplace"))

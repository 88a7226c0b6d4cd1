"""`scanner scan`: counts entries and prints the report."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scanner.cli.exits import Interruption
from scanner.cli.roots import refuse_shared_directories
from scanner.cli.run import conclude, run_scan
from scanner.cli.terminal import colours_wanted, painted
from scanner.export.output import Output
from scanner.kernel.producers.base import apart
from scanner.model import Chunk
from scanner.options import ProducerSpec, ScanOptions
from scanner.report.formats import json_report, takes_longest
from scanner.report.text import text_report

if TYPE_CHECKING:
    from scanner.report.names import NameReport
    from scanner.report.sizes import SizeReport
    from scanner.report.treemap import Node, Treemap


def scan_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    has_page = any(takes_longest(path) for path in args.report)
    collected = Collected(args, names=bool(args.report or args.json), sizes=args.sizes, treemap=has_page)
    outcome = run_scan(args, collected.add_to(options), collected.take, interruption, collected.data)
    if outcome.report is not None:
        _print(outcome.report, as_json=args.json)
    return conclude(args, outcome)


class Collected:
    """The report's details, merged from Chunks. `treemap`: with the directories to draw, if there are `sizes`."""

    def __init__(self, args: argparse.Namespace, *, names: bool, sizes: bool, treemap: bool) -> None:
        self.drawn: list[Node] = []
        """The directories and files to draw, after `data`."""
        self._treemap: Treemap | None = None
        self._names: NameReport | None = None
        self._sizes: SizeReport | None = None
        if names:
            from scanner.report.names import NameReport  # not needed otherwise

            self._names = NameReport()
        if sizes:
            if args.source is None:
                refuse_shared_directories(args.roots)
            from scanner.report.sizes import SizeReport  # not needed otherwise

            if treemap:
                from scanner.report.treemap import Treemap  # not needed otherwise

                self._treemap = Treemap(args.roots)
            self._sizes = SizeReport(args.roots, self._treemap)

    @property
    def _producers(self) -> Sequence[ProducerSpec]:
        return (*(self._names.PRODUCERS if self._names else ()), *(self._sizes.producers if self._sizes else ()))

    def add_to(self, options: ScanOptions) -> ScanOptions:
        """Return the options with the fields and producers that the details need."""
        fields = self._sizes.FIELDS if self._sizes else ()
        return options._replace(stat=fields, producers=tuple(self._producers))

    def take(self, chunk: Chunk) -> None:
        if not chunk.output:
            return
        outputs = list(apart(chunk.output, len(self._producers)))
        if self._names:
            self._names.take(outputs.pop(0))
        if self._sizes:
            self._sizes.take(*outputs)

    def data(self) -> dict[str, Any]:
        parts = {"names": self._names, "sizes": self._sizes}
        data: dict[str, Any] = {name: part.data() for name, part in parts.items() if part}
        if self._treemap is not None:
            from scanner.report.treemap import rows_of

            self.drawn = self._treemap.nodes()
            data["treemap"] = rows_of(self.drawn)
        return data


def _print(data: dict[str, Any], *, as_json: bool) -> None:
    """Print the report as JSON, or as text in the terminal's encoding and colours. A closed pipe is no failure."""
    with contextlib.suppress(BrokenPipeError), Output(None) as output:
        if as_json:
            output.write(json_report(data).encode())
            return
        text = text_report(data)
        text = painted(text) if colours_wanted(sys.stdout) else text
        output.write(text.encode(sys.stdout.encoding or "utf-8", errors="backslashreplace"))

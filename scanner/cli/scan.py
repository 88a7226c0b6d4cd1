"""`scanner scan`: counts, and the report."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from scanner import __version__
from scanner.cli.exits import Interruption
from scanner.cli.run import conclude, refuse_shared, run_scan
from scanner.errors import OptionError
from scanner.export.output import Output
from scanner.mounts import filesystem_type
from scanner.options import ScanOptions
from scanner.report.data import report_data
from scanner.report.text import markdown_report, text_report


def json_report(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {".json": json_report, ".md": markdown_report}


def scan_command(args: argparse.Namespace, options: ScanOptions, interruption: Interruption) -> int:
    formats = [(_format_of(path), path) for path in args.report]
    refuse_shared("--report, --errors", [*args.report, args.errors])
    roots = list(args.roots)
    with contextlib.ExitStack() as stack:
        reports = [(form, stack.enter_context(Output(path))) for form, path in formats]
        filesystems = [filesystem_type(root) for root in roots]
        outcome = run_scan(args, options, lambda _: None, interruption, monitored=True)
        data = report_data(roots, outcome.word, outcome.stats, filesystems, __version__)
        for form, output in reports:
            output.write(form(data).encode())
    _print(json_report(data) if args.json else text_report(data))
    return conclude(args, outcome)


def _format_of(path: str) -> Callable[[dict[str, Any]], str]:
    suffix = os.path.splitext(path)[1]
    if suffix not in FORMATS:
        raise OptionError(f"--report {path!r}: the suffix says the format, and must be one of {', '.join(FORMATS)}")
    return FORMATS[suffix]


def _print(text: str) -> None:
    with Output(None) as output:
        output.write(text.encode(sys.stdout.encoding or "utf-8", errors="backslashreplace"))

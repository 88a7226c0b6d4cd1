"""Measure scanner beside other tools, compare results, and write reports.

python -m benchmarks run [--quick] [-o DIRECTORY] [GROUP ...]
python -m benchmarks compare OLD.json NEW.json [--fail-slower 1.3] [--junit FILE]
python -m benchmarks report RESULTS.json -o DIRECTORY
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.cases import GROUPS
from benchmarks.compare import Unlike, as_markdown, compare, junit, refuse_unlike
from benchmarks.measure import ROOT, Failed
from benchmarks.outputs import markdown, write_all
from benchmarks.suite import SCHEMA, Suite


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        code: int = args.command(args)
    except (Failed, Unlike, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return code


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    two = commands.add_parser(
        "compare", help="compare ratios to the baselines of two results; exit code 1 if a case is slower"
    )
    two.add_argument("old", type=Path, metavar="OLD")
    two.add_argument("new", type=Path, metavar="NEW")
    two.add_argument(
        "--fail-slower", type=float, metavar="TIMES", default=1.3,
        help="ratio that counts as slower (default: 1.3)",
    )  # fmt: skip
    two.add_argument("--junit", type=Path, metavar="FILE", help="also write the outcome as JUnit XML")
    two.set_defaults(command=compare_command)
    report = commands.add_parser("report", help="write the reports of a results.json again")
    report.add_argument("results", type=Path, metavar="RESULTS")
    report.add_argument("-o", "--output", type=Path, metavar="DIRECTORY", default=Path("benchmark-report"))
    report.set_defaults(command=report_command)
    return top


def _add_run(commands: Any) -> None:
    run = commands.add_parser("run", help="measure")
    run.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; default: all")
    run.add_argument("--quick", action="store_true", help="smaller trees, fewer runs: about two minutes")
    run.add_argument("--runs", type=positive, metavar="N", help="pairs of runs (default: 7; with --quick 5)")
    run.add_argument(
        "--scratch", type=Path, metavar="DIRECTORY",
        help="directory of the trees, kept for the next run (default: a temporary one)",
    )  # fmt: skip
    run.add_argument(
        "--package", type=Path, metavar="DIRECTORY", default=ROOT,
        help="measure the `scanner` in this directory (default: the one beside these benchmarks)",
    )  # fmt: skip
    run.add_argument(
        "-o", "--output", type=Path, metavar="DIRECTORY", default=Path("benchmark-report"),
        help="directory for results and reports (default: benchmark-report)",
    )  # fmt: skip
    run.set_defaults(command=run_command)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def run_command(args: argparse.Namespace) -> int:
    if unknown := set(args.groups) - set(GROUPS):
        raise Failed(f"unknown group {', '.join(sorted(unknown))}: choose from {', '.join(GROUPS)}")
    if not (args.package / "scanner" / "__init__.py").exists():
        raise Failed(f"--package {args.package}: no package scanner in this directory")
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own:
        scratch = (args.scratch or Path(own)).resolve()
        scratch.mkdir(parents=True, exist_ok=True)
        suite = Suite(scratch, quick=args.quick, runs=args.runs, package=args.package.resolve())
        results = suite.run(args.groups)
    write_all(results, args.output)
    print(markdown(results), end="")
    return 130 if results["interrupted"] else int(bool(results["failed"]))


def compare_command(args: argparse.Namespace) -> int:
    old, new = loaded(args.old), loaded(args.new)
    refuse_unlike(old, new)
    changes = compare(old, new, args.fail_slower)
    print(as_markdown(changes, args.fail_slower), end="")
    if args.junit:
        junit(changes, args.fail_slower, args.junit)
    return int(any(change.failed for change in changes))


def report_command(args: argparse.Namespace) -> int:
    args.output.mkdir(parents=True, exist_ok=True)
    write_all(loaded(args.results), args.output)
    return 0


def loaded(path: Path) -> dict[str, Any]:
    try:
        results: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise Unlike(f"{path}: invalid JSON: {error}") from error
    if not isinstance(results, dict) or results.get("schema") != SCHEMA or "cases" not in results:
        raise Unlike(f"{path}: not benchmark results of schema {SCHEMA}")
    return results


if __name__ == "__main__":
    sys.exit(main())

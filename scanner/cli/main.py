"""Arguments in, exit code out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scanner import __version__
from scanner.cli import exits
from scanner.errors import OptionError, OutputError
from scanner.options import (
    BACKENDS,
    MAX_DEPTH,
    MAX_HUNG,
    MAX_IN_FLIGHT,
    MAX_WORKERS,
    PUBLIC,
    START_METHODS,
    ScanOptions,
    StartMethod,
)

DIR_TIMEOUT = 60  # seconds

DESCRIPTION = """\
Scan very large directory trees in parallel, in the order of os.walk, and say what could not be read.
"""
EXITS = """\
exit codes
  0    complete
  1    finished, but something could not be read (it is listed on stderr or in the report)
  2    the command line is wrong
  3    no usable result: no ROOT can be read, or the output cannot be written
  75   the time allowed by --timeout is over
  128+N  ended by signal N
"""
SCAN_EXAMPLES = (
    """\
examples
  scanner scan /usr
  scanner scan --timeout 3600 --report nightly.json --report nightly.md /srv /home
  scanner scan --json . | jq .files

"""
    + EXITS
)
LIST_EXAMPLES = (
    """\
examples
  scanner list /usr | wc -l
  scanner list -0 . | xargs -0 stat --format=%s
  scanner list -o files.txt /srv

Paths are written as they are, byte for byte: a directory, then its files and links, then each of its
sub-directories in turn. With -o the file appears whole or not at all.

"""
    + EXITS
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ends the process itself only after a signal."""
    if hasattr(sys.stderr, "reconfigure"):  # not where it is closed
        sys.stderr.reconfigure(errors="backslashreplace")
    args = parser().parse_args(arguments)
    try:
        options = options_from(args)
    except OptionError as error:
        return exits.usage_error(as_flag(str(error)))
    interruption = exits.Interruption()
    try:
        with interruption.handled():
            return run_command(args, options, interruption)
    except exits.Interrupted as error:
        return exits.die_of(error.number)
    except OptionError as error:
        return exits.usage_error(str(error))
    except OutputError as error:
        exits.say(str(error))
        return exits.NO_RESULT
    except BrokenPipeError:  # whoever read our output has had enough
        exits.silence_stdout()
        return exits.COMPLETE


def run_command(args: argparse.Namespace, options: ScanOptions, interruption: exits.Interruption) -> int:
    if args.command == "scan":
        from scanner.cli.scan import scan_command

        return scan_command(args, options, interruption)
    from scanner.cli.list import list_command

    return list_command(args, options, interruption)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="scanner", description=DESCRIPTION, epilog=EXITS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"scanner {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _scan_parser(commands)
    _list_parser(commands)
    return top


def _scan_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    scan = _command(commands, "scan", "scan trees and print a report", SCAN_EXAMPLES)
    scan.add_argument(
        "--report",
        metavar="FILE",
        action="append",
        default=[],
        help="also write the report to FILE: JSON or Markdown, by its suffix .json or .md (may be repeated)",
    )
    scan.add_argument("--json", action="store_true", help="print the report as JSON")


def _list_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = _command(commands, "list", "list the paths of all files and directories", LIST_EXAMPLES)
    listing.add_argument("-0", "--null", action="store_true", help="end each path with a NUL, not a newline")
    # Because of -0, argparse would take the -1 of `--workers -1` for an option, and say nothing useful about it.
    listing._has_negative_number_optionals.clear()
    listing.add_argument(
        "-o", "--output", metavar="FILE", help="write to FILE, whole or not at all; - is standard output"
    )


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("roots", metavar="ROOT", nargs="+", help="a directory to start from")
    walking = command.add_argument_group("walking")
    walking.add_argument(
        "-L", "--follow-links", "--followlinks", dest="followlinks", action="store_true",
        help="enter directories that links point to, except those that lead to a directory above themselves",
    )  # fmt: skip
    walking.add_argument(
        "--max-depth", type=int, metavar="N", default=MAX_DEPTH,
        help=f"levels below ROOT that are entered; deeper ones are errors (default: {MAX_DEPTH:,})",
    )  # fmt: skip
    walking.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="give up after so long, keep what was found, exit 75"
    )
    walking.add_argument(
        "--dir-timeout", type=float, metavar="SECONDS", default=DIR_TIMEOUT,
        help=f"give up a directory that has not answered for so long (default: {DIR_TIMEOUT}); 0: wait for ever",
    )  # fmt: skip
    walking.add_argument(
        "--max-hung", type=int, metavar="N", default=MAX_HUNG,
        help="leave the rest of a mount alone after N directories of it that did not answer "
        f"(default: {MAX_HUNG}); 0: never",
    )  # fmt: skip
    walking.add_argument(
        "-x", "--one-file-system", action="store_true",
        help="do not enter what is mounted below ROOT; the mount points themselves are shown",
    )  # fmt: skip
    walking.add_argument(
        "--skip-fs", metavar="TYPES", type=_names, default=[], action="extend",
        help="do not enter file systems of these types where they are mounted below ROOT: nfs4,autofs,proc "
        "(may be repeated)",
    )  # fmt: skip
    running = command.add_argument_group("running")
    running.add_argument(
        "--workers", "--max-workers", dest="max_workers", type=int, metavar="N",
        help=f"worker processes, 1 to {MAX_WORKERS} (default: one a processor)",
    )  # fmt: skip
    running.add_argument(
        "--backend", choices=BACKENDS, default="auto",
        help="where to walk: in this process, in workers, or in workers once the tree proves large (default: auto)",
    )  # fmt: skip
    running.add_argument(
        "--start-method", choices=START_METHODS,
        help="how worker processes are started (default here: fork on Linux, it is the fastest)",
    )  # fmt: skip
    running.add_argument(
        "--max-in-flight", type=int, metavar="N", default=MAX_IN_FLIGHT,
        help="directories read at a time at most, in all workers together, where they cost waiting "
        f"(default: {MAX_IN_FLIGHT}); how many up to that is found by measuring",
    )  # fmt: skip
    running.add_argument("--max-rate", type=float, metavar="N", help="directories read a second at most")
    running.add_argument(
        "--nice", action="store_true", help="let others have the processor and the disk first (lowest I/O priority)"
    )
    telling = command.add_argument_group("telling")
    telling.add_argument("-q", "--quiet", action="store_true", help="no progress and no list of errors on stderr")
    telling.add_argument(
        "-v", "--verbose", action="store_true", help="list all errors on stderr, not just the first few"
    )
    telling.add_argument("--errors", metavar="FILE", help="write all errors to FILE, one JSON object a line (NDJSON)")
    telling.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, default=None,
        help="show progress on stderr, if it is a terminal (default: yes)",
    )  # fmt: skip
    return command


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names with commas between them")
    return names


def options_from(args: argparse.Namespace) -> ScanOptions:
    return ScanOptions(
        followlinks=args.followlinks,
        backend=args.backend,
        max_workers=args.max_workers,
        start_method=args.start_method or default_start_method(),
        timeout=args.timeout,
        dir_timeout=args.dir_timeout or None,
        max_hung=args.max_hung,
        max_in_flight=args.max_in_flight,
        max_rate=args.max_rate,
        nice=args.nice,
        one_file_system=args.one_file_system,
        skip_fs=tuple(args.skip_fs),
        max_depth=args.max_depth,
        detect_loops=True,
        partial_listings=True,
        packing="paths" if args.command == "list" else "counts",
        separator=b"\0" if getattr(args, "null", False) else b"\n",
    )


def as_flag(message: str) -> str:
    """The message of an OptionError, which begins with the option's name, in the words of the shell."""
    name, _, rest = message.partition(" ")
    flags = {"max_workers": "--workers", "followlinks": "--follow-links"}
    return f"{flags.get(name, '--' + name.replace('_', '-'))} {rest}" if name in PUBLIC else message


def default_start_method() -> StartMethod | None:
    """`fork`, on Linux: this process is ours and has no threads when it starts the pool; ready in 5 ms, not 60."""
    return "fork" if sys.platform == "linux" else None

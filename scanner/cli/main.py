"""Arguments in, exit code out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scanner import __version__
from scanner.cli import exits, flags
from scanner.errors import OptionError, OutputError
from scanner.options import PUBLIC, ScanOptions

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
  scanner list -o files.parquet -o files.ndjson.gz /srv
  scanner list --template '{size} {path}' --type f . | sort -n | tail

Paths are written as they are, byte for byte: a directory, then its files and links, then each of its
sub-directories in turn. With -o the file appears whole or not at all; its suffix says the format (.csv,
.ndjson, .parquet, .sqlite, .ncdu, .folded; anything else: paths) and whether it is compressed (.gz, .zst).

"""
    + EXITS
)


DU_EXAMPLES = (
    """\
examples
  scanner du -h -d 1 /srv
  scanner du -h --top 10 /home
  scanner du -c --apparent-size -B 1 *

As du counts: blocks on the disk, in KiB, of each directory with all that is in it; a file with several names
once, for the first of them; a ROOT that is a link or a file by itself.

"""
    + EXITS
)


TREEMAP_EXAMPLES = (
    """\
examples
  scanner treemap /srv -o srv.html
  scanner treemap --gitignore . -o space.svg

Each rectangle is a directory, as large as what it takes on the disk, as du counts; point at one for its path and size.

"""
    + EXITS
)


WHY_EXAMPLES = """\
examples
  scanner why --gitignore . build/notes.txt
  scanner why --exclude '*.o' --max-depth 3 /srv /srv/src/a.o

The answer is one line: `in`, or `out` and the rule, with its file and line. Exit code 0: in; 1: out; 2: the command
line is wrong; 3: it cannot be told.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ends the process itself only after a signal."""
    if hasattr(sys.stderr, "reconfigure"):  # not where it is closed
        sys.stderr.reconfigure(errors="backslashreplace")
    args = parser().parse_args(joined(sys.argv[1:] if arguments is None else arguments))
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
    if args.command == "why":
        from scanner.cli.why import why_command

        return why_command(args, options)
    if args.command == "du":
        from scanner.cli.du import du_command

        return du_command(args, options, interruption)
    if args.command == "treemap":
        from scanner.cli.treemap import treemap_command

        return treemap_command(args, options, interruption)
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
    _du_parser(commands)
    _treemap_parser(commands)
    _why_parser(commands)
    return top


def _scan_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    scan = _scanning(commands, "scan", "scan trees and print a report", SCAN_EXAMPLES)
    scan.add_argument(
        "--report",
        metavar="FILE",
        action="append",
        default=[],
        help="also write the report to FILE: .json, .md or .html, by its suffix (may be repeated)",
    )
    scan.add_argument("--json", action="store_true", help="print the report as JSON")
    scan.add_argument(
        "--sizes",
        action="store_true",
        help="report sizes as well: totals, the largest, by size, age, suffix and owner (takes about twice as long)",
    )


def _list_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = _scanning(commands, "list", "list the paths of all files and directories", LIST_EXAMPLES)
    flags.exporting(listing)


def _du_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    usage = _scanning(commands, "du", "tell how much space directories take", DU_EXAMPLES, max_depth=False)
    flags.sizes(usage)


def _treemap_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    treemap = _scanning(commands, "treemap", "draw what takes the space", TREEMAP_EXAMPLES)
    group = treemap.add_argument_group("drawing")
    group.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="write to FILE, whole or not at all: .svg or .html"
    )
    group.add_argument(
        "--most", type=int, metavar="N", default=1000,
        help="directories to draw at most, the largest (default: 1000); what is smaller is part of what it lies in",
    )  # fmt: skip


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=name != "du",  # there, -h has another meaning
    )
    if name == "du":
        command.add_argument("--help", action="help", help="show this help message and exit")
    return command


def _scanning(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    examples: str,
    *,
    max_depth: bool = True,
) -> argparse.ArgumentParser:
    command = _command(commands, name, summary, examples)
    command.add_argument("roots", metavar="ROOT", nargs="+", help="a directory to start from")
    flags.walking(command)
    flags.filters(command, max_depth=max_depth)
    flags.running(command)
    flags.telling(command)
    return command


def _why_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    why = _command(commands, "why", "say whether a scan of ROOT shows PATH, and if not, why", WHY_EXAMPLES)
    why.add_argument("root", metavar="ROOT", help="the directory that would be scanned")
    why.add_argument("path", metavar="PATH", help="what is looked for, in ROOT")
    flags.entering(why)
    flags.filters(why)


def options_from(args: argparse.Namespace) -> ScanOptions:
    """The flags that are fields of the options under another name or value, and all others."""
    given = vars(args)
    chosen = {
        "start_method": given.get("start_method"),
        "dir_timeout": given.get("dir_timeout") or None,
        "detect_loops": True,
        "partial_listings": True,
        "sinks": (),
    }
    return ScanOptions(**{name: given[name] for name in PUBLIC if given.get(name) not in (None, [])} | chosen)


def as_flag(message: str) -> str:
    """The message of an OptionError, which begins with the option's name, in the words of the shell."""
    name, _, rest = message.partition(" ")
    names = {
        "max_workers": "--workers", "followlinks": "--follow-links", "ignore_files": "--ignore-file", "types": "--type"
    }  # fmt: skip
    if name not in PUBLIC:
        return message
    return f"{names.get(name, '--' + name.replace('_', '-'))} {rest.replace(', or None for no limit', '')}"


def joined(arguments: Sequence[str]) -> list[str]:
    """`--size -10K` as `--size=-10K`: argparse would take the value for a flag."""
    result: list[str] = []
    for argument in arguments:
        if result and result[-1] == "--size" and argument.startswith("-"):
            result[-1] += "=" + argument
        else:
            result.append(argument)
    return result

"""The command line: which commands there are, and their flags."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from scanner import __version__
from scanner.cli import exits, flags
from scanner.model import printable

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

SUMMARIES = {
    "scan": ("scan trees and print a report", SCAN_EXAMPLES),
    "list": ("list the paths of all files and directories", LIST_EXAMPLES),
    "du": ("tell how much space directories take", DU_EXAMPLES),
    "treemap": ("draw what takes the space", TREEMAP_EXAMPLES),
    "why": ("say whether a scan of ROOT shows PATH, and if not, why", WHY_EXAMPLES),
}


WHILE_BUILT = partial(argparse.HelpFormatter, width=80)
"""Each flag is tried on a formatter, which by itself looks how wide the terminal is, and imports what that takes."""


class Parser(argparse.ArgumentParser):
    """No option may be abbreviated: a script would change its meaning with the next option. Errors are one line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(exits.USAGE, f"scanner: {printable(message)}\nTry '{self.prog} --help'.\n")

    @property
    def options(self) -> list[str]:
        """All that begin with two dashes."""
        return [option for option in self._option_string_actions if option.startswith("--")]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What the arguments say; ends the process where they are wrong, with a suggestion if one is near."""
    top, commands = parser(arguments)
    refuse_unknown_command(top, arguments, commands)
    args, unknown = top.parse_known_args(arguments)
    if unknown:
        command = commands[args.command]
        hinted = ", ".join(word + _hint(word.partition("=")[0], args.command, command) for word in unknown)
        command.error(f"unrecognized arguments: {hinted}")
    return args


def refuse_unknown_command(top: Parser, arguments: Sequence[str], commands: Iterable[str]) -> None:
    first = next(iter(arguments), "")
    if first.startswith("-") and first not in top.options and first not in ("-", "-h"):
        near = suggestion(first, top.options) or "; options of a command come after it"
        top.error(f"unknown option {first!r}{near}")
    given = command_in(arguments)
    if given is not None and given not in commands:
        near = suggestion(given, commands) or f"; the commands are {', '.join(commands)}"
        top.error(f"unknown command {given!r}{near}")


def _hint(word: str, name: str, command: Parser) -> str:
    """Where an option belongs that is none of the command's, or which one may have been meant."""
    others = [other for other in SUMMARIES if other != name and word in _options_of(other)]
    return f" (an option of {', '.join(others)})" if others else suggestion(word, command.options)


def _options_of(name: str) -> list[str]:
    return parser([name])[1][name].options


def suggestion(word: str, known: Iterable[str]) -> str:
    """The nearest of the `known` words, as a question; empty where none is near."""
    from difflib import get_close_matches  # seldom needed

    near = get_close_matches(word, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def command_in(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def parser(arguments: Sequence[str] = ()) -> tuple[Parser, dict[str, Parser]]:
    """For these arguments, and those of the commands: only the command that they name has its flags. Those of all
    would take 4 ms more.
    """
    top = Parser(prog="scanner", description=DESCRIPTION, epilog=EXITS, formatter_class=WHILE_BUILT)
    top.add_argument("--version", action="version", version=f"scanner {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", prog="scanner")
    chosen = command_in(arguments)
    made: dict[str, Parser] = {}
    for name, (summary, examples) in SUMMARIES.items():
        command = made[name] = commands.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=examples,
            formatter_class=WHILE_BUILT,
            add_help=name != "du",  # there, -h has another meaning
        )  # fmt: skip
        if name == chosen:
            add_flags(command, name)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    return top, made


def add_flags(command: argparse.ArgumentParser, name: str) -> None:
    if name == "why":
        command.add_argument("root", metavar="ROOT", help="the directory that would be scanned")
        command.add_argument("path", metavar="PATH", help="what is looked for, in ROOT")
        flags.entering(command)
        flags.filters(command)
        return
    if name == "du":
        command.add_argument("--help", action="help", help="show this help message and exit")
    command.add_argument("roots", metavar="ROOT", nargs="+", help="a directory to start from")
    flags.walking(command)
    flags.expecting(command)
    flags.filters(command, max_depth=name != "du")
    flags.running(command)
    flags.telling(command)
    {"scan": flags.reporting, "list": flags.exporting, "du": flags.sizes, "treemap": flags.drawing}[name](command)

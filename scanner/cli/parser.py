"""The command line: commands, their options and help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from scanner import __version__
from scanner.cli import du_flags, exits, flags
from scanner.encoding import printable

DESCRIPTION = """\
Scan very large directory trees in parallel, in the order of os.walk, and report all errors.
"""
EXITS = """\
exit codes
  0    complete
  1    finished, but something is unreadable or a check failed (see stderr or the report)
  2    wrong usage
  3    no usable result: no ROOT is readable, or an output, a store or a cluster cannot be used
  4    a rule of --fail-if holds
  75   stopped by --timeout or --between, all workers of --dask are lost, or the store is in use
  128+N  ended by signal N
"""
SCAN_EXAMPLES = """\
examples
  scanner scan /usr
  scanner scan --timeout 3600 --report nightly.json --report nightly.md /srv /home
  scanner scan --json . | jq .files

"""
LIST_EXAMPLES = """\
examples
  scanner list /usr | wc -l
  scanner list -0 . | xargs -0 stat --format=%s
  scanner list -o files.txt /srv
  scanner list -o files.parquet -o files.ndjson.gz /srv
  scanner list --template '{size} {path}' --type f . | sort -n | tail

Paths are written byte for byte as they are: a directory, then its files and symlinks, then each
subdirectory in turn. With -o the file appears whole or not at all; its suffix selects the format (.csv,
.ndjson, .parquet, .sqlite, .ncdu, .folded; otherwise paths) and the compression (.gz, .zst).

"""

DU_EXAMPLES = """\
examples
  scanner du -h -d 1 /srv
  scanner du -h --top 10 /home
  scanner du -h --by owner --older 1y /home
  scanner du -c --apparent-size -B 1 *

Sizes and options are those of GNU du: disk usage in KiB of each directory with everything below it. A file
with several names counts once, for the first of them. A ROOT may be a file or a symlink.

"""

TREEMAP_EXAMPLES = """\
examples
  scanner treemap /srv -o srv.html
  scanner treemap --gitignore . -o space.svg

Each rectangle is a directory; its area is the disk usage, as in du. Point at one for its path and size.

"""

SNAPSHOTS_EXAMPLES = """\
examples
  scanner scan --store nightly.snap /srv
  scanner snapshots nightly.snap
  scanner snapshots nightly.snap --prune --keep 30
  scanner snapshots nightly.snap --export -7d week.snap

"""

DIFF_EXAMPLES = """\
examples
  scanner diff nightly.snap
  scanner diff nightly.snap -7d -1 --itemize
  scanner diff nightly.snap --by owner --top 10 --fail-if 'growth > 10G' -o growth.md
  scanner diff nightly.snap --live /srv

Kinds: + came, - gone, M content, U mode or owner, T type, R moved or renamed. Entries that were unreadable in
either snapshot are unknown, and never counted as removed.

exit codes
  0    done
  1    something is unknown
  2    wrong usage
  3    no result: a store or an output cannot be used
  4    a rule of --fail-if holds
"""

NIGHTLY_EXAMPLES = """\
examples
  scanner nightly /srv --store /var/lib/scan/srv.snap
  scanner nightly /srv --store /var/lib/scan/srv.snap --fail-if 'growth > 100G' --quiet-ok
  scanner nightly --config /etc/scan.toml
  scanner nightly /srv --store /var/lib/scan/srv.snap --install-systemd

Each night: one scan, which adds a snapshot to the store; comparison with earlier nights; latest.html, .json,
.md and .prom beside the store (or in --to), and a dated copy of the pages; one line, which cron mails. A night
that fails keeps the pages of the last good one, and says at their top what failed.

exit codes
  0    all is well
  1    something is unreadable
  2    wrong usage
  3    failed: a ROOT or a file cannot be used, or --expect-fs or --min-entries is not met
  4    a rule of --fail-if holds
  75   stopped by --timeout or --between, or the store is in use (the message says which); the next night continues
  128+N  ended by signal N
"""

ESTIMATE_EXAMPLES = """\
examples
  scanner estimate /srv
  scanner estimate --seconds 10 --json /srv
  scanner estimate --from nightly.snap

Half of the time is a scan, which counts a small tree exactly. The other half reads samples from all over the
tree. Each number has an interval, which contains the truth for 90 of 100 trees of usual shapes.

"""

WHY_EXAMPLES = """\
examples
  scanner why --gitignore . build/notes.txt
  scanner why --exclude '*.o' --max-depth 3 /srv /srv/src/a.o

Prints one line: `in`, or `out` and the rule, with its file and line.

exit codes
  0    in
  1    out
  2    wrong usage
  3    unknown: PATH is unreadable, or not below ROOT
"""

SUMMARIES = {
    "scan": ("scan trees and print a report", SCAN_EXAMPLES + EXITS),
    "list": ("list all files and directories, in many formats", LIST_EXAMPLES + EXITS),
    "du": ("print the disk usage of directories", DU_EXAMPLES + EXITS),
    "treemap": ("draw the disk usage of directories", TREEMAP_EXAMPLES + EXITS),
    "snapshots": ("list, check, prune and export the snapshots of a store", SNAPSHOTS_EXAMPLES + EXITS),
    "diff": ("print what changed between two snapshots", DIFF_EXAMPLES),
    "nightly": ("scan each night: history, pages, rules, metrics and one line for a mail", NIGHTLY_EXAMPLES),
    "estimate": ("estimate the size of a tree, and how long a scan of it would take", ESTIMATE_EXAMPLES + EXITS),
    "why": ("print whether a scan of ROOT includes PATH, and if not, why", WHY_EXAMPLES),
}


SCANS = "scan", "list", "du", "treemap"
WHILE_BUILT = partial(argparse.HelpFormatter, width=80)
"""The formatter while options are added: argparse tries each on one, and the usual one imports shutil for the width."""


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations, which change their meaning with new options, and with errors on one line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, allow_abbrev=False)
        self.where = ""
        """The file that the arguments are from, for errors; empty: the command line."""

    def error(self, message: str) -> NoReturn:
        self.exit(exits.USAGE, f"scanner: {printable(self.where + message)}\nTry '{self.prog} --help'.\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write a message. If help cannot be written, the process fails: argparse would ignore that."""
        try:
            (sys.stderr if file is None else file).write(message)
        except (AttributeError, OSError):  # the stream is closed, or the disk full
            if file is sys.stdout:
                raise SystemExit(exits.NO_RESULT) from None

    @property
    def options(self) -> list[str]:
        """Return all options that begin with two dashes."""
        return [option for option in self._option_string_actions if option.startswith("--")]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments. Wrong ones end the process, with a suggestion if a similar word exists."""
    top, commands = make_parsers(arguments)
    refuse_unknown_command(top, arguments, commands)
    if command_in(arguments) == "nightly":  # a file of --config may set what is not given
        suppress_defaults(commands["nightly"])
    args, unknown = top.parse_known_args(arguments)
    if unknown:
        command = commands[args.command]
        hinted = ", ".join(word + _hint(word.partition("=")[0], args.command, command) for word in unknown)
        command.error(f"unrecognized arguments: {hinted}")
    if args.command == "estimate" and args.root is None and not args.source:
        commands[args.command].error("the following arguments are required: ROOT")
    if args.command in SCANS and not args.roots and not args.source and vars(args).get("files_from") is None:
        commands[args.command].error("the following arguments are required: ROOT")
    return args


def suppress_defaults(command: Parser) -> None:
    """Let the command's result hold the given options only."""
    command._defaults.clear()
    for action in command._actions:
        action.default = argparse.SUPPRESS


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
    """Return which commands have the unknown option `word`, or else a suggestion."""
    others = [other for other in SUMMARIES if other != name and word in _options_of(other)]
    return f" (an option of {', '.join(others)})" if others else suggestion(word, command.options)


def _options_of(name: str) -> list[str]:
    return make_parsers([name])[1][name].options


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the most similar of the `known` words, as a question, or an empty string."""
    from difflib import get_close_matches  # not needed otherwise

    near = get_close_matches(word, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def command_in(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def make_parsers(arguments: Sequence[str] = ()) -> tuple[Parser, dict[str, Parser]]:
    """Return the parser for `arguments` and one per command. Only the named command has options: all take 4 ms."""
    top = Parser(prog="scanner", description=DESCRIPTION, epilog=EXITS, formatter_class=WHILE_BUILT)
    top.add_argument("--version", action="version", version=f"scanner {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", prog="scanner")
    chosen = command_in(arguments)
    parsers: dict[str, Parser] = {}
    for name, (summary, examples) in SUMMARIES.items():
        command = parsers[name] = commands.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=examples,
            formatter_class=WHILE_BUILT,
            add_help=name != "du",  # there, -h has another meaning
        )  # fmt: skip
        if name == chosen:
            add_options(command, name)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    return top, parsers


def add_nightly_options(command: argparse.ArgumentParser) -> None:
    """Add the options of a nightly scan."""
    command.add_argument("roots", metavar="ROOT", nargs="*", help="a directory to scan (not needed with --config)")
    flags.add_nightly_options(command)
    flags.add_check_options(command)
    flags.add_filter_options(command)
    flags.add_traversal_options(command)
    flags.add_limit_options(command)
    flags.add_performance_options(command)
    flags.add_message_options(command, files=False)
    command.set_defaults(source=None, errors=None, report=[])
    command._has_negative_number_optionals.clear()


def add_options(command: argparse.ArgumentParser, name: str) -> None:
    """Add arguments and options, in the order in which --help lists them."""
    if name == "snapshots":
        flags.add_snapshots_options(command)
        command._has_negative_number_optionals.clear()  # `--export -1 FILE`
        return
    if name == "diff":
        flags.add_diff_options(command)
        command._has_negative_number_optionals.clear()
        return
    if name == "nightly":
        add_nightly_options(command)
        return
    if name == "estimate":
        flags.add_estimate_options(command)
        flags.add_filter_options(command)
        flags.add_traversal_options(command)
        flags.add_limit_options(command, whole=False)
        flags.add_performance_options(command)
        return
    if name == "why":
        command.add_argument("root", metavar="ROOT", help="the directory of the scan")
        command.add_argument("path", metavar="PATH", help="the path to look for, below ROOT")
        flags.add_filter_options(command)
        flags.add_traversal_options(command)
        return
    if name == "du":
        command.add_argument("--help", action="help", help="show this help message and exit")
    command.add_argument("roots", metavar="ROOT", nargs="*", help="a directory to start from (not needed with --from)")
    {
        "scan": flags.add_report_options,
        "list": flags.add_list_options,
        "du": du_flags.add_du_options,
        "treemap": flags.add_treemap_options,
    }[name](command)
    flags.add_filter_options(command, max_depth=name != "du")
    flags.add_traversal_options(command, follows_roots=name != "du")
    flags.add_limit_options(command)
    flags.add_performance_options(command)
    flags.add_cluster_options(command)
    flags.add_snapshot_options(command)
    flags.add_message_options(command)
    flags.add_check_options(command)
    command._has_negative_number_optionals.clear()  # otherwise -0 makes argparse take `--workers -1` for two options

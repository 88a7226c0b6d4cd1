"""Run one command: from its arguments to the exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Sequence

from scanner.cli import exits
from scanner.cli.cluster import refuse_impossible
from scanner.cli.outputs import refuse_shared_outputs
from scanner.cli.parser import parse
from scanner.errors import ClusterError, OptionError, OutputError, ScanTimeout, StoreError
from scanner.export.output import occupy_closed_streams
from scanner.kernel.native import keep_memory
from scanner.options import PUBLIC, ScanOptions, flag_of

WITHOUT_OPTIONS = "snapshots", "diff", "nightly"
"""Commands that scan nothing, or more than once."""
SIGNED = "--size", "--links", "--perm"
"""Options whose values may begin with a minus sign."""
AN_AGE = re.compile(r"-[0-9][0-9a-z.]*")
A_THRESHOLD = re.compile("--threshold|-[0abchklmsxDHLPS]*t")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Only a signal ends the process here."""
    if hasattr(sys.stderr, "reconfigure"):  # stderr may be closed
        sys.stderr.reconfigure(errors="backslashreplace")
    occupy_closed_streams()
    words = join_values(process_arguments() if arguments is None else arguments)
    args = parse(words)
    try:
        options = options_from(args)
    except OptionError as error:
        exits.print_message(in_terms_of_flags(str(error)))
        return exits.USAGE
    interruption = exits.Interruption()
    try:
        with interruption.handled():
            return run_command(args, words, options, interruption)
    except exits.Interrupted as error:
        return exits.end_by_signal(error.number)
    except OptionError as error:
        exits.print_message(in_terms_of_flags(str(error)))
        return exits.USAGE
    except OutputError as error:
        exits.print_message(str(error))
        return exits.NO_RESULT
    except StoreError as error:
        exits.print_message(str(error))
        return exits.STORE_CODES[error.reason]
    except ScanTimeout as error:
        exits.print_message(str(error))
        return exits.OUT_OF_TIME
    except ClusterError as error:
        exits.print_message(str(error))
        return exits.NO_RESULT
    except BrokenPipeError:  # the reader closed the output pipe
        exits.discard_stdout()
        return exits.COMPLETE
    except OSError as error:
        exits.print_message(system_error_message(error))
        return exits.NO_RESULT


def process_arguments() -> list[str]:
    """Return the arguments of this process.

    They are read from /proc in a locale without UTF-8, where the C library may decode them irreversibly.
    """
    given = sys.argv[1:]
    if sys.getfilesystemencoding() != "utf-8":
        with contextlib.suppress(OSError), open("/proc/self/cmdline", "rb") as command:
            words = command.read().split(b"\0")[:-1]
            given = [os.fsdecode(word) for word in words[len(words) - len(given) :]]
    return given


def run_command(
    args: argparse.Namespace, words: Sequence[str], options: ScanOptions, interruption: exits.Interruption
) -> int:
    """Import the command's module, and run it: the modules of the others are not needed."""
    if args.command == "why":
        from scanner.cli.why import why_command

        return why_command(args, options)
    if args.command == "snapshots":
        from scanner.cli.snapshots import snapshots_command

        return snapshots_command(args)
    if args.command == "diff":
        from scanner.cli.diff import diff_command

        return diff_command(args, interruption)
    keep_memory()
    if args.command == "estimate":
        from scanner.cli.estimate import estimate_command

        return estimate_command(args, options, interruption)
    if args.command == "nightly":
        from scanner.cli.nightly import nightly_command

        return nightly_command(args, words, interruption)
    refuse_shared_outputs(args)
    for name in ("trust", "recheck", "changed", "restart", "keep", "keep_within"):
        if getattr(args, name) not in (None, False, 0.0) and not args.store:
            raise OptionError(f"--{name.replace('_', '-')} needs --store")
    if args.command == "du" and args.files_from is not None:
        from scanner.cli.roots import read_roots

        args.roots, args.wrong_names = read_roots(args.files_from, args.roots)
    refuse_impossible(args, options, in_terms_of_flags)
    if args.source is not None:
        from scanner.cli.snapshots import read_from_store

        options = read_from_store(args, options)
    if args.command == "scan":
        from scanner.cli.scan import scan_command as command
    elif args.command == "du":
        from scanner.cli.du import du_command as command
    elif args.command == "treemap":
        from scanner.cli.treemap import treemap_command as command
    else:
        from scanner.cli.list import list_command as command
    return command(args, options, interruption)


def options_from(args: argparse.Namespace) -> ScanOptions:
    """Return the options that the arguments set. Raises OptionError."""
    given = {} if args.command in WITHOUT_OPTIONS else vars(args)
    chosen = {
        "start_method": given.get("start_method"),
        "dir_timeout": given.get("dir_timeout") or None,
        "detect_loops": True,
        "partial_listings": True,
        "producers": (),
    }
    return ScanOptions(**{name: given[name] for name in PUBLIC if given.get(name) not in (None, [])} | chosen)


def system_error_message(error: OSError) -> str:
    """Return the message for an error of the system that no other place handles."""
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return "the working directory is gone: give absolute paths, or change to another directory"
    return str(error)


def in_terms_of_flags(message: str) -> str:
    """Return the message of an OptionError with the option at its start replaced by its flag."""
    name, _, rest = message.partition(" ")
    if name not in (*PUBLIC, "client"):
        return message
    return f"{flag_of(name)} {rest.replace(', or None for no limit', '')}"


def join_values(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--size -10K` as `--size=-10K`, of `du` also `-t -10K`, and of `diff` `-7d` as `@-7d`:
    argparse takes a separate value for an option. `--time` of `du` takes no separate value, as in GNU du.
    """
    result: list[str] = []
    is_diff, is_du = arguments[:1] == ["diff"], arguments[:1] == ["du"]
    for argument in arguments:
        if "--" in result:
            result.append(argument)
        elif is_diff and AN_AGE.fullmatch(argument) and result[-1] not in ("--top", "--depth"):
            result.append("@" + argument)
        elif is_du and argument == "--time":
            result.append("--time=mtime")
        elif is_du and argument.startswith("-") and A_THRESHOLD.fullmatch(result[-1]):
            result[-1] += argument if result[-1][1] != "-" else "=" + argument
        elif result and result[-1] in SIGNED and argument.startswith("-"):
            result[-1] += "=" + argument
        else:
            result.append(argument)
    return result

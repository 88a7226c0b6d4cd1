"""Arguments in, exit code out."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from scanner.cli import exits
from scanner.cli.outputs import refuse_shared_outputs
from scanner.cli.parser import parse
from scanner.errors import OptionError, OutputError
from scanner.export.output import occupy_streams
from scanner.options import PUBLIC, ScanOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ends the process itself only after a signal."""
    if hasattr(sys.stderr, "reconfigure"):  # not where it is closed
        sys.stderr.reconfigure(errors="backslashreplace")
    occupy_streams()
    given = joined(arguments_given() if arguments is None else arguments)
    args = parse(given)
    try:
        options = options_from(args)
    except OptionError as error:
        return exits.usage_error(as_flag(str(error)))
    interruption = exits.Interruption()
    try:
        with interruption.handled():
            return run_command(args, options, interruption)
    except exits.Interrupted as error:
        return exits.end_by_signal(error.number)
    except OptionError as error:
        return exits.usage_error(str(error))
    except OutputError as error:
        exits.print_message(str(error))
        return exits.NO_RESULT
    except BrokenPipeError:  # whoever read our output has had enough
        exits.discard_stdout()
        return exits.COMPLETE
    except OSError as error:
        exits.print_message(unforeseen(error))
        return exits.NO_RESULT


def arguments_given() -> list[str]:
    """The arguments of this process. In a locale that is not UTF-8 the C library has decoded them, and not always so
    that Python can encode them again.
    """
    given = sys.argv[1:]
    if sys.getfilesystemencoding() != "utf-8":
        with contextlib.suppress(OSError), open("/proc/self/cmdline", "rb") as command:
            words = command.read().split(b"\0")[:-1]
            given = [os.fsdecode(word) for word in words[len(words) - len(given) :]]
    return given


def run_command(args: argparse.Namespace, options: ScanOptions, interruption: exits.Interruption) -> int:
    """Import the command's module, and run it: the modules of the others are not needed."""
    if args.command == "why":
        from scanner.cli.why import why_command

        return why_command(args, options)
    refuse_shared_outputs(args)
    if args.command == "scan":
        from scanner.cli.scan import scan_command

        return scan_command(args, options, interruption)
    if args.command == "du":
        from scanner.cli.du import du_command

        return du_command(args, options, interruption)
    if args.command == "treemap":
        from scanner.cli.treemap import treemap_command

        return treemap_command(args, options, interruption)
    from scanner.cli.list import list_command

    return list_command(args, options, interruption)


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


def unforeseen(error: OSError) -> str:
    """What nobody expects of a system, in a line."""
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return "the working directory is gone, and relative paths with it: give absolute ones, or go elsewhere"
    return str(error)


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

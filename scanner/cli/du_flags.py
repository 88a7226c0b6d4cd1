"""The options of `scanner du`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

SORTS = "size", "name", "count", "mtime"
BY = "owner", "group", "suffix", "age", "directory"


class SetOptions(argparse.Action):
    """Sets several options at once: the last of those that concern the same one holds."""

    def __init__(self, option_strings: Sequence[str], dest: str, const: Mapping[str, Any], **rest: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, const=const, **rest)

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: Any) -> None:
        vars(namespace).update(self.const)


def add_du_options(command: argparse.ArgumentParser) -> None:
    command.set_defaults(followlinks=False, dereference=False, wrong_names=False)
    group = command.add_argument_group("what to print")
    group.add_argument("-a", "--all", action="store_true", help="print files as well")
    group.add_argument(
        "-d", "--max-depth", dest="shown_depth", metavar="N",
        help="print directories (with -a files) down to N levels below ROOT; deeper ones count",
    )  # fmt: skip
    group.add_argument("-s", "--summarize", action="store_true", help="print ROOTs only, as -d 0")
    group.add_argument("-S", "--separate-dirs", action="store_true", help="print directories without subdirectories")
    group.add_argument(
        "-t", "--threshold", metavar="SIZE", help="print only what has SIZE or more; with -SIZE, SIZE or less"
    )
    group.add_argument("-c", "--total", action="store_true", help="print the total of all ROOTs at the end")
    group.add_argument("--top", type=int, metavar="N", help="print the N largest, or the first N by --sort")
    group.add_argument(
        "--sort", choices=SORTS,
        help="sort: the largest, the first by name, those with the most files, or the newest come first",
    )  # fmt: skip
    group.add_argument(
        "--by", choices=BY,
        help="print a table of sums by owner, group, suffix, age or directory (1 level below ROOT, or -d N)",
    )  # fmt: skip
    group.add_argument("-0", "--null", action="store_true", help="end each line with a NUL instead of a newline")
    group.add_argument("--json", action="store_true", help="print one JSON object, with sizes in bytes")
    _add_figure_options(command.add_argument_group("figures (of options for one thing, the last holds)"))
    group = command.add_argument_group("what counts")
    group.add_argument("-l", "--count-links", action="store_true", help="count a file once for each of its names")
    group.add_argument(
        "--files0-from", dest="files_from", metavar="F",
        help="read ROOTs from the file F, each ended by a NUL; - is standard input",
    )  # fmt: skip


def _add_figure_options(group: argparse._ArgumentGroup) -> None:
    units: dict[str, Any] = {"action": "store_const", "dest": "block_size"}
    group.add_argument(
        "-h", "--human-readable", const="human-readable", help="units that fit: 4.0K, 12M, 1.5G", **units
    )
    group.add_argument("--si", const="si", help="the same with powers of 1000: 4.1k", **units)
    group.add_argument("-k", const="1K", help="same as -B 1K", **units)
    group.add_argument("-m", const="1M", help="same as -B 1M", **units)
    group.add_argument(
        "-B", "--block-size", metavar="SIZE", help="unit of sizes: bytes, or K, M, 4K, kB, MiB, ... (default: K)"
    )
    group.add_argument("--apparent-size", action="store_true", help="print apparent sizes instead of disk usage")
    group.add_argument(
        "-b", "--bytes", action=SetOptions, const={"apparent_size": True, "block_size": "1"},
        help="same as --apparent-size -B 1",
    )  # fmt: skip
    group.add_argument("--inodes", action="store_true", help="print numbers of files instead of sizes")
    group.add_argument(
        "--time", metavar="WORD", nargs="?", const="mtime",
        help="print the latest modification of all that counts; --time=atime (access, use): of accesses; --time=ctime "
        "(status): of status changes",
    )  # fmt: skip
    group.add_argument(
        "--time-style", metavar="STYLE", help="full-iso, long-iso (default), iso, or +FORMAT, as in date"
    )


def add_link_options(group: argparse._ArgumentGroup) -> None:
    """Add the options about symbolic links: of all, of ROOTs only, of none."""
    every, roots = ({"followlinks": every, "dereference": roots} for every, roots in ((True, True), (False, True)))
    group.add_argument(
        "-L", "--dereference", "--follow-links", "--followlinks", action=SetOptions, const=every,
        help="enter directories that symlinks point to, except those that lead to a directory above themselves",
    )  # fmt: skip
    group.add_argument(
        "-D", "-H", "--dereference-args", action=SetOptions, const=roots, help="follow symlinks that are ROOTs only"
    )
    group.add_argument(
        "-P", "--no-dereference", action=SetOptions, const=dict.fromkeys(every, False),
        help="follow no symlinks (default)",
    )  # fmt: skip

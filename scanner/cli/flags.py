"""The flags that commands share, in groups. Their names in the Namespace are those of ScanOptions."""

from __future__ import annotations

import argparse

from scanner.export.formats import FORMATS, USUAL_FIELDS
from scanner.fields import FIELDS
from scanner.options import BACKENDS, MAX_DEPTH, MAX_HUNG, MAX_IN_FLIGHT, MAX_WORKERS, START_METHODS
from scanner.units import A_DURATION, seconds_of

DIR_TIMEOUT = 60  # seconds


def entering(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """What is entered at all."""
    group = command.add_argument_group("walking")
    group.add_argument(
        "-L", "--follow-links", "--followlinks", dest="followlinks", action="store_true",
        help="enter directories that links point to, except those that lead to a directory above themselves",
    )  # fmt: skip
    group.add_argument(
        "-x", "--one-file-system", action="store_true",
        help="do not enter other file systems than that of ROOT, as find -xdev and du -x; mount points are shown",
    )  # fmt: skip
    group.add_argument(
        "--one-mount", action="store_true",
        help="do not enter any mount point below ROOT, not even a bind mount of the same file system",
    )  # fmt: skip
    group.add_argument(
        "--skip-fs", metavar="TYPES", type=_names, default=[], action="extend",
        help="do not enter file systems of these types where they are mounted below ROOT: nfs4,autofs,proc "
        "(may be repeated)",
    )  # fmt: skip
    return group


def walking(command: argparse.ArgumentParser) -> None:
    group = entering(command)
    group.add_argument(
        "--timeout", type=_duration, metavar="TIME",
        help="give up after so long (90, 15min, 1.5h), keep what was found, exit 75",
    )  # fmt: skip
    group.add_argument(
        "--dir-timeout", type=_duration, metavar="TIME", default=DIR_TIMEOUT,
        help=f"give up a directory that has not answered for so long (default: {DIR_TIMEOUT} s); 0: wait for ever",
    )  # fmt: skip
    group.add_argument(
        "--max-hung", type=int, metavar="N", default=MAX_HUNG,
        help="leave the rest of a mount alone after N directories of it that did not answer "
        f"(default: {MAX_HUNG}); 0: never",
    )  # fmt: skip


def expecting(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("expecting (exit code 1 otherwise, with the reason)")
    group.add_argument(
        "--expect-fs", metavar="TYPES", type=_names, default=[], action="extend",
        help="each ROOT is on a file system of one of these types, as in /proc/mounts: nfs4,xfs",
    )  # fmt: skip
    group.add_argument(
        "--min-entries", metavar="N", type=int, default=0, help="at least N entries are found, in all ROOTs together"
    )


def filters(command: argparse.ArgumentParser, *, max_depth: bool = True) -> None:
    """What is left out, and what of the rest is shown. `max_depth` may mean something else to the command."""
    group = command.add_argument_group("leaving out (what is left out is not opened)")
    group.add_argument(
        "--exclude", metavar="PATTERN", action="append", default=[],
        help="leave out what matches, as in a .gitignore in ROOT (may be repeated; !PATTERN takes back)",
    )  # fmt: skip
    group.add_argument(
        "--exclude-from", metavar="FILE", action="append", default=[],
        help="leave out what matches a pattern in FILE (may be repeated)",
    )  # fmt: skip
    group.add_argument(
        "--gitignore", action="store_true",
        help="leave out what git would: .gitignore files, those above ROOT too, and .git itself",
    )  # fmt: skip
    group.add_argument(
        "--ignore-file", dest="ignore_files", metavar="NAME", action="append", default=[],
        help="files of this name hold patterns, too, stronger than .gitignore (may be repeated)",
    )  # fmt: skip
    group.add_argument("--ignore-case", action="store_true", help="patterns do not tell capital from small letters")
    group.add_argument(
        "--exclude-if-present", metavar="NAME", action="append", default=[],
        help="do not enter directories that hold an entry NAME (may be repeated)",
    )  # fmt: skip
    group.add_argument(
        "--exclude-caches", action="store_true", help="do not enter directories with a valid CACHEDIR.TAG"
    )
    group.add_argument("--no-hidden", dest="hidden", action="store_false", help="leave out names that begin with a dot")
    if max_depth:
        group.add_argument(
            "--max-depth", type=int, metavar="N",
            help=f"levels below ROOT that are shown and entered (default: {MAX_DEPTH:,}, deeper ones are errors)",
        )  # fmt: skip
    group = command.add_argument_group("showing (directories are entered all the same)")
    group.add_argument(
        "--include", metavar="PATTERN", action="append", default=[],
        help="show what matches, as in a .gitignore, and what is in directories that match (may be repeated)",
    )  # fmt: skip
    group.add_argument("--min-depth", type=int, metavar="N", default=0, help="show nothing above this level")
    group.add_argument(
        "--type", dest="types", metavar="TYPES", default=(),
        help="show only f (files), d (directories), l (links), p (pipes), s (sockets), b, c (devices): f,l",
    )  # fmt: skip
    group.add_argument(
        "--size", metavar="SIZE", action="append", default=[],
        help="show only files of +1M or more, -10K or less, or of just so many bytes (may be repeated)",
    )  # fmt: skip
    what = "a date (2026-11-23, 2026-11-23T14:30), so long ago (7d, 12h, 1y), or the last change of a file"
    group.add_argument("--newer", metavar="WHEN", help=f"show only what was changed after WHEN: {what}")
    group.add_argument("--older", metavar="WHEN", help="show only what was not changed after WHEN")


def running(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("running")
    group.add_argument(
        "--workers", "--max-workers", dest="max_workers", type=int, metavar="N",
        help=f"worker processes, or threads as long as there are none, 1 to {MAX_WORKERS} (default: one a processor)",
    )  # fmt: skip
    group.add_argument(
        "--backend", choices=BACKENDS, default="auto",
        help="where to walk: in this process, in worker processes, or in these once the tree proves large, "
        "after threads where these do not wait for each other (default: auto)",
    )  # fmt: skip
    group.add_argument(
        "--start-method", choices=START_METHODS,
        help="how worker processes are started (default: fork on Linux, it is the fastest)",
    )  # fmt: skip
    group.add_argument(
        "--max-in-flight", type=int, metavar="N", default=MAX_IN_FLIGHT,
        help="directories read at a time at most, in all workers together, where they cost waiting "
        f"(default: {MAX_IN_FLIGHT}); how many up to that is found by measuring",
    )  # fmt: skip
    group.add_argument("--max-rate", type=float, metavar="N", help="directories read a second at most")
    group.add_argument(
        "--nice", action="store_true", help="let others have the processor and the disk first (lowest I/O priority)"
    )


def telling(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("telling")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress and no list of errors on stderr")
    group.add_argument("-v", "--verbose", action="store_true", help="list all errors on stderr, not just the first few")
    group.add_argument("--errors", metavar="FILE", help="write all errors to FILE, one JSON object a line (NDJSON)")
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, default=None,
        help="show progress on stderr, if it is a terminal (default: yes)",
    )  # fmt: skip


def reporting(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--report", metavar="FILE", action="append", default=[],
        help="also write the report to FILE: .json, .md or .html, by its suffix (may be repeated)",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument(
        "--sizes", action="store_true",
        help="report sizes as well: totals, the largest, by size, age, suffix and owner (takes about twice as long)",
    )  # fmt: skip


def drawing(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("drawing")
    group.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="write to FILE, whole or not at all: .svg or .html"
    )
    group.add_argument(
        "--most", type=int, metavar="N", default=1000,
        help="directories to draw at most, the largest (default: 1000); what is smaller is part of what it lies in",
    )  # fmt: skip


def exporting(command: argparse.ArgumentParser) -> None:
    """What is written of each entry, and where to."""
    group = command.add_argument_group("writing")
    group.add_argument("-0", "--null", action="store_true", help="end each path with a NUL, not a newline")
    # Because of -0, argparse would take the -1 of `--workers -1` for an option, and say nothing useful about it.
    command._has_negative_number_optionals.clear()
    group.add_argument(
        "-o", "--output", metavar="FILE", action="append", default=[],
        help="write to FILE, whole or not at all; - is standard output (may be repeated: several from one scan)",
    )  # fmt: skip
    group.add_argument(
        "--format", type=str.lower, choices=FORMATS, metavar="FORMAT",
        help=f"{', '.join(FORMATS)} (default: by the suffix of FILE, or paths)",
    )  # fmt: skip
    group.add_argument(
        "--fields", metavar="NAMES",
        help=f"what to tell in ndjson, csv, parquet, sqlite: {','.join(FIELDS)}, or all "
        f"(default: {','.join(USUAL_FIELDS)})",
    )  # fmt: skip
    group.add_argument(
        "--trailer", action="store_true",
        help="end ndjson with a record of the scan: {\"scan\": {roots, host, times, outcome, unreadable directories}}",
    )  # fmt: skip
    group.add_argument(
        "--template", metavar="TEXT",
        help="a line for each entry, such as '{size:>12} {mtime} {path}'; also {name}, {parent} and all fields; "
        "\\t, \\n, \\0",
    )  # fmt: skip


def sizes(command: argparse.ArgumentParser) -> None:
    """How space is summed up and shown, as `du` has it."""
    group = command.add_argument_group("summing up")
    shown = group.add_mutually_exclusive_group()
    shown.add_argument(
        "-d",
        "--max-depth",
        dest="shown_depth",
        type=int,
        metavar="N",
        help="show directories down to N levels below ROOT",
    )
    shown.add_argument("-s", "--summarize", dest="shown_depth", action="store_const", const=0, help="as -d 0")
    group.add_argument("--top", type=int, metavar="N", help="show the N largest, the largest first")
    group.add_argument("-c", "--total", action="store_true", help="and the total of all ROOTs")
    group.add_argument("-l", "--count-links", action="store_true", help="count a file once for each of its names")
    group.add_argument("--apparent-size", action="store_true", help="bytes that can be read, not those on the disk")
    unit = group.add_mutually_exclusive_group()
    unit.add_argument(
        "-B", "--block-size", metavar="SIZE", help="unit: bytes, or K, M, 4K, kB, MiB, ... as du (default: K)"
    )
    unit.add_argument("-h", "--human-readable", action="store_true", help="with units that suit: 4.0K, 12M, 1.5G")
    group.add_argument("-b", "--bytes", action="store_true", help="as --apparent-size -B 1")
    group.add_argument("-0", "--null", action="store_true", help="end each line with a NUL, not a newline")
    command._has_negative_number_optionals.clear()


def _duration(text: str) -> float:
    seconds = seconds_of(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not {A_DURATION} (without a unit: seconds)")
    return seconds


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names with commas between them")
    return names

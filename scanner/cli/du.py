"""`scanner du`: prints the disk usage of directories, with the figures of GNU du."""

from __future__ import annotations

import argparse
import heapq
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from scanner.cli import exits
from scanner.cli.roots import counted_before, distinct, each_time
from scanner.cli.run import conclude, run_scan
from scanner.encoding import printable, terminal_bytes, utf8_text
from scanner.errors import OptionError
from scanner.export.formats import SIZES_FIELDS
from scanner.export.output import STDOUT, Output
from scanner.export.tree import DistinctTree, Total, Tree, key_of
from scanner.model import Chunk, Path, is_below, prefix_of
from scanner.mounts import are_shared
from scanner.options import ProducerSpec, ScanOptions

UNITS = "KMGTPEZY"
BLOCK_SIZE = re.compile(r"'?(?: *\+?([0-9]+))?(?:([kKmMgGtTPEZY])(B|iB)?)?")  # as in coreutils' human.c and xstrtol.c
MOST_BYTES = 1 << 64


def du_command(args: argparse.Namespace, options: ScanOptions, interruption: exits.Interruption) -> int:
    for name, value, least in (("-d", args.shown_depth, 0), ("--top", args.top, 1)):
        if value is not None and value < least:
            raise OptionError(f"{name} must be a whole number of {least} or more, not {value}")
    formatted = size_formatter(args)
    several = len(args.roots) > 1
    given: dict[str, str] = {}
    files: dict[Path, os.stat_result] = {}
    if options.known is not None:
        named = list(args.roots)
    elif args.count_links:
        named, files, given = each_time(args.roots, options)
    else:
        named, files = distinct(args.roots, options)
    if files and args.store:
        raise OptionError(f"--store: {os.fsdecode(next(iter(files)))!r} is no directory: a store is of directories")
    args.roots = [root for root in named if root not in files]
    several = (
        several and not args.count_links and options.known is None and are_shared(args.roots)
    )  # GNU du: not with one ROOT
    known = tuple(map(key_of, files.values()))
    is_once = several or (options.followlinks and not args.count_links)
    depth = None if is_once else args.shown_depth  # a directory that may be met twice needs its own record
    options = options._replace(
        producers=(ProducerSpec("sizes", (depth, args.count_links, known, several)),),
        stat=SIZES_FIELDS,
        barred=() if args.count_links or options.known is not None else counted_before(args.roots),
    )
    tree = (DistinctTree if is_once else Tree)(named, files, every_name=args.count_links)
    with Output(None) as output:
        lines = SizeLines(args, named, given, formatted, output)

        def take(chunk: Chunk) -> None:
            with interruption.raising():
                lines.add(tree.add(chunk.output))

        outcome = run_scan(args, options, take, interruption)
        is_whole = outcome.word not in ("timeout", "interrupted")
        if is_whole:
            lines.add(tree.finish())
        lines.finish(total=args.total and is_whole)
    if outcome.code == exits.NO_RESULT and files:
        outcome = outcome._replace(code=exits.INCOMPLETE)
    return conclude(args, outcome)


class SizeLines:
    """Writes a line for each directory, at once or with --top at the end, and adds up the ROOTs.

    `given` has the spelling of ROOTs that were renamed for the scan.
    """

    def __init__(
        self, args: argparse.Namespace, roots: Sequence[str], given: Mapping[str, str],
        formatted: Callable[[int], str], output: Output,
    ) -> None:  # fmt: skip
        self._formatted, self._output = formatted, output
        self._apparent = args.apparent_size or args.bytes
        self._end = b"\0" if args.null else b"\n"
        self._on_terminal = not args.null and os.isatty(STDOUT)  # it interprets control characters in names
        self._roots = frozenset(roots)
        self._depth: int | None = args.shown_depth
        self._given = {spelled: root for spelled, root in given.items() if spelled != root}
        self._sum = 0
        self._top: int | None = args.top
        self._largest: list[tuple[int, int, Total]] = []
        self._count = 0

    def add(self, totals: Iterable[Total]) -> None:
        for total in totals:
            size = self._bytes(total)
            if total.path in self._roots:
                self._sum += size
            if self._depth is not None and self._levels(total.path) > self._depth:
                continue
            if self._top is None:
                self._write(size, total.path)
                continue
            self._count -= 1  # of equal sizes the first is kept
            heapq.heappush(self._largest, (size, self._count, total))
            if len(self._largest) > self._top:
                heapq.heappop(self._largest)

    def _levels(self, path: Any) -> int:
        """Return the levels between a directory and its ROOT."""
        root = max((root for root in self._roots if is_below(path, root)), key=len)
        return 0 if path == root else path.count("/", len(prefix_of(root))) + 1

    def finish(self, *, total: bool) -> None:
        """Write the lines of --top, and the total."""
        for size, _, each in sorted(self._largest, reverse=True):
            self._write(size, each.path)
        if total:
            self._write(self._sum, "total")

    def _bytes(self, total: Total) -> int:
        return total.size if self._apparent else total.disk

    def _write(self, size: int, path: Path) -> None:
        path = self._as_given(path)
        name = terminal_bytes(printable(utf8_text(path))) if self._on_terminal else os.fsencode(path)
        self._output.write(self._formatted(size).encode() + b"\t" + name + self._end)

    def _as_given(self, path: Path) -> Path:
        """Return the path below its ROOT as the user spelled it."""
        top = next((spelled for spelled in self._given if is_below(path, spelled)), None)
        if top is None:
            return path
        inner = path[len(prefix_of(top)) :]
        return prefix_of(self._given[top]) + inner if inner else self._given[top]


def size_formatter(args: argparse.Namespace) -> Callable[[int], str]:
    """Return the function that formats a number of bytes. Raises OptionError."""
    size = args.block_size
    if args.human_readable or (size and "human-readable".startswith(size)):
        return human_size
    if size and "si".startswith(size):
        return partial(human_size, base=1000)
    if size is None:
        unit, letters = 1 if args.bytes else 1024, ""
    else:
        unit, letters = block_size(size)
    return lambda count: f"{-(-count // unit)}{letters}"


def block_size(text: str) -> tuple[int, str]:
    """Return a unit's bytes, and the letters after each size: with a number in `text` none, as in du.

    Raises OptionError.
    """
    match = BLOCK_SIZE.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        raise OptionError(f"-B must be a number of bytes or a unit like 512, K, 4K, kB, MiB, not {text!r}")
    letter, base = (match[2] or "").upper(), 1000 if match[3] == "B" else 1024
    size = int(match[1] or 1) * base ** (UNITS.index(letter) + 1 if letter else 0)
    if not 0 < size < MOST_BYTES:
        raise OptionError(f"-B must be from 1 to {MOST_BYTES - 1} bytes, not {text!r}")
    if match[1]:
        return size, ""
    return size, ("k" if size == 1000 else letter) + (match[3] or "")


def human_size(count: int, base: int = 1024) -> str:
    """Return a size rounded up, as du does: 4.0K, 12M; with base 1000 4.1k."""
    size = 1
    for letter in ("", *UNITS):
        shown = "k" if letter == "K" and base == 1000 else letter
        tenths, whole = -(-count * 10 // size), -(-count // size)
        if letter and tenths < 100:
            return f"{tenths // 10}.{tenths % 10}{shown}"
        if whole < base:
            break
        size *= base
    return f"{whole}{shown}"

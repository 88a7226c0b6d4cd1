"""Check expectations about ROOTs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence

from scanner.cli.exits import print_message
from scanner.errors import OptionError
from scanner.model import UNEXPECTED, Fault, is_below
from scanner.mounts import filesystem_type
from scanner.stats import ScanStats


class Expectations:
    """Checks --expect-fs and --min-entries: an empty or unmounted ROOT is readable, but its inventory is wrong.

    File systems are looked up by the constructor, before the scan. Raises OptionError.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        if args.min_entries < 0:
            raise OptionError(f"--min-entries must be a whole number of 0 or more, not {args.min_entries}")
        self._roots = args.roots
        self._least = args.min_entries
        self._types = args.expect_fs
        self._found = [filesystem_type(root) for root in args.roots] if args.expect_fs else []

    def unmet(self, stats: ScanStats) -> Iterator[Fault]:
        """Yield a Fault for each expectation that a finished scan does not meet, on the ROOT that it concerns."""
        there = stats.cluster.get("roots")
        yield from self.wrong_filesystems([root["filesystem"] for root in there] if there else None)
        if not self._least:
            return
        if stats.entries < self._least:
            where = next(iter(self._roots), "the ROOTs")
            yield _unmet(where, f"{stats.entries:,} entries were found in all, fewer than {self._least:,}")
        elif len(self._roots) > 1:
            empty = [root["is_empty"] for root in there] if there else map(_is_empty, self._roots)
            yield from (_unmet(root, "it is empty") for root, none in zip(self._roots, empty, strict=True) if none)

    def wrong_filesystems(self, there: Sequence[str] | None = None) -> Iterator[Fault]:
        """Yield a Fault for each ROOT on another file system than --expect-fs names. `there`: those on a cluster."""
        found_types = self._found if there is None or not self._types else there
        for root, found in zip(self._roots, found_types, strict=False):  # empty without --expect-fs
            if found not in self._types:
                message = f"its file system is {found}, not {' or '.join(self._types)}: is it mounted?"
                yield _unmet(root, message)


def _is_empty(root: str) -> bool:
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except OSError:  # the scan has reported it
        return False


def _unmet(root: str, message: str) -> Fault:
    return Fault(root, "expect", 0, message, UNEXPECTED)


def read_roots(path: str, given: Sequence[str]) -> tuple[list[str], bool]:
    """Return the ROOTs in a file, each ended by a NUL (`-`: standard input), and whether some are no names.

    Those are reported. Raises OptionError.
    """
    if given:
        raise OptionError(f"--files0-from {path!r}: it has all ROOTs; {given[0]!r} cannot be given beside it")
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            content = file.read()
    except OSError as error:
        raise OptionError(f"--files0-from {path!r}: {error.strerror}") from error
    names = [os.fsdecode(name) for name in content.removesuffix(b"\0").split(b"\0")] if content else []
    wrong = {"": "a name is empty", **({"-": "on standard input, no name may be -"} if path == "-" else {})}
    for number, name in enumerate(names, 1):
        if name in wrong:
            print_message(f"--files0-from {path!r}, name {number}: {wrong[name]}")
    return [name for name in names if name not in wrong], not wrong.keys().isdisjoint(names)


def file_id(path: str) -> tuple[int, int] | None:
    """Return device and inode of the target of `path`; None if it is unreadable, which the scan reports."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def refuse_shared_directories(roots: Sequence[str]) -> None:
    """Raise OptionError if one ROOT is, or lies below, another: sums would include it twice."""
    places = [(os.path.realpath(root), file_id(root), root) for root in roots]
    for number, (place, file, root) in enumerate(places):
        for other_place, other_file, other in places[:number]:
            is_mounted_twice = file is not None and file == other_file
            if is_mounted_twice or is_below(place, other_place) or is_below(other_place, place):
                raise OptionError(f"sizes would count twice what is in ROOTs {other!r} and {root!r}: give one of them")

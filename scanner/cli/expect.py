"""What a scan must find to be complete: an empty or unmounted root is readable, but nobody wants its inventory."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from scanner.errors import OptionError
from scanner.model import UNEXPECTED, Fault
from scanner.mounts import filesystem_type
from scanner.stats import ScanStats


class Expectations:
    """Made before the scan, when file systems are looked up; `unmet` afterwards. Raises OptionError."""

    def __init__(self, args: argparse.Namespace) -> None:
        if args.min_entries < 0:
            raise OptionError(f"--min-entries must be a whole number of 0 or more, not {args.min_entries}")
        self._roots = args.roots
        self._least = args.min_entries
        self._types = args.expect_fs
        self._found = [filesystem_type(root) for root in args.roots] if args.expect_fs else []

    def unmet(self, stats: ScanStats) -> Iterator[Fault]:
        """A Fault for each expectation that does not hold, on the ROOT that it is about."""
        for root, found in zip(self._roots, self._found, strict=False):  # only where a type is expected
            if found not in self._types:
                message = f"its file system is {found}, not {' or '.join(self._types)}: is it mounted?"
                yield _unmet(root, message)
        if not self._least:
            return
        if stats.entries < self._least:
            where = next(iter(self._roots), "the ROOTs")
            yield _unmet(where, f"{stats.entries:,} entries were found in all, fewer than {self._least:,}")
        elif len(self._roots) > 1:
            yield from (_unmet(root, "it is empty") for root in self._roots if _is_empty(root))


def _is_empty(root: str) -> bool:
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except OSError:  # the scan has reported it
        return False


def _unmet(root: str, message: str) -> Fault:
    return Fault(root, "expect", 0, message, UNEXPECTED)

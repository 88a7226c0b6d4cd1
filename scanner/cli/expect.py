"""What a scan must find to be complete: an empty or unmounted root is readable, but nobody wants its inventory."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from scanner.model import UNEXPECTED, Fault
from scanner.mounts import filesystem_type
from scanner.stats import ScanStats


class Expectations:
    """Made before the scan, when file systems are looked up; `unmet` afterwards."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._roots = args.roots or [""]  # of `du`, they may all be files
        self._least = args.min_entries
        self._types = args.expect_fs
        self._found = [filesystem_type(root) for root in args.roots] if args.expect_fs else []

    def unmet(self, stats: ScanStats) -> Iterator[Fault]:
        """A Fault for each expectation that does not hold, on the ROOT that it is about."""
        for root, found in zip(self._roots, self._found, strict=False):  # only where a type is expected
            if found not in self._types:
                message = f"its file system is {found}, not {' or '.join(self._types)}: is it mounted?"
                yield _unmet(root, message)
        if stats.entries < self._least:
            yield _unmet(self._roots[0], f"{stats.entries:,} entries were found, fewer than {self._least:,}")


def _unmet(root: str, message: str) -> Fault:
    return Fault(root, "expect", 0, message, UNEXPECTED)

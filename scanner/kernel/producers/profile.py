"""Producer of the name part of a report: files by suffix and depth, and the directories with the most entries."""

from __future__ import annotations

import heapq
import marshal
import re
from collections import Counter
from typing import Any

from scanner.encoding import ENCODING, ERRORS, utf8_text
from scanner.fields import columns_of
from scanner.kernel.native import JOINED, WalkedRun, native
from scanner.kernel.pack import FilesWithRows
from scanner.kernel.producers.base import Producer, depth_below, nul_of
from scanner.kernel.producers.summary import LONGEST_SUFFIX
from scanner.model import is_below
from scanner.options import ScanOptions

SUFFIX = re.compile(rf"(?<=[^\0/])\.[^.\0/]{{1,{LONGEST_SUFFIX}}}(?![^\0/])")
"""Finds the suffixes (see `suffix_of`) of names that NULs and slashes separate: faster than a call for each."""


class Profile(Producer):
    """Counts names. `most`: number of directories with the most entries to keep."""

    run_form = JOINED

    def __init__(self, options: ScanOptions, most: int) -> None:
        self.width = len(columns_of(options.fields))
        self._native = None if options.pure else native()
        self._roots = sorted(options.roots, key=len, reverse=True)
        self._root: Any = None
        self._most = most
        self._suffixes: Counter[str] = Counter()
        self._depths: dict[int, list[int]] = {}
        self._entries: list[tuple[int, Any]] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        names = files.names if isinstance(files, FilesWithRows) else path[:0]
        if names:
            self._count_suffixes(names)
        self._add(path, len(dirs), names.count(nul_of(names)) + 1 if names else 0, first)

    def add_joined_run(self, run: WalkedRun) -> None:
        dirs, files = run.names[1], run.names[3]
        nul, slash = ("\0", "/") if isinstance(files, str) else (b"\0", b"/")
        if files:
            self._count_suffixes(files)
        for path, some, others in zip(run.paths, dirs.split(slash), files.split(slash), strict=True):
            self._add(path, some.count(nul) + 1 if some else 0, others.count(nul) + 1 if others else 0, True)

    def _count_suffixes(self, names: Any) -> None:
        """Count the suffixes of names that NULs and slashes separate."""
        if self._native is not None:
            joined = names if isinstance(names, bytes) else names.encode(ENCODING, ERRORS)
            counts, odd = self._native.count_suffixes(joined)
            self._suffixes.update({suffix.decode(): count for suffix, count, *_ in counts if suffix})
            names = b"\0".join(name for name, *_ in odd)
        self._suffixes.update(SUFFIX.findall(utf8_text(names)))

    def _add(self, path: Any, dirs: int, files: int, first: bool) -> None:
        """Count a directory, or a part of one: the numbers of its sub-directories and other entries."""
        counts = self._depths.setdefault(self._depth(path), [0, 0])
        counts[0] += first
        counts[1] += files
        self._entries.append((dirs + files, path))

    def _depth(self, path: Any) -> int:
        """Return the number of levels between `path` and the nearest root above it."""
        if self._root is None or len(self._roots) > 1 or not is_below(path, self._root):
            self._root = next(root for root in self._roots if is_below(path, root))
        return depth_below(path, self._root)

    def output(self) -> bytes:
        """Return suffixes, depths and large directories. The first and the last directory are always among these: they
        may continue in other Chunks.
        """
        between = heapq.nlargest(self._most, self._entries[1:-1], key=lambda entry: entry[0])
        kept = self._entries[:1] + between + self._entries[1:][-1:]
        return marshal.dumps((dict(self._suffixes), self._depths, kept))


PRODUCER = Profile

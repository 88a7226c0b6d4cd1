"""What a report says of a tree by names alone: how many of each suffix, at which depth, and where most of them are."""

from __future__ import annotations

import heapq
import marshal
import os
import re
from collections import Counter
from typing import Any

from scanner.fields import columns_of
from scanner.kernel.pack import JOINED
from scanner.kernel.part import Stated
from scanner.kernel.sinks.base import Sink
from scanner.kernel.sinks.summary import LONGEST_SUFFIX
from scanner.model import is_below, prefix_of, utf8_text
from scanner.options import ScanOptions

SUFFIX = re.compile(rf"(?<=[^\0])\.[^.\0]{{1,{LONGEST_SUFFIX}}}(?![^\0])")
"""Of each name in a row of them, as `suffix_of` has it. At once: a call for each takes half as long again."""


class Profile(Sink):
    """`most`: directories with the most entries that are kept."""

    run_form = JOINED

    def __init__(self, options: ScanOptions, most: int) -> None:
        self.width = len(columns_of(options.fields))
        self._roots = sorted(options.roots, key=len, reverse=True)
        self._root: Any = None
        self._most = most
        self._suffixes: Counter[str] = Counter()
        self._depths: dict[int, list[int]] = {}
        self._entries: list[tuple[int, Any]] = []

    def add(self, path: Any, dirs: list[Any], links: list[Any], files: Any, first: bool) -> None:
        names = files.files if isinstance(files, Stated) else path[:0]
        count = names.count("\0" if isinstance(names, str) else b"\0") + 1 if names else 0
        if names:
            self._suffixes.update(SUFFIX.findall(utf8_text(names)))
        counts = self._depths.setdefault(self._depth(path), [0, 0])
        counts[0] += first
        counts[1] += count
        self._entries.append((len(dirs) + count, path))

    def _depth(self, path: Any) -> int:
        """Levels below its root: the nearest, of several."""
        if self._root is None or len(self._roots) > 1 or not is_below(path, self._root):
            self._root = next(root for root in self._roots if is_below(path, root))
        if path == self._root:
            return 0
        separator: Any = os.sep if isinstance(path, str) else os.sep.encode()
        prefix = prefix_of(self._root)
        return 1 + int(path.count(separator, len(prefix)))

    def output(self) -> bytes:
        """The first and the last directory are always told: they may go on in other Chunks."""
        between = heapq.nlargest(self._most, self._entries[1:-1], key=lambda entry: entry[0])
        told = self._entries[:1] + between + self._entries[1:][-1:]
        return marshal.dumps((dict(self._suffixes), self._depths, told))


SINK = Profile

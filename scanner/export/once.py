"""Sums of directories that may be met twice: by links, or because one file system is mounted at several places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scanner.export.tree import Tree
from scanner.model import Path, is_below


class Once(Tree):
    """A Tree that excludes a directory that was met before, with all below it, as `du` does.

    Takes the records of a sink `sizes` that gives a key for each entry: the first of a directory is its own.
    """

    _excluded: Path | None = None  # the directory met before which the records are in

    def _is_again(self, path: Any, shared: Sequence[int]) -> bool:
        above = self._excluded
        if above is not None and (path == above or (path not in self._roots and is_below(path, above))):
            return True
        is_first = not self._open or self._open[-1][0] != path
        self._excluded = path if is_first and shared and shared[0] in self._met else None
        return self._excluded is not None

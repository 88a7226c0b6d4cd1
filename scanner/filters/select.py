"""Selection of entries that are not excluded: by type, size, time, depth or patterns."""

from __future__ import annotations

import os
import stat
from typing import Any

from scanner.filters.chain import COMMAND, Chain, Scope
from scanner.filters.rules import rules_of
from scanner.filters.spec import Spec
from scanner.filters.values import TYPE_TESTS
from scanner.model import Fault, prefix_of

SPECIAL = frozenset("psbc")  # types that os.DirEntry does not report
LISTED_TYPES = {"p": 1, "c": 2, "d": 4, "b": 6, "f": 8, "l": 10, "s": 12}
"""The type in a directory listing: d_type in <dirent.h>."""


class Selection:
    """Decides which entries are results. Directories that are not selected are entered nevertheless."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        include = rules_of(spec.include, "include", spec.ignore_case) if spec.include else None
        self._include = Chain((Scope(COMMAND, include),), 0) if include is not None else None
        self._last = ("", False)
        self.needs_entries = spec.needs_entries
        self.all = not spec.needs_entries and include is None and not spec.min_depth
        self.dates = spec.newer is not None or spec.older is not None
        self.hidden_types = hidden_types_of(spec.types)
        """Types in listings that are not shown, as bits."""

    def names(self, relative: str, names: list[Any], texts: list[str]) -> list[Any]:
        """Return the names of non-directories that are selected by depth and patterns. `texts`: see `as_texts`."""
        if relative.count("/") + 1 < self._spec.min_depth:
            return []
        if self._include is None:
            return names
        rules, default = self._include.rules_in(relative), self._includes_directory(relative)
        candidates = rules.candidates(texts)
        kept = []
        for name, text in zip(names, texts, strict=True):
            rule = rules.decide(text, False) if text in candidates else None
            if default if rule is None else not rule.negated:
                kept.append(name)
        return kept

    def _includes_directory(self, relative: str) -> bool:
        """Return whether a pattern includes a whole directory: it matches the directory or one above it."""
        if self._include is None or self._last[0] == relative:
            return self._last[1] if self._include is not None else True
        included, above = False, ""
        for name in relative.split("/")[:-1]:
            rule = self._include.rules_in(above).decide(name, True)
            included = included if rule is None else not rule.negated
            above += name + "/"
        self._last = relative, included
        return included

    def entries(self, names: list[Any], entry_of: Any, path: Any, follow: bool) -> tuple[list[Any], list[Fault]]:
        """Return the names whose types, sizes and times are selected, and faults of `stat`."""
        kept, faults = [], []
        for name in names:
            try:
                if self._matches_entry(entry_of[name], follow):
                    kept.append(name)
            except FileNotFoundError:
                pass
            except OSError as error:
                faults.append(Fault.of(error, prefix_of(path) + name, "stat"))
        return kept, faults

    def _matches_entry(self, entry: os.DirEntry[Any], follow: bool) -> bool:
        """Return whether an entry is selected. Calls `stat` only if the types in the listing do not decide."""
        spec = self._spec
        if not spec.sizes and not self.dates and len(spec.types) < len(TYPE_TESTS):
            if entry.is_symlink() and not follow:
                return "l" in spec.types
            if entry.is_file(follow_symlinks=follow):
                return "f" in spec.types
            if not follow and not SPECIAL.intersection(spec.types):
                return False
        elif spec.types and not spec.sizes and entry.is_symlink() and not follow and "l" not in spec.types:
            return False
        return self.matches_status(status_of(entry, follow))

    def matches_status(self, status: os.stat_result) -> bool:
        """Return whether type, size and time are selected."""
        spec, mode = self._spec, status.st_mode
        if spec.types and not any(TYPE_TESTS[kind](mode) for kind in spec.types):
            return False
        if spec.sizes and not (stat.S_ISREG(mode) and all(fits(status.st_size, *size) for size in spec.sizes)):
            return False
        modified = status.st_mtime_ns
        return (spec.newer is None or modified > spec.newer) and (spec.older is None or modified <= spec.older)

    def shows_directory(self, relative: str, status: Any) -> bool:
        """Return whether a directory itself is selected. `status`: calls `os.stat`; used only if times matter."""
        spec = self._spec
        if self.all:
            return True
        if relative.count("/") < spec.min_depth or spec.sizes or (spec.types and "d" not in spec.types):
            return False
        if not self._includes_directory(relative):
            return False
        if not self.dates:
            return True
        try:
            return self.matches_status(status())
        except OSError:
            return True


def hidden_types_of(types: str) -> int:
    """Return the types in listings that are not selected, as bits."""
    return 0xFFFF & ~sum(1 << LISTED_TYPES[kind] for kind in types) if types else 0


def status_of(entry: os.DirEntry[Any], follow: bool) -> os.stat_result:
    """Return the `stat` of an entry. `follow`: of the target of a symbolic link, unless it is broken."""
    if follow:
        try:
            return entry.stat()
        except FileNotFoundError:
            pass
    return entry.stat(follow_symlinks=False)


def fits(size: int, comparison: str, limit: int) -> bool:
    """Compare a size with a limit of `--size`: `+` at least, `-` at most, otherwise equal."""
    if comparison == "+":
        return size >= limit
    return size <= limit if comparison == "-" else size == limit

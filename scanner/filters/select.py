"""Selection of entries that are not excluded: by type, status, depth or patterns."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from scanner.fields import type_of
from scanner.filters.chain import COMMAND, Chain, Scope
from scanner.filters.conditions import Condition, Conditions, packed
from scanner.filters.rules import rules_of
from scanner.filters.spec import Spec
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
        self._selects_types = spec.selects_types
        self._conditions, self._of_directories = Conditions(spec.conditions), Conditions(spec.directory_conditions)

    def compared(self) -> tuple[int, bool, bytes, bytes, bool]:
        """Return what the compiled walker compares: see RunRequest, from `hidden_types` to `only_empty`."""
        spec = self._spec
        conditions = packed(spec.conditions), packed(spec.directory_conditions)
        return hidden_types_of(spec.types), not spec.hidden, *conditions, spec.empty

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
        """Return the names whose types and status are selected, and faults of `stat`."""
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

    def unmet(self, status: Any) -> Condition | None:
        """Return the first condition that an entry does not meet."""
        return (self._of_directories if stat.S_ISDIR(status.st_mode) else self._conditions).unmet(status)

    def undecided(self, names: list[Any], entry_of: Any, follow: bool) -> list[os.DirEntry[Any]]:
        """Return the entries whose selection needs their status."""
        return [entry_of[name] for name in names if self._matches_type(entry_of[name], follow) is None]

    def _matches_entry(self, entry: os.DirEntry[Any], follow: bool) -> bool:
        """Return whether an entry is selected. Calls `stat` only if the type in the listing does not decide."""
        matches = self._matches_type(entry, follow)
        return self._matches_status(status_of(entry, follow)) if matches is None else matches

    def _matches_type(self, entry: os.DirEntry[Any], follow: bool) -> bool | None:
        """Return whether an entry is selected; None if its type in the listing does not decide."""
        if not self._selects_types:
            return None
        letter = self._listed_type(entry, follow)
        if letter is None or (letter in self._spec.types and self._conditions):
            return None
        return letter in self._spec.types

    def _listed_type(self, entry: os.DirEntry[Any], follow: bool) -> str | None:
        """Return the type of a non-directory as its listing has it; None if that needs `stat`."""
        if entry.is_symlink() and not follow:
            return "l"
        if entry.is_file(follow_symlinks=follow):
            return "f"
        return None if follow or SPECIAL.intersection(self._spec.types) else "?"

    def _matches_status(self, status: os.stat_result) -> bool:
        if self._selects_types and (type_of(status.st_mode) or "?") not in self._spec.types:
            return False
        return self._conditions.unmet(status) is None

    def shows_directory(self, relative: str, status: Callable[[], Any], is_empty: Callable[[], bool]) -> bool:
        """Return whether a directory itself is selected. `status` and `is_empty` are called only if that matters."""
        spec = self._spec
        if self.all:
            return True
        if relative.count("/") < spec.min_depth or "d" not in spec.types or not self._includes_directory(relative):
            return False
        if spec.empty and not is_empty():
            return False
        try:
            return not self._of_directories or self._of_directories.unmet(status()) is None
        except OSError:
            return True


def hidden_types_of(types: str) -> int:
    """Return the types in listings that are not selected, as bits."""
    return 0xFFFF & ~sum(1 << LISTED_TYPES[kind] for kind in types) if len(types) < len(LISTED_TYPES) else 0


def status_of(entry: os.DirEntry[Any], follow: bool) -> os.stat_result:
    """Return the `stat` of an entry. `follow`: of the target of a symbolic link, unless it is broken."""
    if follow:
        try:
            return entry.stat()
        except FileNotFoundError:
            pass
    return entry.stat(follow_symlinks=False)

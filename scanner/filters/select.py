"""What of that which is not left out is shown: entries of some types, sizes, times, depths, or that match patterns."""

from __future__ import annotations

import os
import stat
from typing import Any

from scanner.filters.chain import COMMAND, Chain, Scope
from scanner.filters.rules import rules_of
from scanner.filters.spec import Spec
from scanner.filters.wildmatch import text_of
from scanner.model import Fault, prefix_of

TYPES = {
    "f": stat.S_ISREG, "d": stat.S_ISDIR, "l": stat.S_ISLNK, "p": stat.S_ISFIFO, "s": stat.S_ISSOCK, "b": stat.S_ISBLK,
    "c": stat.S_ISCHR,
}  # fmt: skip
SPECIAL = frozenset("psbc")  # nothing in a listing tells Python of these
IN_LISTINGS = {"p": 1, "c": 2, "d": 4, "b": 6, "f": 8, "l": 10, "s": 12}
"""What a listing has for each of them: d_type, as in <dirent.h>."""


class Selection:
    """Directories are entered all the same."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        include = rules_of(spec.include, "include", spec.ignore_case) if spec.include else None
        self._include = Chain((Scope(COMMAND, include),), 0) if include is not None else None
        self._last = ("", False)
        self.asks = spec.asks
        self.all = not spec.asks and include is None and not spec.min_depth
        self.dates = spec.newer is not None or spec.older is not None
        asks_more = bool(spec.sizes) or self.dates or include is not None or spec.min_depth
        self.unwanted = None if asks_more else unwanted(spec.types)
        """Types in listings that are not shown, as bits; None where something else than types decides, too."""

    def names(self, relative: str, names: list[Any], texts: list[str]) -> list[Any]:
        """Those of the names of no directories that are shown, as far as names tell."""
        if relative.count("/") + 1 < self._spec.min_depth:
            return []
        if self._include is None:
            return names
        place, default = self._include.place(relative), self._includes_directory(relative)
        candidates = place.candidates(texts)
        kept = []
        for name, text in zip(names, texts, strict=True):
            rule = place.decide(text, False) if text in candidates else None
            if default if rule is None else not rule.negated:
                kept.append(name)
        return kept

    def _includes_directory(self, relative: str) -> bool:
        """Whether all in a directory is included, because a pattern names it or one above it."""
        if self._include is None or self._last[0] == relative:
            return self._last[1] if self._include is not None else True
        included, above = False, ""
        for name in relative.split("/")[:-1]:
            rule = self._include.place(above).decide(name, True)
            included = included if rule is None else not rule.negated
            above += name + "/"
        self._last = relative, included
        return included

    def entries(self, names: list[Any], entry_of: Any, path: Any, follow: bool) -> tuple[list[Any], list[Fault]]:
        """Those of the names that are shown, for what their entries tell when they are asked."""
        kept, faults = [], []
        for name in names:
            try:
                if self._wants(entry_of[name], follow):
                    kept.append(name)
            except FileNotFoundError:
                pass
            except OSError as error:
                faults.append(Fault.of(error, prefix_of(path) + name, "stat"))
        return kept, faults

    def _wants(self, entry: os.DirEntry[Any], follow: bool) -> bool:
        spec = self._spec
        if not spec.sizes and not self.dates and len(spec.types) < len(TYPES):
            if entry.is_symlink() and not follow:
                return "l" in spec.types
            if entry.is_file(follow_symlinks=follow):
                return "f" in spec.types
            if not follow and not SPECIAL.intersection(spec.types):
                return False
        elif spec.types and not spec.sizes and entry.is_symlink() and not follow and "l" not in spec.types:
            return False
        return self.wants_status(status_of(entry, follow))

    def wants_status(self, status: os.stat_result) -> bool:
        spec, mode = self._spec, status.st_mode
        if spec.types and not any(TYPES[kind](mode) for kind in spec.types):
            return False
        if spec.sizes and not (stat.S_ISREG(mode) and all(fits(status.st_size, *size) for size in spec.sizes)):
            return False
        modified = status.st_mtime_ns
        return (spec.newer is None or modified > spec.newer) and (spec.older is None or modified <= spec.older)

    def shows_directory(self, relative: str, status: Any) -> bool:
        """Whether a directory is shown itself. `status()`: gives what os.stat gives; asked only where dates count."""
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
            return self.wants_status(status())
        except OSError:
            return True


def unwanted(types: str) -> int:
    return 0xFFFF & ~sum(1 << IN_LISTINGS[kind] for kind in types) if types else 0


def status_of(entry: os.DirEntry[Any], follow: bool) -> os.stat_result:
    """Of what a link leads to, if links are followed and it leads anywhere."""
    if follow:
        try:
            return entry.stat()
        except FileNotFoundError:
            pass
    return entry.stat(follow_symlinks=False)


def fits(size: int, comparison: str, wanted: int) -> bool:
    if comparison == "+":
        return size >= wanted
    return size <= wanted if comparison == "-" else size == wanted


__all__ = ["TYPES", "Selection", "text_of"]

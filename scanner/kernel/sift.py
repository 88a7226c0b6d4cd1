"""Apply the filter between reading a directory and packing it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scanner.filters.filter import Filter
from scanner.filters.git import read_rules
from scanner.filters.spec import Spec
from scanner.filters.wildmatch import text_of
from scanner.kernel.descent import Descent
from scanner.kernel.pack import ReadPart, no_listing
from scanner.kernel.requests import request_statuses
from scanner.model import Fault, Path, names

if TYPE_CHECKING:
    from scanner.kernel.known import KeptPart, Known


class Sifter:
    """The Filter of one Reader.

    follow            symlinks count as their targets.
    records_excluded  excluded names are needed as well.
    """

    def __init__(self, spec: Spec, descent: Descent, *, by_path: bool, follow: bool, records_excluded: bool) -> None:
        self.filter = Filter(spec)
        self.shown = True  # whether the directory sifted last is selected itself
        self.excluded_names: list[Any] = []  # excluded names of the directory sifted last
        self.excluded: set[Any] = set()  # those that patterns exclude, and selection does not
        self.needs_entries = self.filter.selection.needs_entries
        self._descent, self._by_path, self._follow = descent, by_path, follow
        self._records_excluded = records_excluded
        self.known: Known | None = None
        self._own = frozenset(kind(name) for name in spec.own for kind in (os.fsdecode, os.fsencode))

    def sift(
        self, path: Path, part: ReadPart, entry_of: dict[Any, Any], *, first: bool, known: bool,
        stored: KeptPart | None = None, threads: int = 0,
    ) -> ReadPart:  # fmt: skip
        """Return the part without excluded entries.

        first    no part came before
        known    no other part exists
        stored   it comes from a snapshot store
        threads  that request the status of entries where that is slow
        """
        dirs, links, packed, _, faults, more, read = part
        files = listed = names(packed)
        if not self._own.isdisjoint(files):
            files = [name for name in files if name not in self._own]
        everything = dirs + files if self._records_excluded else []
        if first and self.filter.looks:
            there = dirs + files if known else None
            refusal, useless = self.filter.enter(path, there, lambda name: self._content(path, name))
            if refusal is not None:
                return no_listing(refusal)
            faults[:0] = useless  # the last fault must stay the reason why a listing broke off
        if first and not self.filter.selection.all:
            count = part.entries - len(listed) + len(files)  # without files of our own
            is_empty = known and not (len(stored.entries) if stored is not None else count)
            self.shown = self._shows(path, lambda: self._status(path, stored), lambda: is_empty)
        before = {*dirs, *listed} if self.known is not None else set()
        dirs, links, files, useless = self.filter.sift(path, dirs, links, files)
        self.excluded = before.difference(dirs, files) if before else before
        faults[:0] = useless
        if not self.filter.selection.all:
            dirs, links, files, useless = self._select(path, dirs, links, files, entry_of, threads)
            faults[:0] = useless
        if self._records_excluded:
            kept = {*dirs, *files}
            self.excluded_names = [name for name in everything if name not in kept]
        return ReadPart(dirs, links, packed if files is listed else files, len(files), faults, more, read)

    def _select(
        self, path: Path, dirs: list[Any], links: list[Any], files: list[Any], entry_of: dict[Any, Any], threads: int
    ) -> tuple[list[Any], list[Any], list[Any], list[Fault]]:
        """Return the entries that are selected, and the directories to enter."""
        faults: list[Fault] = []
        shown = self.filter.select(path, files + links)
        if self.needs_entries:
            if threads > 1:
                undecided = self.filter.selection.undecided(shown, entry_of, self._follow)
                request_statuses(undecided, follow=self._follow, threads=threads)
            shown, faults = self.filter.selection.entries(shown, entry_of, path, self._follow)
        wanted = set(shown)
        gone = set(links).difference(wanted)
        return (
            [name for name in dirs if name not in gone],
            [name for name in links if name in wanted],
            [name for name in files if name in wanted],
            faults,
        )

    def shows(self, path: Path, *, is_shut: bool = False, faults: list[Fault] | None = None) -> bool:
        """Return whether a directory that is not entered is selected.

        is_shut  it must not get any request. Its status is unknown, which excludes nothing; it does not count as empty.
        faults   for the failure to find out whether it is empty
        """

        def status() -> Any:
            if is_shut:
                raise OSError(f"{path!r} is not to be requested")
            stored = self._stored(path)
            return os.stat(path, follow_symlinks=self._follow) if stored is None else self._status(path, stored)

        def is_empty() -> bool:
            try:
                return not is_shut and self._is_empty(path)
            except OSError as error:
                if faults is not None:
                    faults.insert(0, Fault.of(error, path, "stat"))  # not `open`: that drops the listing
                return False

        return self._shows(path, status, is_empty)

    def _shows(self, path: Path, status: Callable[[], Any], is_empty: Callable[[], bool]) -> bool:
        if self.filter.selection.all:
            return True
        relative = self.filter.chain(path).relative(text_of(path))
        return self.filter.selection.shows_directory(relative, status, is_empty)

    def _stored(self, path: Path) -> KeptPart | None:
        return None if self.known is None else self.known.settled(path)

    def _is_empty(self, path: Path) -> bool:
        """Return whether a directory that is not entered is empty. Opens it. Raises OSError."""
        stored = self._stored(path)
        if stored is not None:
            return not stored.entries
        place: Any = path if self._by_path else self._descent.open(path)
        try:
            with os.scandir(place) as entries:
                return next(entries, None) is None
        finally:
            if not self._by_path:
                os.close(place)

    def _status(self, path: Path, kept: KeptPart | None) -> Any:
        """Return the status of a directory; from the store if the tree is not consulted. Raises OSError."""
        if kept is not None and kept.is_settled and self.known is not None:
            return self.known.status_of_directory(kept)
        if self._by_path:
            return os.stat(path)
        descriptor = self._descent.open(path)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _content(self, path: Any, name: Any) -> bytes | None:
        """Return the content of a file of rules in the directory `path`. Raises OSError."""
        if self._by_path:
            return read_rules(os.path.join(path, name))
        descriptor = self._descent.open(path)
        try:
            return read_rules(name, descriptor)
        finally:
            os.close(descriptor)

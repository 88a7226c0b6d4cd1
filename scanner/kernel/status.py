"""Request `stat` of entries (size, times, owner) by descriptor and name, several in flight where they are slow.

Rows hold the results: columns of 64-bit numbers one after the other, each with a value for every entry. A failure is a
Fault `stat` and sets each column of the row to NULL. The name is kept.
"""

from __future__ import annotations

import errno
import os
import stat
from array import array
from collections.abc import Callable, Sequence
from operator import attrgetter
from struct import pack_into
from typing import Any

from scanner.encoding import ENCODING, ERRORS
from scanner.fields import EXACT, LAST, NULL, in_64_bits
from scanner.kernel.descent import HERE, Descent
from scanner.kernel.facts import ScanFacts
from scanner.kernel.native import RowsRequest
from scanner.kernel.pack import DeviceColumn, join
from scanner.kernel.requests import LEAST, Retries, in_threads, request_statuses
from scanner.model import Fault, Path, names, prefix_of
from scanner.options import ScanOptions

SLICE = LEAST  # entries that a thread requests at a time
BROKEN = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR}  # errors of `stat` for a broken symlink


class Statuses:
    """Requests rows for one Reader, with its Retries."""

    def __init__(self, options: ScanOptions, facts: ScanFacts, descent: Descent, retries: Retries) -> None:
        self._numbers = facts.numbers
        self._width = len(facts.columns)
        self._values = [_getter(name) for name in facts.columns]
        self._mode = facts.columns.index("mode") if "mode" in facts.columns else -1
        self._follow = options.followlinks
        self._native = facts.native
        self._have_statuses = options.selects_by_status  # entries, because the filter has requested them
        self._descent = descent
        self._retries = retries
        self._devices = DeviceColumn(options, facts.columns)

    def of_directory(
        self, path: Path, place: Any, files: Any, entry_of: dict[Any, Any], threads: int, faults: list[Fault]
    ) -> bytes:
        """Return rows of the directory `path` itself, open as or found at `place`, and of `files` in it.

        entry_of  their entries, if they were read in Python.
        faults    new ones are inserted at the start: the last one must stay the reason why a listing broke off.
        """
        new: list[Fault] = []
        if not self._have_statuses:
            self._descent.requests += len(names(files))
        if entry_of or self._native is None:
            entries = [entry_of[name] for name in names(files)]
            reported = {fault.path for fault in faults}
            rows = self._of_entries(path, place, entries, threads, new, reported)
        else:
            joined = files if isinstance(files, str | bytes) else join(files, path)
            rows = self._of_names(path, place, joined, threads, new)
        faults[:0] = new
        return self._counted(path, rows)

    def of_some(self, place: Any, some: Sequence[tuple[Path, Any]], faults: list[Fault]) -> bytes:
        """Return rows of entries of the directory that is open as, or found at, `place`.

        some  path and name of each; without a name, its row is NULL and costs no request.
        """
        self._descent.requests += sum(name is not None for _, name in some)
        if isinstance(place, int):
            rows = self._of_places(some, place, faults)
        else:
            rows = self._of_places([(each, name and each) for each, name in some], None, faults)
        return self._counted(some[0][0], rows) if some else rows

    def targets(self, path: Path, place: Any, files: Any, rows: bytes, faults: list[Fault]) -> dict[int, bytes]:
        """Return the targets of symlinks among `files`, by their row in `rows`: see `of_directory`."""
        count = len(rows) // (8 * self._width)
        modes = memoryview(rows).cast("q")[self._mode * count : (self._mode + 1) * count].tolist()
        links = [row for row, mode in enumerate(modes) if row and mode != NULL and stat.S_ISLNK(mode)]
        if not links:
            return {}
        self._descent.requests += len(links)
        listed, prefix = names(files), prefix_of(path)
        new: list[Fault] = []
        found: dict[int, bytes] = {}
        for row in links:
            name = listed[row - 1]
            target = self._target(prefix + name, name if isinstance(place, int) else prefix + name, place, new)
            if target is not None:
                found[row] = target
        faults[:0] = new
        return found

    def _target(self, path: Path, name: Any, place: Any, faults: list[Fault]) -> bytes | None:
        attempts = 0
        while True:
            attempts += 1
            try:
                return os.fsencode(os.readlink(name, dir_fd=place if isinstance(place, int) else None))
            except OSError as error:
                if not self._retries.may_repeat(error.errno or 0, attempts):
                    faults.append(Fault.of(error, path, "stat", attempts))
                    return None

    def of_one(self, path: Path) -> bytes:
        """Return the row of the unreadable directory `path`."""
        self._descent.requests += 1
        try:
            parent, name, _ = self._descent.place(path)
        except OSError:
            return nothing(self._width, 1)
        return self._counted(path, self._of_places([(path, name)], None if parent == HERE else parent, []))

    def _counted(self, path: Path, rows: bytes) -> bytes:
        """Return the rows, changed by their device numbers where necessary."""
        if not self._devices.is_needed:
            return rows
        try:
            device = self._descent.device(path) if self._devices.has_one else -1
        except OSError:  # the root is gone
            return rows
        return self._devices.changed(rows, device)

    def _of_places(self, some: Sequence[tuple[Path, Any]], descriptor: int | None, faults: list[Fault]) -> bytes:
        new: list[Fault] = []
        rows = []
        for path, place in some:

            def status(follow: bool, place: Any = place) -> os.stat_result:
                return os.stat(place, dir_fd=descriptor, follow_symlinks=follow)

            rows.append(None if place is None else self._one(path, status, new, set()))
        faults[:0] = new
        return self._packed(rows)

    def _of_entries(
        self, path: Path, place: Any, entries: list[Any], threads: int, faults: list[Fault], reported: set[Path]
    ) -> bytes:
        follow, prefix = self._follow, prefix_of(path)
        request_statuses(entries, follow=follow, threads=threads)
        rows = [self._one(path, lambda _: os.stat(place), faults, reported)]
        for entry in entries:
            name = entry.name if isinstance(path, str) else os.fsencode(entry.name)

            def status(follow: bool, entry: Any = entry) -> os.stat_result:
                return entry.stat(follow_symlinks=follow)  # type: ignore[no-any-return]

            rows.append(self._one(prefix + name, status, faults, reported))
        return self._packed(rows)

    def _of_names(self, path: Path, descriptor: int, joined: Any, threads: int, faults: list[Fault]) -> bytes:
        text = joined if isinstance(joined, bytes) else joined.encode(ENCODING, ERRORS)
        count = 1 + (text.count(b"\0") + 1 if text else 0)
        rows = bytearray(8 * self._width * count)
        assert self._native is not None
        fill_rows = self._native.fill_rows

        def fill(some: bytes, first: int, last: int, *, patient: bool) -> tuple[int, int]:
            return fill_rows(RowsRequest(descriptor, some, self._numbers, self._follow, patient, rows, first, last))

        row, failures = fill(text, 0, count, patient=threads == 1)
        if row < count:
            failures += self._fill_at_once(fill, text.split(b"\0"), row, threads)
        if failures:
            self._repeat(path, descriptor, names(joined), rows, faults)
        return bytes(rows)

    def _fill_at_once(self, fill: Callable[..., tuple[int, int]], listed: list[bytes], row: int, threads: int) -> int:
        """Fill the rows from `row` on, in several threads. Return how many are unknown."""
        failures: list[int] = []

        def fill_slice(first: int) -> None:
            some = listed[max(0, first - 1) : first - 1 + SLICE]
            failures.append(fill(b"\0".join(some), first, min(first + SLICE, len(listed) + 1), patient=True)[1])

        in_threads(range(row, len(listed) + 1, SLICE), fill_slice, threads, 1)
        return sum(failures)

    def _repeat(self, path: Path, descriptor: int, listed: list[Any], rows: bytearray, faults: list[Fault]) -> None:
        """Request unknown rows once more, one by one."""
        prefix, count = prefix_of(path), len(listed) + 1
        first_column = memoryview(rows).cast("q")[:count].tolist()
        for row in [row for row, value in enumerate(first_column) if value == NULL]:
            if row == 0:
                found = self._one(path, lambda _: os.stat(descriptor), faults, set())
            else:
                name = listed[row - 1]

                def status(follow: bool, name: Any = name) -> os.stat_result:
                    return os.stat(name, dir_fd=descriptor, follow_symlinks=follow)

                found = self._one(prefix + name, status, faults, set())
            for column, value in enumerate(self._row(found)):
                pack_into("q", rows, 8 * (column * count + row), value)

    def _one(
        self, path: Path, status: Callable[[bool], os.stat_result], faults: list[Fault], reported: set[Path]
    ) -> os.stat_result | None:
        """Return what `status` returns; repeat after errors that may be transient. None after a failure, which is a new
        Fault unless its path is in `reported`.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                return status(self._follow)
            except OSError as error:
                if self._follow and error.errno in BROKEN and (link := _link(status)) is not None:
                    return link
                if not self._retries.may_repeat(error.errno or 0, attempts):
                    if path not in reported:
                        faults.append(Fault.of(error, path, "stat", attempts))
                    return None

    def _row(self, found: os.stat_result | None) -> tuple[int, ...]:
        if found is None:
            return (NULL,) * self._width
        return tuple([value(found) for value in self._values])

    def _packed(self, found: Sequence[os.stat_result | None]) -> bytes:
        rows = [self._row(each) for each in found]
        return b"".join(array("q", column).tobytes() for column in zip(*rows, strict=True))


def nothing(width: int, count: int) -> bytes:
    """Return `count` rows of NULL."""
    return array("q", [NULL]).tobytes() * (width * count)


def _link(status: Callable[[bool], os.stat_result]) -> os.stat_result | None:
    """Return the status of a symlink itself; None if the entry is no symlink."""
    try:
        found = status(False)
    except OSError:
        return None
    return found if stat.S_ISLNK(found.st_mode) else None


def _getter(column: str) -> Callable[[os.stat_result], int]:
    """Return a function for the value of a column, as a signed 64-bit number: see `value_of` in _columns.h."""
    field = next((each for each, parts in EXACT.items() if column in parts), column)
    value: Callable[[os.stat_result], int] = attrgetter(f"st_{field}")
    if field != column:
        seconds, _ = EXACT[field]
        return lambda status: value(status) // 10**9 if column == seconds else value(status) % 10**9
    if column in EXACT:
        return lambda status: in_64_bits(value(status))
    return lambda status: _signed(value(status))


def _signed(value: int) -> int:
    """Return an unsigned number of an inode or a device as a signed one."""
    return value - (1 << 64) if value > LAST else value

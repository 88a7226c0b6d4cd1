"""What a snapshot store knows of a tree, for one Walker: which directories need not be read, and what they contain.

    Reader, Runs --path--> Known --+-- StoredRecords: pages (read-only)
                                   +-- Devices: which directory times are reliable
                                   '-- Recorder: records of what was read, for the writer

A row is kept without reading the directory if the directory has the same inode, mtime and ctime, lies on a file system
whose directory times are reliable, and was not modified shortly before it was read (RACY): a change within the same
tick of the clock leaves the same times. The clock that counts is the one that stamps ctime, not that of this program: a
row is racy unless a ctime at least RACY_NS later was seen on the same file system before the row was read.
"""

from __future__ import annotations

import errno
import os
import stat
from array import array
from bisect import bisect_left
from collections.abc import Collection, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from scanner.errors import OptionError
from scanner.fields import NULL, STATUS, TYPES, columns_of
from scanner.kernel.descent import HERE, Descent
from scanner.kernel.devices import Devices
from scanner.kernel.native import KnownPage, WalkedRun
from scanner.kernel.record import (
    BOUNDARY,
    CHECK,
    DIRECTORY,
    DIRECTORY_LINK,
    EXCLUDED_MARK,
    KEEP,
    LINK,
    MORE,
    NOT_REQUESTED,
    RACY,
    READ,
    READ_DAMAGED,
    READ_RACY,
    READ_TO_CHECK,
    UNKNOWN_TYPE,
    Head,
    Record,
    names_in,
    rows_in,
)
from scanner.kernel.recorder import Recorder, is_unmodified
from scanner.kernel.rows import Key, KnownSpec, RootKeys, StoredRecords
from scanner.model import Fault, Path, excluded, prefix_of
from scanner.options import ScanOptions

if TYPE_CHECKING:
    from scanner.kernel.facts import ScanFacts

MODES = {f"/{letter}": kind for kind, letter in TYPES.items()}
MODES |= {"": stat.S_IFREG, DIRECTORY: stat.S_IFDIR, DIRECTORY_LINK: stat.S_IFLNK, UNKNOWN_TYPE: 0}
"""The type of an entry, by what follows its name in a record."""
LOST = "its record is missing in the snapshot store"
REASONS = {READ_RACY: "racy", READ_TO_CHECK: "rechecked", READ_DAMAGED: "damaged"}


class KnownEntry:
    """An entry of a row, with the methods of os.DirEntry that readers use.

    place: descriptor of the directory, or -1: the target of a symlink is as it was.
    """

    __slots__ = ("_place", "_status", "_suffix", "leads_elsewhere", "name")

    def __init__(self, name: str, suffix: str, place: int, status: Any) -> None:
        self.name, self._suffix, self._place, self._status = name, suffix, place, status
        self.leads_elsewhere = False
        """Whether a symlink leads to a directory now, and did not before, or the reverse."""

    def is_symlink(self) -> bool:
        return self._suffix in (LINK, DIRECTORY_LINK)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        if self._suffix == DIRECTORY:
            return True
        if self._place < 0 or not (self._suffix == UNKNOWN_TYPE or (follow_symlinks and self.is_symlink())):
            return follow_symlinks and self._suffix == DIRECTORY_LINK
        try:
            is_dir = stat.S_ISDIR(self.stat(follow_symlinks=follow_symlinks).st_mode)
        except FileNotFoundError:
            is_dir = False
        self.leads_elsewhere = is_dir != (self._suffix == DIRECTORY_LINK)
        return is_dir

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._suffix == ""

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        if self._status is not None:
            return self._status
        if self._place < 0:
            return stored_status((), None, mode=MODES[self._suffix])
        return os.stat(self.name, dir_fd=self._place, follow_symlinks=follow_symlinks)


class StoredStatus(SimpleNamespace):
    """The attributes of os.stat_result that a store holds. Others raise FileNotFoundError, as entries that are gone."""

    def __getattr__(self, name: str) -> Any:
        raise FileNotFoundError(errno.ENOENT, f"{name} is not in the snapshot")


class KeptPart(NamedTuple):
    """A directory, or a part of a huge one, as the store knows it.

    `rows`: values of the columns of the directory itself, then of each entry, None where unknown; empty: not stored.
    """

    record: Record
    entries: list[tuple[bytes, str]]
    rows: list[tuple[int, ...] | None]
    is_settled: bool  # what a filter excluded then is not there
    is_checked: bool  # the tree was consulted: what symlinks lead to is looked up, too

    @property
    def more(self) -> bool:
        return bool(self.record.head.flags & MORE)


class Known:
    """What one Walker knows. Not for use by two threads."""

    def __init__(self, spec: KnownSpec, options: ScanOptions, facts: ScanFacts, descent: Descent) -> None:
        self._spec, self._facts, self._descent = spec, facts, descent
        self._keys = RootKeys(options.roots, spec.tops)
        self._records = StoredRecords(spec)
        self._devices = Devices(spec, descent)
        self.recorder = Recorder(spec, facts, self._keys, self._records, self._devices)
        self._follows = options.followlinks
        self._needs_entries = options.filter is not None and options.filter.needs_entries
        self._needs_columns = bool(facts.columns) or self._needs_entries
        stored = spec.trust == "files" and not self._needs_entries and set(facts.columns) <= set(spec.columns)
        self._reads_all = spec.trust == "nothing" or options.followlinks or (self._needs_columns and not stored)
        requested = {name: number for number, name in enumerate(facts.columns)}
        self._columns = bytes(requested.get(name, NOT_REQUESTED) for name in spec.columns)
        self._changed = sorted(spec.changed or ())
        self._page: KnownPage | None = None
        self._page_of: tuple[Any, ...] = ()  # what `_page` was made of

    def fault(self, path: Path) -> Fault | None:
        """Return why `path` has no listing in the snapshot; None if it has, or is to be read from the tree."""
        key = self._keys.key(path)
        if key is None or not self._records.is_settled(*key):
            return None
        fault = self._records.unread.get(key)
        if fault is not None:
            return fault._replace(path=path)
        if self._records.record(*key) is not None or self._spec.trust != "all":
            return None
        if self._records.damage is not None:
            return Fault(path, "open", errno.EIO, f"the snapshot store is damaged: {self._records.damage}", "io")
        if self._spec.shallow:
            return excluded(path, "it is not in the snapshot")
        return Fault(path, "open", errno.EIO, LOST, "io")

    def kept(self, path: Path, position: int = 0) -> KeptPart | None:
        """Return what the store knows of `path`, from entry `position` on, if it need not be read."""
        key = self._keys.key(path)
        record = None if key is None else self._records.record(*key, position)
        if key is None or record is None:
            return None
        is_settled = self._records.is_settled(*key)
        how = self._how(key[0], record, is_settled=is_settled)
        counts = self.recorder.counts
        self.recorder.is_check = how == READ_TO_CHECK
        if how in REASONS:
            counts[REASONS[how]] += not position
        if how not in (KEEP, CHECK) or (how == CHECK and not self._is_unchanged(path, record.head)):
            return None
        try:
            entries = names_in(record.names)
            columns = self._spec.columns if self._needs_columns else ()
            rows = rows_in(record.columns, len(entries), len(columns)) if columns else []
        except ValueError:
            counts["damaged"] += 1
            return None
        return KeptPart(record, entries, rows, is_settled, how == CHECK)

    def _how(self, root: int, record: Record, *, is_settled: bool) -> int:
        """Return what to do with a record: see record.py. `how_of` in _known.h does the same."""
        spec = self._spec
        if not record.is_intact:
            return READ_DAMAGED
        if is_settled:
            return KEEP
        if self._reads_all:
            return READ
        if spec.changed is not None:
            return READ if (root, record.path) in spec.changed else KEEP
        if record.head.flags & RACY:
            return READ_RACY
        if spec.every and crc32(record.path) % spec.every == spec.snapshot % spec.every:
            return READ_TO_CHECK
        return CHECK

    def _is_unchanged(self, path: Path, head: Head) -> bool:
        """Return whether the times of a directory have not changed, and mean something."""
        status = self._status(path)
        if status is None or not is_unmodified(head, status):
            return False
        if bool(head.flags & BOUNDARY) != self._devices.is_beyond(path, status):
            return False
        is_reliable = self._devices.of(path, status).is_reliable
        self.recorder.counts["unreliable"] += not is_reliable
        return is_reliable

    def _status(self, path: Path) -> os.stat_result | None:
        self._descent.requests += 1
        try:
            parent, name, no_link = self._descent.place(path)
            status = os.stat(name, dir_fd=None if parent == HERE else parent, follow_symlinks=not no_link)
        except (OSError, ValueError):  # reading it reports the error
            return None
        return status if stat.S_ISDIR(status.st_mode) else None

    def count(self, kept: KeptPart) -> None:
        """Count a directory, or the first part of it, that was not read."""
        self.recorder.counts["settled" if kept.is_settled else "kept"] += 1

    # ---- entries of what is kept

    def looks_up_links(self, kept: KeptPart) -> bool:
        """Return whether targets of symlinks are needed: the times of the directory do not vouch for them."""
        if not kept.is_checked:
            return False
        needed = (LINK, DIRECTORY_LINK, UNKNOWN_TYPE) if self._facts.links != "file" else (UNKNOWN_TYPE,)
        return any(suffix.removesuffix(EXCLUDED_MARK) in needed for _, suffix in kept.entries)

    def entries(self, kept: KeptPart, descriptor: int) -> list[KnownEntry]:
        """Return the entries as os.scandir does. `descriptor`: the open directory, or -1."""
        rows = kept.rows[1:] or [None] * len(kept.entries)
        return [
            KnownEntry(
                os.fsdecode(name), suffix.removesuffix(EXCLUDED_MARK), descriptor,
                self._status_of_entry(suffix, row),
            )
            for (name, suffix), row in zip(kept.entries, rows, strict=True)
            if not (kept.is_settled and suffix.endswith(EXCLUDED_MARK))
        ]  # fmt: skip

    def _status_of_entry(self, suffix: str, row: tuple[int, ...] | None) -> StoredStatus | None:
        if row is None or not self._needs_entries:
            return None
        return stored_status(self._spec.columns, row, mode=MODES[suffix.removesuffix(EXCLUDED_MARK)])

    def status_of_directory(self, kept: KeptPart) -> StoredStatus:
        """Return the status of the directory itself."""
        head, row = kept.record.head, kept.rows[0] if kept.rows else None
        known = {"mtime_ns": head.mtime, "ctime_ns": head.ctime}
        return stored_status(
            self._spec.columns, row, mode=head.mode, uid=head.uid, gid=head.gid, ino=head.inode, **known
        )

    def settled(self, path: Path) -> KeptPart | None:
        """Return a directory about which the tree is not consulted; None: it is. Raises OSError if a snapshot that is
        read back does not have it.
        """
        key = self._keys.key(path)
        if key is None or not self._records.is_settled(*key):
            return None
        kept = self.kept(path)
        if kept is None and self._spec.trust == "all":
            raise FileNotFoundError(errno.ENOENT, LOST)
        return kept

    def still_holds(self, kept: KeptPart, entries: Sequence[KnownEntry], excluded: Collection[Any]) -> bool:
        """Return whether symlinks lead where they led, and the filter excludes what it excluded: `excluded`."""
        if kept.is_settled:
            return True
        before = {name for name, suffix in kept.entries if suffix.endswith(EXCLUDED_MARK)}
        return set(map(os.fsencode, excluded)) == before and not any(entry.leads_elsewhere for entry in entries)

    def excluded_names(self, path: Path, kept: KeptPart) -> list[Any]:
        """Return the names that the filter of the snapshot excluded, if the snapshot is read back."""
        if not kept.is_settled:
            return []
        decode: Any = os.fsdecode if isinstance(path, str) else bytes
        return [decode(name) for name, suffix in kept.entries if suffix.endswith(EXCLUDED_MARK)]

    def rows_of(self, kept: KeptPart, names: Sequence[Any], *, own: bool = True) -> bytes:
        """Return rows of columns, as `Statuses` does, of the directory itself, unless not `own`, and of names in it."""
        row_of = {name: row for (name, _), row in zip(kept.entries, kept.rows[1:], strict=True)}
        rows = [kept.rows[0]] if own else []
        rows += [row_of.get(os.fsencode(name)) for name in names]
        values = array("q")
        for column in self._facts.columns:
            number = self._spec.columns.index(column) if column in self._spec.columns else -1
            values.extend([NULL if row is None or number < 0 else row[number] for row in rows])
        return values.tobytes()

    def directories_before(self, path: Any, position: int) -> list[Any] | None:
        """Return the paths of the directories among the first `position` entries of a huge directory, last first. None:
        the store lacks some of these entries.
        """
        key, prefix = self._keys.key(path), prefix_of(path)
        assert key is not None
        follow = (DIRECTORY, DIRECTORY_LINK) if self._follows else (DIRECTORY,)
        entries = [entry for part in self._records.parts(*key, position) for entry in names_in(part.names)]
        decode = os.fsdecode if isinstance(path, str) else bytes
        below = [prefix + decode(name) for name, suffix in reversed(entries) if suffix in follow]
        return below if len(entries) == position else None

    # ---- runs

    def page_for(self, path: Path) -> KnownPage | None:
        """Return the page with `path`, for a run that begins there. None: it is read by itself."""
        key = self._keys.key(path)
        if key is None:
            return None
        self._records.load(*key)
        made_of = self._records.loads, len(self._devices), self._records.is_settled(*key)
        if self._page is None or self._page_of != made_of:
            try:
                self._page, self._page_of = self._make_page(path, *key), made_of
            except OSError:  # the root is gone: reading reports it
                return None
        return self._page

    @cached_property
    def _unread(self) -> list[Key]:
        return sorted(self._records.unread)

    def _make_page(self, path: Path, root: int, top: bytes) -> KnownPage:
        spec, records, is_settled = self._spec, self._records, self._records.is_settled(root, top)
        how = KEEP if is_settled else READ if self._reads_all else CHECK
        exceptions = self._unread if is_settled else []
        if spec.changed is not None and how == CHECK:
            how, exceptions = KEEP, self._changed
        found = [top] if contains(exceptions, (root, top)) else []
        found += [key for _, key in between(exceptions, (root, records.low), (root, records.high))]
        return KnownPage(
            records.page, how, found, spec.every, spec.snapshot % (spec.every or 1), top, records.low,
            records.high, is_settled, spec.records, root, self._keys.key_start(path), self._descent.device(path),
            self._devices.table(), self._columns,
        )  # fmt: skip

    def repair_page(self) -> None:
        """Leave out damaged records that the compiled walker stumbled over."""
        self._records.repair()

    def add_run(self, run: WalkedRun) -> None:
        """Take what a run over the page brings."""
        assert self._page is not None
        self.recorder.add_run(run)
        self._devices.learn(self._page.devices)

    def close(self) -> None:
        self._records.close()


def between(keys: Sequence[Key], low: Key, high: Key) -> Sequence[Key]:
    """Return those of sorted keys that are `low` or more, and less than `high`."""
    return keys[bisect_left(keys, low) : bisect_left(keys, high)]


def contains(keys: Sequence[Key], key: Key) -> bool:
    """Return whether sorted keys contain one."""
    place = bisect_left(keys, key)
    return place < len(keys) and keys[place] == key


def stored_status(columns: Sequence[str], row: Sequence[int] | None, **known: int) -> StoredStatus:
    """Return what the columns of a row hold, and what is known without them."""
    values = zip(columns, row, strict=True) if row else ()
    return StoredStatus(**{f"st_{name}": value for name, value in (*known.items(), *values)})


def refuse_missing(options: ScanOptions) -> None:
    """Raise OptionError if the options require columns that a snapshot to be read back does not have."""
    spec: KnownSpec = options.known
    needed = list(stored_columns(options.fields))
    if options.filter is not None:
        needed += [condition.field for condition in options.filter.conditions]
    missing = [name for name in dict.fromkeys(needed) if name not in spec.columns]
    if spec.trust == "all" and missing:
        raise OptionError(
            f"store {spec.store!r} has no {', '.join(missing)} of entries: only scans that fetch these "
            "(--sizes, du, --fields, stat=) store them"
        )


def stored_columns(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of fields that a store can have."""
    return tuple(name for name in columns_of(fields) if name in STATUS)

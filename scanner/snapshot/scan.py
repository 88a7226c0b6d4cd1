"""The snapshot side of one scan: lock the store, check that it belongs to this scan, go on or begin, write, finish."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from scanner import __version__
from scanner.errors import OptionError, StoreError
from scanner.kernel.descent import are_nested
from scanner.kernel.known import stored_columns
from scanner.kernel.record import Counts
from scanner.kernel.rows import Key, KnownSpec, RootKeys
from scanner.model import Chunk, Path, excluded
from scanner.mounts import LOCAL, UNKNOWN, filesystem_type
from scanner.options import ScanOptions
from scanner.snapshot.background import Background
from scanner.snapshot.changed import changed_keys
from scanner.snapshot.lock import Lock
from scanner.snapshot.schema import BY_PATH, explained, open_writer
from scanner.snapshot.settings import (
    Settings,
    found_store,
    identity,
    place_of,
    refuse_other_roots,
    refuse_others,
    shown,
)
from scanner.snapshot.writer import SnapshotWriter

PART = "began", "ended", "directories", "cursor", "outcome"
"""Columns of an attempt that a report shows."""
PARTS_READ = (
    f"SELECT {', '.join(f'attempts.{name}' for name in PART)} FROM attempts JOIN snapshots ON snapshots.id = snapshot "
    "WHERE snapshot = ? AND attempts.began >= snapshots.began ORDER BY attempts.number"
)
"""Without attempts from before the snapshot was begun anew."""
LAST = (
    "SELECT id, state, cursor_root, snapshots.cursor, "
    "(SELECT max(ifnull(attempts.ended, attempts.began)) FROM attempts WHERE snapshot = id) "
    "FROM snapshots ORDER BY id DESC LIMIT 1"
)
BEFORE = (
    "SELECT id, began, entries FROM snapshots WHERE state IN ('complete', 'incomplete') AND id < ? "
    "ORDER BY id DESC LIMIT 1"
)
BEGIN = "INSERT INTO snapshots(id, state, began, trust, version, host) VALUES (?, 'open', ?, ?, ?, ?)"
RESET = "directories", "entries", "errors"
MOST_TURNS = 1 << 31  # snapshots until each directory was read as a check
STALE_SECONDS = 86400
"""Age from which on an interrupted scan is not continued, but begun anew."""


class SnapshotBefore(NamedTuple):
    """The last finished snapshot before the one that is written."""

    number: int
    began: float
    entries: int


class SnapshotScan:
    """A scan that writes a snapshot.

    `spec`: what its workers may take from the store; `attempt`: 1, or more if it goes on after an interruption. Raises
    OptionError if the store belongs to other options, StoreError if it cannot be used.
    """

    def __init__(self, roots: Sequence[Path], options: ScanOptions) -> None:
        self.path = store_path(options)
        refuse_roots_and_prune(roots, options)
        self._changed = None if options.changed is None else changed_keys(options.changed, roots)
        kind = filesystem_type(os.path.dirname(self.path))
        if kind not in LOCAL and kind != UNKNOWN:
            raise StoreError(f"{self.path!r} is on {kind}: a store is written on a local file system", "unusable")
        self._lock: Lock | None = Lock(self.path)
        try:
            self._database = open_writer(self.path)
            try:
                self._begin(roots, options)
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._database.rollback()
                    self._database.execute("PRAGMA journal_mode = DELETE")
                self._database.close()
                raise
        except BaseException:
            self._release()
            raise

    def _begin(self, roots: Sequence[Path], options: ScanOptions) -> None:
        with explained(self.path):
            if self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise StoreError(f"{self.path!r} is being read: try again", "busy")
            self._database.execute("BEGIN IMMEDIATE")
            settings = Settings.of(self._database)
            if settings is None:
                settings = found_store(self._database, roots, options)
            else:
                refuse_others(self.path, self._database, settings, roots, options)
            is_empty = self._database.execute("SELECT 1 FROM versions LIMIT 1").fetchone() is None
            if not is_empty:
                self._database.execute(BY_PATH)
            number, self.attempt, cursor = self._next(roots, options, settings.columns)
            before = self._database.execute(BEFORE, (number,)).fetchone()
            newest = self._database.execute("SELECT newest FROM roots WHERE number = 0").fetchone()[0]
            self._database.execute("COMMIT")
            if not is_empty:  # workers read the file itself, which does not change: see `connect_reader`
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._database.execute("PRAGMA wal_autocheckpoint = 0")
            else:  # a WAL would have each page written twice
                self._database.execute("PRAGMA journal_mode = DELETE")
        self.number = number
        self.before = None if before is None else SnapshotBefore(*before)
        self.spec = KnownSpec(
            self.path, number, settings.trust(options.trust), records=True,
            columns=settings.columns, clock=self._clock(), newest=newest, every=every_of(options.recheck),
            cursor=cursor, changed=self._changed, empty=is_empty,
        )  # fmt: skip
        has_sums = not {"size", "blocks"}.isdisjoint(settings.columns)
        self.writer = SnapshotWriter(
            self.path, self._database, number, self.attempt, is_first=is_empty, has_sums=has_sums,
            follows=options.followlinks,
        )  # fmt: skip
        self._keys = RootKeys(roots)
        self.figures: dict[str, Any] = {}
        """What a report says of this snapshot, once it is finished."""
        # Nothing is forked beside threads.
        self._background = Background(self.writer.pause, here=options.start_method == "fork")
        self._is_finishing = False

    def _clock(self) -> int:
        """Return a ctime that the clock of this kernel has just made: that of the store, which was written just now."""
        return max(
            os.stat(self.path + suffix).st_ctime_ns for suffix in ("", "-wal") if os.path.exists(self.path + suffix)
        )

    def _next(
        self, roots: Sequence[Path], options: ScanOptions, columns: Sequence[str]
    ) -> tuple[int, int, Key | None]:  # fmt: skip
        """Return the number of the snapshot to write, the number of this attempt, and the cursor to go on from."""
        last = self._database.execute(LAST).fetchone()
        if last is None or last[1] != "open":
            number = 1 if last is None else last[0] + 1
            values = (number, time.time(), options.trust, __version__, os.uname().nodename)
            self._database.execute(BEGIN, values)
            return number, self._attempt_of(number), None
        number, _, root, path, ended = last
        # What an earlier attempt has read has no fields that are not stored.
        has_fields = set(stored_columns(options.fields)) <= set(columns)
        is_recent = time.time() - ended < STALE_SECONDS
        # A root that is unreadable now is found to be so only if it is read.
        are_there = all(identity(root).inode for root in roots)
        goes_on = path is not None and has_fields and not options.restart and is_recent and are_there
        # The whole tree is walked again, what precedes the cursor from the store.
        reset = RESET if goes_on else (*RESET, *Counts._fields, "read")
        assignments = ", ".join(f"{name} = 0" for name in reset)
        self._database.execute(f"UPDATE snapshots SET {assignments} WHERE id = ?", (number,))
        if not goes_on:
            self._database.execute("UPDATE snapshots SET began = ?, cursor = NULL WHERE id = ?", (time.time(), number))
            self._database.execute("DELETE FROM unread WHERE snapshot = ?", (number,))
        return number, self._attempt_of(number), (root, path) if goes_on else None

    def _attempt_of(self, number: int) -> int:
        """Begin another attempt of a snapshot, and return its number."""
        count: int = self._database.execute("SELECT count(*) FROM attempts WHERE snapshot = ?", (number,)).fetchone()[0]
        values = (number, count + 1, time.time())
        self._database.execute("INSERT INTO attempts(snapshot, number, began) VALUES (?, ?, ?)", values)
        return count + 1

    def exclude(self, directories: Sequence[Path]) -> None:
        """Note directories that this scan does not enter: rows of theirs from before are not part of it."""
        for path in directories:
            self.writer.note_fault(excluded(path, "it is a mount point that the scan did not enter"), self._keys)

    def take(self, chunk: Chunk) -> None:
        """Store what a Chunk brings. After an error nothing more is stored: the scan itself goes on."""
        self._background.call(self.writer.take, chunk, self._keys)

    def finish(self, outcome: str, *, complete: bool) -> None:
        """Commit what is left, and close the store. A scan that is not complete is continued by the next one.

        `outcome`: complete, interrupted, failed, or rejected because an expectation is not met.
        """
        if self._lock is None:
            return
        if not self._is_finishing:  # once: an interrupted call is repeated
            self._is_finishing = True
            self._background.call(self._commit_last, outcome, complete)
        self._background.close()
        try:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                # Reading a WAL needs permission to write beside the file.
                self._database.execute("PRAGMA journal_mode = DELETE")
            self.figures = self._read_figures()
            self._database.close()
        finally:
            self._release()

    def _commit_last(self, outcome: str, complete: bool) -> None:
        counts = self.writer.counts
        has_failed = outcome == "rejected" or not counts["directories"]
        is_incomplete = counts["errors"] or counts["stale"]
        state = "open" if not complete else "failed" if has_failed else "incomplete" if is_incomplete else "complete"
        with explained(self.path):
            if counts["stale"]:
                values = ("unreliable", json.dumps(self.number))
                self._database.execute("INSERT OR REPLACE INTO store VALUES (?, ?)", values)
        self.writer.finish(state, outcome)

    @property
    def failure(self) -> StoreError | None:
        """Why nothing more was stored; None: everything was."""
        error = self._background.failure
        if error is None or isinstance(error, StoreError):
            return error
        if isinstance(error, ValueError):  # damaged Chunks
            return StoreError(f"{self.path!r}: {error}")
        raise error

    def _read_figures(self) -> dict[str, Any]:
        """Return what a report says of this snapshot, as plain values."""
        counts = self.writer.counts
        with contextlib.suppress(sqlite3.Error):
            parts = self._database.execute(PARTS_READ, (self.number,))
            return {
                "store": self.path,
                "number": self.number,
                "trust": self.spec.trust,
                **{name: counts[name] for name in ("read", *Counts._fields)},
                "parts": [dict(zip(PART, _as_text(part), strict=True)) for part in parts],
            }
        return {}

    @property
    def fault(self) -> str | None:
        """Why the snapshot may be wrong; None if nothing speaks for it."""
        counts = self.writer.counts
        if not counts["stale"]:
            return None
        return (
            f"{counts['stale']:,} of {counts['rechecked']:,} directories read as a check had changed, "
            "but not their times: other directories may be outdated; the next scans with this store read everything"
        )

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def every_of(share: float) -> int:
    """Return the number of snapshots in which each directory is read again at least once, for `recheck`."""
    return 0 if not share else int(min(1 / share, MOST_TURNS))


def reading_ahead(options: ScanOptions, root: Path) -> ScanOptions:
    """Return the options for a walk that takes unchanged directories from a store, if there is one, and writes nothing.

    Raises OptionError if the store is of another root, StoreError if it cannot be used.
    """
    from scanner.snapshot.store import Store

    path = store_path(options)
    if not os.path.exists(path):
        return options
    store = Store(path)
    refuse_other_roots(path, store.places, [root])
    options = options._replace(store=None)
    if store.newest is None:
        return options
    changed = None if options.changed is None else changed_keys(options.changed, [root])
    trust, every = store.settings.trust(options.trust), every_of(options.recheck)
    spec = KnownSpec(path, store.newest.number, trust, columns=store.fields, every=every, changed=changed)
    return options._replace(known=spec)


def _as_text(values: Sequence[Any]) -> list[Any]:
    """Return values for JSON: a path as text."""
    return [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]


def store_path(options: ScanOptions) -> str:
    """Return the absolute path of the store."""
    assert options.store is not None
    return os.path.realpath(os.fsdecode(options.store))


def refuse_roots_and_prune(roots: Sequence[Path], options: ScanOptions) -> None:
    """Raise OptionError for roots of which one lies in another, and for a function that no later scan can compare."""
    places = list(map(place_of, roots))
    if are_nested(places):
        raise OptionError(f"store: of {', '.join(map(shown, places))}, one ROOT lies in another one: give one of them")
    if options.prune is not None:
        raise OptionError("prune cannot be used with store: use patterns, which later scans can compare")

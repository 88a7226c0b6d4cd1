"""Writing a snapshot: takes the Chunks of a scan in walk order, and stores what differs from the snapshot before.

    Chunk -> Records -> one transaction every COMMIT_SECONDS: rows, the cursor, counters, unread directories

What is committed is a prefix of the walk order that ends at the cursor, so that an interrupted scan can go on from
there.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from scanner.encoding import utf8_bytes
from scanner.kernel.record import MORE, PARTED, Counts, Record, directories_in, records_in
from scanner.kernel.recorder import news_from
from scanner.kernel.rows import RootKeys
from scanner.model import Chunk, Fault
from scanner.snapshot.schema import BY_PATH, explained

COMMIT_SECONDS = 0.2
INSERT = f"INSERT INTO versions VALUES (NULL, ?, ?, ?, ?, NULL, {', '.join('?' * 14)})"
PATH, POSITION, FLAGS, NAMES = 1, 2, 11, 16
"""Places in the values of an INSERT."""
CLOSE = "UPDATE versions SET until = ? WHERE until IS NULL AND since < ? AND "
REMOVE = "DELETE FROM versions WHERE since = ? AND "
BELOW = "root = ? AND (path = ? OR (path >= ? AND path < ?))"
COUNTED = ("directories", "entries", "read", "errors", *Counts._fields)


class SnapshotWriter:
    """Writes the snapshot `number` of a store.

    `attempt`: how many times this snapshot was begun.
    """

    def __init__(self, path: str, database: sqlite3.Connection, number: int, attempt: int) -> None:
        self.path, self.number = path, number
        self._database, self._attempt = database, attempt
        self._rows: list[tuple[Any, ...]] = []
        self._replaced: list[tuple[int, bytes]] = []
        self._unknown: list[tuple[int, bytes, int]] = []
        self._flags: list[tuple[int, int]] = []
        self._unread: list[tuple[Any, ...]] = []
        self._parted = (
            set(self._query("SELECT root, path FROM versions WHERE since = ? AND flags & ?", number, PARTED))
            if attempt > 1
            else set()
        )
        self._counts: Counter[str] = Counter()
        self._newest = 0
        self._cursor: tuple[int, bytes] | None = None
        self.counts: Counter[str] = Counter()
        """Numbers of this attempt, as in the table `snapshots`."""
        self._next_commit = time.monotonic() + COMMIT_SECONDS
        self._is_first = number == attempt == 1  # then there are no other rows, and no index

    def _query(self, statement: str, *values: Any) -> list[Any]:
        return self._database.execute(statement, values).fetchall()

    def take(self, chunk: Chunk, keys: RootKeys) -> None:
        """Store what a Chunk brings, at the latest COMMIT_SECONDS later. Raises StoreError."""
        self._count(directories=chunk.directories, entries=chunk.entries)
        for fault in chunk.faults:
            self.note_fault(fault, keys)
        if chunk.snapshot:
            news = news_from(chunk.snapshot)
            self._count(read=chunk.directories - news.counts.kept - news.counts.settled, **news.counts._asdict())
            self._newest = max(self._newest, news.newest)
            self._add(records_in(news.records))
            self._cursor = news.last or self._cursor
        if time.monotonic() >= self._next_commit:
            self.commit()

    def _count(self, **numbers: int) -> None:
        self._counts.update(numbers)
        self.counts.update(numbers)

    def note_fault(self, fault: Fault, keys: RootKeys) -> None:
        """Store, with the next commit, that a directory has no listing."""
        key = keys.key(fault.path)
        if key is None or not fault.drops_listing:
            return
        self._count(errors=fault.is_error)
        self._unread.append(
            (
                self.number,
                *key,
                fault.operation,
                fault.errno,
                utf8_bytes(fault.message).decode(errors="replace"),
                fault.kind,
            )
        )

    def _add(self, records: Iterator[Record]) -> None:
        rows, number = self._rows, self.number
        for header, path, names, columns in records:
            known, same, root, position, *_ = header
            flags = header[FLAGS]
            if same:
                self._flags.append((flags, known))
                continue
            if known:
                self._replaced.append((known, names))
            elif not self._is_first:
                self._unknown.append((root, path, position))
            if flags & PARTED:
                self._parted.add((root, path))
            rows.append((root, path, position, number, *header[4:16], names, columns))

    def commit(self, *, state: str = "open", outcome: str | None = None) -> None:
        """Commit everything taken so far. Raises StoreError; then nothing of it is stored."""
        with explained(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._write()
                if state != "open":
                    self._database.execute(BY_PATH)
                    self._remove_gone_parts()
                self._write_state(state, outcome)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        for pending in (self._rows, self._replaced, self._unknown, self._flags, self._unread):
            pending.clear()
        self._counts.clear()
        self._next_commit = time.monotonic() + COMMIT_SECONDS

    def _write(self) -> None:
        for known, names in self._replaced:
            self._replace(known, names)
        for key in self._unknown:  # a worker that could not read the store does not know the row that this one replaces
            self._end("root = ? AND path = ? AND part = ?", *key)
        for row in self._rows if self._parted and not self._is_first else ():
            if row[FLAGS] & PARTED:
                self._close_parts(row)
        self._database.executemany(INSERT, self._rows)
        self._database.executemany("UPDATE versions SET flags = ? WHERE id = ?", self._flags)
        self._database.executemany("INSERT OR REPLACE INTO unread VALUES (?, ?, ?, ?, ?, ?, ?)", self._unread)

    def _replace(self, known: int, names: bytes) -> None:
        """End the row that a new one replaces, and everything below directories that are gone."""
        for root, path, flags, before in self._query(
            "SELECT root, path, flags, CAST(names AS BLOB) FROM versions WHERE id = ?", known
        ):
            self._end("id = ?", known)
            if not flags & (MORE | PARTED):
                self._end_below(root, path, set(directories_in(before)).difference(directories_in(names)))

    def _end_below(self, root: int, path: bytes, gone: set[bytes]) -> None:
        for name in gone:
            below = path + b"/" + name if path else name
            self._end(BELOW, root, below, below + b"/", below + b"0")

    def _end(self, condition: str, *values: Any) -> None:
        """Let rows end before this snapshot. Rows that an interrupted attempt has added are removed."""
        self._database.execute(CLOSE + condition, (self.number - 1, self.number, *values))
        self._database.execute(REMOVE + condition, (self.number, *values))

    def _close_parts(self, row: tuple[Any, ...]) -> None:
        """End other parts of a huge directory, which begin within this one, or after the last one."""
        root, path, position, flags, names = row[0], row[PATH], row[POSITION], row[FLAGS], row[NAMES]
        end = position + names.count(b"\0") + 1 if flags & MORE else 1 << 62
        self._end("root = ? AND path = ? AND part > ? AND part < ?", root, path, position, end)

    def _remove_gone_parts(self) -> None:
        """End everything below directories that are gone from huge directories: only at the end are all parts known."""
        for root, path in self._parted:
            before, now = (
                {
                    name
                    for (names,) in self._query(ALL_PARTS, root, path, number, number)
                    for name in directories_in(names)
                }
                for number in (self.number - 1, self.number)
            )
            self._end_below(root, path, before - now)

    def _write_state(self, state: str, outcome: str | None) -> None:
        cursor_root, cursor = self._cursor or (None, None)
        now = time.time()
        added = ", ".join(f"{name} = {name} + ?" for name in COUNTED)
        self._database.execute(
            f"UPDATE snapshots SET state = ?, ended = ?, cursor_root = ifnull(?, cursor_root), "
            f"cursor = ifnull(?, cursor), {added} WHERE id = ?",
            (state, now, cursor_root, cursor, *(self._counts[name] for name in COUNTED), self.number),
        )
        self._database.execute(
            "UPDATE attempts SET ended = ?, root = ifnull(?, root), cursor = ifnull(?, cursor), "
            "directories = directories + ?, outcome = ? WHERE snapshot = ? AND number = ?",
            (now, cursor_root, cursor, self._counts["directories"], outcome, self.number, self._attempt),
        )
        if state != "open":
            self._database.execute(SUMS, (self.number,))
        self._database.execute("UPDATE roots SET newest = max(newest, ?) WHERE number = 0", (self._newest,))


SUMS = (
    "UPDATE snapshots SET (bytes, blocks) = (SELECT sum(nullif(bytes, -1)), sum(nullif(blocks, -1)) FROM versions "
    "WHERE until IS NULL) WHERE id = ?"
)
ALL_PARTS = (
    "SELECT CAST(names AS BLOB) FROM versions "
    "WHERE root = ? AND path = ? AND since <= ? AND (until IS NULL OR until >= ?)"
)

"""Writing a snapshot: takes the Chunks of a scan in walk order, and stores what differs from the snapshot before.

    Chunk -> updates -> rows; every COMMIT_SECONDS or more the cursor, counters, unread directories, and a commit

What is committed is a prefix of the walk order that ends at the cursor, so that an interrupted scan can go on from
there.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any, TypeAlias

from scanner.encoding import utf8_bytes
from scanner.kernel.record import HEAD, MORE, PARTED, Counts, Record, directories_in, record_at, updates_in
from scanner.kernel.recorder import news_from
from scanner.kernel.rows import END_OF_PATHS, PARTS, RECORD, START_OF_PATHS, RootKeys, holding, records_in
from scanner.model import Chunk, Fault
from scanner.snapshot.schema import BY_PATH, TOTAL_BLOCKS, TOTAL_BYTES, explained

COMMIT_SECONDS = 0.2
COMMIT_PAUSES = 4  # times the duration of a commit until the next one, at least
PartKey: TypeAlias = tuple[int, bytes, int]
"""Root, path, and number of entries in earlier parts."""
ROW = "(NULL, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT = f"INSERT INTO versions VALUES {ROW}"
AT_ONCE = 32  # rows in one statement: three quarters of the time of one by one
INSERT_MANY = f"INSERT INTO versions VALUES {', '.join([ROW] * AT_ONCE)}"
KEY = "root = ? AND path = ? AND part = ?"
CONFIRM = f"UPDATE versions SET flags = ?, record = ? WHERE until IS NULL AND {KEY}"
CLOSE = "UPDATE versions SET until = ? WHERE until IS NULL AND since < ? AND "
REMOVE = "DELETE FROM versions WHERE until IS NULL AND since = ? AND "
BELOW = "root = ? AND (path = ? OR (path >= ? AND path < ?))"
ALL_PARTS = holding(PARTS, "part")
COUNTED = ("directories", "entries", "read", "errors", *Counts._fields)


class SnapshotWriter:
    """Writes the snapshot `number` of a store.

    `attempt`: how many times this snapshot was begun. `is_first`: there are no records yet, and no index. `has_sums`:
    sizes or blocks are stored. `follows`: symlinks are followed.
    """

    def __init__(
        self, path: str, database: sqlite3.Connection, number: int, attempt: int, *, is_first: bool, has_sums: bool,
        follows: bool,
    ) -> None:  # fmt: skip
        self.path, self.number = path, number
        self._database, self._attempt, self._has_sums, self._follows = database, attempt, has_sums, follows
        self._rows: list[tuple[Any, ...]] = []
        self._replaced: list[tuple[PartKey, bytes]] = []
        self._unknown: list[tuple[PartKey, bytes | None]] = []
        self._confirmed: list[tuple[int, bytes, int, bytes, int]] = []
        self._parts: list[tuple[PartKey, Record]] = []
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
        self._is_first = is_first

    def _query(self, statement: str, *values: Any) -> list[Any]:
        return self._database.execute(statement, values).fetchall()

    def take(self, chunk: Chunk, keys: RootKeys) -> None:
        """Store what a Chunk brings; the next commit keeps it. Raises StoreError."""
        self._count(directories=chunk.directories, entries=chunk.entries)
        for fault in chunk.faults:
            self.note_fault(fault, keys)
        with self._transaction():
            if chunk.snapshot:
                news = news_from(chunk.snapshot)
                self._count(read=chunk.directories - news.counts.kept - news.counts.settled, **news.counts._asdict())
                self._newest = max(self._newest, news.newest)
                self._add(news.updates)
                self._cursor = news.last or self._cursor
                self._write()
            if time.monotonic() >= self._next_commit:
                self._commit("open", None)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Begin a transaction unless one is open. After an error, nothing since the last commit is stored."""
        with explained(self.path):
            try:
                if not self._database.in_transaction:
                    self._database.execute("BEGIN IMMEDIATE")
                yield
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

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

    def _add(self, updates: memoryview) -> None:
        number, is_first, head_size = self.number, self._is_first, HEAD.size
        for numbers, data, start in updates_in(updates):
            known, same, root, position, files, size, blocks, length, _, path_length, names_length, _ = numbers[:12]
            flags, _, uid, gid, _, _, mtime, _ = numbers[12:]
            end = start + path_length
            path, record = data[start:end], data[start - head_size : start - head_size + length]
            if same:
                self._confirmed.append((flags, record, root, path, position))
                continue
            if known:
                self._replaced.append(((root, path, position), data[end : end + names_length]))
            elif not is_first:
                names = None if flags & (MORE | PARTED) else data[end : end + names_length]
                self._unknown.append(((root, path, position), names))
            if flags & PARTED:
                self._parted.add((root, path))
                self._parts.append(((root, path, position), record_at(record)))
            self._rows.append((root, path, position, number, mtime, uid, gid, flags, files, size, blocks, record))

    def pause(self) -> None:
        """Commit what is there, because no Chunk came for a while. Raises StoreError."""
        if self._database.in_transaction:
            with self._transaction():
                self._commit("open", None)

    def finish(self, state: str, outcome: str) -> None:
        """Commit the last part. Raises StoreError; then the scan can go on from the last commit."""
        with self._transaction():
            self._write()
            self._commit("open", None)
        with explained(self.path):
            self._database.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            if state != "open":
                self._database.execute(BY_PATH)
                self._remove_gone_parts()
            self._commit(state, outcome)

    def _commit(self, state: str, outcome: str | None) -> None:
        began = time.monotonic()
        self._write_state(state, outcome)
        self._database.execute("COMMIT")
        self._counts.clear()
        now = time.monotonic()
        self._next_commit = now + max(COMMIT_SECONDS, COMMIT_PAUSES * (now - began))

    def _write(self) -> None:
        for key, names in self._replaced:
            self._replace(key, names)
        for key, all_names in self._unknown:
            self._replace_unknown(key, all_names)
        for key, record in () if self._is_first else self._parts:
            self._close_parts(key, record)
        rows, end = self._rows, len(self._rows) // AT_ONCE * AT_ONCE
        for start in range(0, end, AT_ONCE):
            self._database.execute(INSERT_MANY, list(chain.from_iterable(rows[start : start + AT_ONCE])))
        self._database.executemany(INSERT, rows[end:])
        self._database.executemany(CONFIRM, self._confirmed)
        self._database.executemany("INSERT OR REPLACE INTO unread VALUES (?, ?, ?, ?, ?, ?, ?)", self._unread)
        for written in (self._rows, self._replaced, self._unknown, self._confirmed, self._parts, self._unread):
            written.clear()

    def _replace(self, key: PartKey, names: bytes) -> None:
        """End the record that a new one replaces, and everything below directories that are gone."""
        found = self._query(f"SELECT {RECORD} FROM versions WHERE until IS NULL AND {KEY}", *key)
        self._end(KEY, *key)
        for before in records_in(record for (record,) in found):
            if not before.head.flags & (MORE | PARTED):
                children = self._entered(before.names) if before.is_intact else self._stored_children(*key[:2])
                self._end_below(*key[:2], children - self._entered(names))

    def _replace_unknown(self, key: PartKey, names: bytes | None) -> None:
        """End the record that the worker did not find, if there is one: it is damaged, or the worker cannot read the
        store. `names`: of the whole directory; None if it has several parts.
        """
        if self._end(KEY, *key):
            self._count(damaged=1)
            if names is not None:
                self._end_below(*key[:2], self._stored_children(*key[:2]) - self._entered(names))

    def _entered(self, names: bytes) -> set[bytes]:
        """Return the names of a record that a scan with these options enters."""
        return set(directories_in(names, links=self._follows))

    def _stored_children(self, root: int, path: bytes) -> set[bytes]:
        """Return the names of the directories in one whose record is damaged."""
        low, high = (path + b"/", path + b"0") if path else (START_OF_PATHS, END_OF_PATHS)
        below = "SELECT path FROM versions WHERE until IS NULL AND root = ? AND path >= ? AND path < ?"
        start = len(low) if path else 0
        return {found[start:].partition(b"/")[0] for (found,) in self._query(below, root, low, high)}

    def _end_below(self, root: int, path: bytes, gone: set[bytes]) -> None:
        for name in gone:
            below = path + b"/" + name if path else name
            self._end(BELOW, root, below, below + b"/", below + b"0")

    def _end(self, condition: str, *values: Any) -> int:
        """Let rows end before this snapshot, and return how many. Rows that an interrupted attempt has added are
        removed.
        """
        ended = self._database.execute(CLOSE + condition, (self.number - 1, self.number, *values)).rowcount
        self._database.execute(REMOVE + condition, (self.number, *values))
        return ended

    def _close_parts(self, key: PartKey, record: Record) -> None:
        """End other parts of a huge directory, which begin within this one, or after the last one."""
        root, path, position = key
        end = position + record.names.count(b"\0") + 1 if record.head.flags & MORE else 1 << 62
        self._end("root = ? AND path = ? AND part > ? AND part < ?", root, path, position, end)

    def _remove_gone_parts(self) -> None:
        """End everything below directories that are gone from huge directories: only at the end are all parts known."""
        numbers = self.number - 1, self.number
        for root, path in self._parted:
            before, now = (
                {
                    name
                    for record in records_in(found for found, *_ in self._database.execute(ALL_PARTS, values))
                    for name in self._entered(record.names)
                }
                for values in ({"root": root, "path": path, "part": 1 << 62, "snapshot": number} for number in numbers)
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
        if state != "open" and self._has_sums:
            self._database.execute(SUMS, (self.number,))
        self._database.execute("UPDATE roots SET newest = max(newest, ?) WHERE number = 0", (self._newest,))


SUMS = (
    f"UPDATE snapshots SET (files, bytes, blocks) = (SELECT sum(files), {TOTAL_BYTES}, {TOTAL_BLOCKS} FROM versions "
    "WHERE until IS NULL) WHERE id = ?"
)

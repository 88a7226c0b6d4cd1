"""Two snapshots side by side: which directories differ, and which of them were moved.

    side a: the store and snapshot before     side b: those after
              '----> touched(root, path), moved(root, path, source) <----'

Both stores are attached, read-only, to a temporary database on disk, so that memory does not grow with the number of
changes. The two may be the same store.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from scanner.errors import OptionError
from scanner.kernel.record import UNKNOWN_NUMBER, Record, record_at
from scanner.kernel.rows import CURRENT, PAST, Key, holding, is_of_killed_scan, is_whole, quoted
from scanner.model import EXCLUDED
from scanner.snapshot.changed import ends_of
from scanner.snapshot.schema import explained

TABLES = (
    "CREATE TABLE touched(root INT, path BLOB, PRIMARY KEY(root, path)) WITHOUT ROWID",
    "CREATE TABLE earlier(identity BLOB, root INT, path BLOB)",
    "CREATE TABLE later(identity BLOB, root INT, path BLOB)",
    "CREATE TABLE moved(root INT, path BLOB, source_root INT, source BLOB, PRIMARY KEY(root, path)) WITHOUT ROWID",
)
SAME_STORE = (
    "INSERT OR IGNORE INTO touched SELECT root, path FROM b.versions INDEXED BY later "
    "WHERE since > 1 AND since > :a AND since <= :b",
    "INSERT OR IGNORE INTO touched SELECT root, path FROM b.versions INDEXED BY past "
    "WHERE until IS NOT NULL AND until >= :a AND until < :b",
)
STRANGE = "DELETE FROM touched WHERE typeof(path) <> 'blob' OR root NOT IN (SELECT number FROM b.roots)"
"""What no scan writes."""
IDENTITY = "substr(CAST(record AS BLOB), 33, 16)"
"""Of a directory: inode and time of birth in its record."""
CANDIDATES = """
INSERT INTO {table} SELECT {identity}, touched.root, touched.path FROM touched CROSS JOIN {side}.versions AS versions
WHERE versions.root = touched.root AND versions.path = touched.path AND part = 0 AND touched.path <> x'' {when}
"""
MOVED = """
INSERT OR IGNORE INTO moved SELECT later.root, later.path, earlier.root, earlier.path
FROM earlier JOIN later USING(identity) WHERE (earlier.root, earlier.path) <> (later.root, later.path) AND identity IN
    (SELECT identity FROM (SELECT identity, 1 AS side FROM earlier UNION ALL SELECT identity, 2 FROM later)
     GROUP BY identity HAVING count(*) = 2 AND min(side) = 1 AND max(side) = 2)
"""
AT_ONCE = 1000  # rows to fetch


def is_settled(mtime: str) -> str:
    """Return a condition: what has this mtime (nanoseconds) cannot have been made after the earlier scan began, unless
    its mtime was set. Some file systems have times in whole seconds, and kernels have clocks of 10 ms.
    """
    return f"{mtime} < :began - CASE WHEN {mtime} % 1000000000 THEN 50000000 ELSE 3000000000 END"


class Side(NamedTuple):
    """One of the snapshots. `schema`: a or b; `path`: of the store."""

    schema: str
    path: str
    number: int


class Sides:
    """Two snapshots. Raises StoreError, also later on."""

    def __init__(self, before: Side, after: Side) -> None:
        self.before, self.after = before, after
        self.database = sqlite3.connect("", uri=True, isolation_level=None, check_same_thread=False)
        self.database.execute("PRAGMA trusted_schema = 0")
        for side in (before, after):
            with explained(side.path):
                fixed = "&immutable=1" if is_of_killed_scan(side.path) else ""
                self.database.execute(f"ATTACH ? AS {side.schema}", (f"file:{quoted(side.path)}?mode=ro{fixed}",))
        self.database.execute("BEGIN")
        for statement in TABLES:
            self.database.execute(statement)
        self.is_same_store = os.path.samefile(before.path, after.path)
        query = "SELECT began FROM a.snapshots WHERE id = ?"
        self.began = int(1e9 * self.database.execute(query, (before.number,)).fetchone()[0])
        """When the earlier scan began, in nanoseconds since 1970."""
        one, other = self._unread(before), self._unread(after)
        self._unknown = {*one, *other}
        self.unknown = sorted(key for key in self._unknown if not one.get(key) == other.get(key) == EXCLUDED)
        """Directories that either scan could not read, or that one of them did not enter."""
        self._all_parts = {
            side: holding("root = :root AND path = :path", "part", versions=f"{side.schema}.versions")
            for side in (before, after)
        }

    def _unread(self, side: Side) -> dict[Key, str]:
        query = f"SELECT root, CAST(path AS BLOB), CAST(kind AS TEXT) FROM {side.schema}.unread WHERE snapshot = ?"
        rows = self.database.execute(query, (side.number,))
        return {(root, path): kind for root, path, kind in rows if isinstance(root, int) and path is not None}

    def find(self, *, moves: bool = True) -> None:
        """Find the directories that differ, and those that were moved, if `moves`: if inodes can be compared."""
        with explained(self.after.path):
            if self.is_same_store:
                first, last = sorted((self.before.number, self.after.number))
                for statement in SAME_STORE:
                    self.database.execute(statement, {"a": first, "b": last})
            else:
                self.database.executemany("INSERT OR IGNORE INTO touched VALUES (?, ?)", self._merged())
            self.database.execute(STRANGE)
            if moves:
                self._find_moved()

    def _merged(self) -> Iterator[Key]:
        """Yield the directories whose records differ between two stores."""
        one, other = Rows(self._cursor(self.before)), Rows(self._cursor(self.after))
        while one.fill() and other.fill():
            if one.ahead() == other.ahead():  # most are equal, and a thousand at once cost little
                one.skip()
                other.skip()
                continue
            for _ in range(AT_ONCE):
                left, right = one.next, other.next
                if left is None or right is None:
                    break
                if left != right:
                    yield min(left[1:], right[1:])[:2]
                one.place += left[1:] <= right[1:]
                other.place += right[1:] <= left[1:]
        for rest in (one, other):
            while rest.fill():
                yield from (row[1:3] for row in rest.ahead())
                rest.skip()

    def _cursor(self, side: Side) -> sqlite3.Cursor:
        query = holding("1", "root, path, part", versions=f"{side.schema}.versions")
        return self.database.cursor().execute(query, {"snapshot": side.number})

    def _find_moved(self) -> None:
        for table, side in (("earlier", self.before), ("later", self.after)):
            for when in (CURRENT, PAST):
                statement = CANDIDATES.format(table=table, side=side.schema, identity=IDENTITY, when=when)
                self.database.execute(statement, {"snapshot": side.number})
        self.database.execute(MOVED)
        self.database.execute("CREATE INDEX moved_source ON moved(source_root, source)")
        wrong = [
            (root, path) for root, path, source in self._moves()
            if self.is_unknown((root, path)) or self.is_unknown(source) or not self._is_same((root, path), source)
        ]  # fmt: skip
        self.database.executemany("DELETE FROM moved WHERE root = ? AND path = ?", wrong)

    def _moves(self) -> Iterator[tuple[int, bytes, Key]]:
        cursor = self.database.execute("SELECT root, path, source_root, source FROM moved")
        while rows := cursor.fetchmany(AT_ONCE):
            for root, path, source_root, source in rows:
                yield root, path, (source_root, source)

    def _is_same(self, key: Key, source: Key) -> bool:
        """Return whether two directories with one inode are the same one: inodes are used again.

        Without a time of birth, one in which something changed is not recognized: its mtime could be that of a new one.
        """
        try:
            after, before = self.records(self.after, key), self.records(self.before, source)
        except ValueError:
            return False
        if not after or not before or after[0].head.birth != UNKNOWN_NUMBER:
            return bool(after and before)
        mtime = before[0].head.mtime
        query = f"SELECT {is_settled(':mtime')}"
        values = {"mtime": mtime, "began": self.began}
        return after[0].head.mtime == mtime and bool(self.database.execute(query, values).fetchone()[0])

    # ---- one directory

    def touched(self) -> Iterator[Key]:
        """Yield the directories that may differ, in the order of their paths, without unknown ones."""
        cursor = self.database.cursor()
        cursor.execute("SELECT root, path FROM touched ORDER BY root, path")
        while rows := cursor.fetchmany(AT_ONCE):
            yield from (key for key in rows if not self.is_unknown(key))

    def is_unknown(self, key: Key) -> bool:
        """Return whether a directory is, or lies below, one that either scan could not read or did not enter."""
        if not self._unknown:
            return False
        root, path = key
        return any((root, path[:end]) in self._unknown for end in ends_of(path))

    def leave_out(self, key: Key) -> None:
        """Take a directory, and what is below it, for unknown from now on."""
        self._unknown.add(key)

    def records(self, side: Side, key: Key) -> Sequence[Record]:
        """Return the records of all parts of a directory, in their order. Raises ValueError for a damaged one."""
        values = {"root": key[0], "path": key[1], "snapshot": side.number}
        found = [data for data, *_ in self.database.execute(self._all_parts[side], values)]
        if not all(map(is_whole, found)):
            raise ValueError("damaged record")
        return [record_at(data) for data in found]

    def source(self, key: Key) -> Key | None:
        """Return from where a directory was moved."""
        query = "SELECT source_root, source FROM moved WHERE root = ? AND path = ?"
        found: Key | None = self.database.execute(query, key).fetchone()
        return found

    def has_left(self, key: Key) -> bool:
        """Return whether the directory that was there before is elsewhere now."""
        query = "SELECT 1 FROM moved WHERE source_root = ? AND source = ?"
        return self.database.execute(query, key).fetchone() is not None

    def detach(self) -> None:
        """Close the stores, which scans cannot write while they are read. What was found stays."""
        self.database.execute("COMMIT")
        for side in (self.before, self.after):
            self.database.execute(f"DETACH {side.schema}")

    def close(self) -> None:
        self.database.close()


class Rows:
    """Rows of a cursor, with a look at the next AT_ONCE."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self._rows: list[Any] = []
        self.place = 0

    def fill(self) -> bool:
        """Fetch rows until AT_ONCE lie ahead, or all. Return whether there are any."""
        if len(self._rows) - self.place < AT_ONCE:
            self._rows = self._rows[self.place :] + self._cursor.fetchmany(AT_ONCE)
            self.place = 0
        return bool(self._rows)

    @property
    def next(self) -> Any:
        return self._rows[self.place] if self.place < len(self._rows) else None

    def ahead(self) -> list[Any]:
        return self._rows[self.place : self.place + AT_ONCE]

    def skip(self) -> None:
        self.place = min(self.place + AT_ONCE, len(self._rows))


def refuse_other_roots(one: Sequence[bytes], other: Sequence[bytes]) -> None:
    """Raise OptionError unless two stores can be compared root by root."""
    if len(one) != len(other):
        raise OptionError(f"diff: one store is of {len(one)} ROOTs, the other one of {len(other)}")

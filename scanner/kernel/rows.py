"""Rows of a snapshot store, for one Walker: read-only, a page at a time.

A page is the row of a directory and all rows below it, in the order of paths, or that row alone if these are many.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from scanner.kernel.native import KnownRow
from scanner.kernel.record import checksum, names_in
from scanner.model import Fault, Path, prefix_of

Trust = Literal["nothing", "names", "files", "all"]
Key = tuple[int, bytes]
"""Number of a root, and the path of a directory below it."""
MOST_ROWS = 1536  # of a page
SELECT = (  # with casts, because a stranger's file may hold other types
    "SELECT id, CAST(path AS BLOB), CAST(inode AS INT), CAST(mtime AS INT), CAST(ctime AS INT), CAST(flags AS INT), "
    "CAST(crc AS INT), CAST(names AS BLOB), CAST(columns AS BLOB) FROM versions "
    "WHERE root = ? AND {} AND since <= ? AND (until IS NULL OR until >= ?)"
)
ONE = SELECT.format("path = ? AND part = ?")
RANGE = SELECT.format("path >= ? AND path < ? AND part = 0") + " ORDER BY path"
MANY = f"SELECT 1 FROM versions WHERE root = ? AND path >= ? AND path < ? LIMIT 1 OFFSET {MOST_ROWS}"
"""Answered from the index alone."""
PARTS = SELECT.format("path = ? AND part < ?") + " ORDER BY part"
UNREAD = "SELECT root, path, operation, errno, message, kind FROM unread WHERE snapshot = ?"
UNRESERVED = frozenset(b"/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
"""Bytes of a path that mean themselves in a URI."""
START_OF_PATHS, END_OF_PATHS = b"\x01", b"\xff" * 256  # no name is as long


class KnownSpec(NamedTuple):
    """Which rows of a store are known, and how far they are trusted. Travels to the workers.

    store     path of the store
    snapshot  number of the snapshot whose rows are known; of the new one, if records are made
    trust     nothing, names, files: see the option; all: the tree is not touched
    records   whether Records are made of directories that are read
    columns   columns of the records
    clock     newest ctime that is known of the clock of this kernel, nanoseconds
    newest    newest ctime of the root's file system, if that has another clock
    every     one of so many directories is read again to check the others; 0: none
    cursor    root and path of the last directory of an interrupted scan: what precedes it is trusted
    changed   directories in which something changed; all others are trusted. None: unknown
    empty     the store has no rows yet
    tops      key of each root of the scan, if these are not the roots of the store
    """

    store: str
    snapshot: int
    trust: Trust
    records: bool = False
    columns: tuple[str, ...] = ()
    clock: int = 0
    newest: int = 0
    every: int = 0
    cursor: Key | None = None
    changed: frozenset[Key] | None = None
    empty: bool = False
    tops: tuple[Key, ...] = ()


class RootKeys:
    """Finds the key of a path in a store: the number of its root, and its path below that."""

    def __init__(self, roots: Sequence[Path], tops: Sequence[Key] = ()) -> None:
        """tops: keys of the roots, if these are not the roots of the store."""
        self._roots = [(root, prefix_of(root)) for root in roots]
        self._tops = tops or [(number, b"") for number in range(len(roots))]

    def key(self, path: Any) -> Key | None:
        """Return the key of `path`; None if it lies below no root."""
        for (root, prefix), top in zip(self._roots, self._tops, strict=True):
            if path == root:
                return top
            if path.startswith(prefix):
                below = os.fsencode(path[len(prefix) :])
                return top[0], top[1] + b"/" + below if top[1] else below
        return None

    def key_start(self, path: Any) -> int:
        """Return at which byte of a path its key begins."""
        for (_, prefix), (_, top) in zip(self._roots, self._tops, strict=True):
            if path.startswith(prefix):
                return len(os.fsencode(prefix)) - (len(top) + 1 if top else 0)
        return 0


class StoredRows:
    """The rows that hold for one snapshot. Not for use by two threads."""

    def __init__(self, spec: KnownSpec) -> None:
        self._spec = spec
        self._database: sqlite3.Connection | None = None
        self._unread: dict[Key, Fault] | None = None
        self.page: dict[bytes, tuple[Any, ...]] = {}
        """Fields of the rows of the page, by path, in the order of paths."""
        self.low = self.high = self._top = b""
        """The page has all rows from `low` on, below `high`, and that of the directory for which it was loaded."""
        self.loads = 0  # pages so far
        self._root = -1
        self._before: dict[bytes, set[bytes]] = {}
        self.damage: str | None = None
        """What is wrong with the file, once it could not be read; then it has no rows."""

    def row(self, root: int, key: bytes, position: int = 0) -> KnownRow | None:
        """Return the row of a directory, or of its part that begins at entry `position`."""
        if position:
            found = self._fetch(ONE, root, key, position, *self._snapshots)
            return KnownRow._make(found[0]) if found else None
        if not self._covers(root, key):
            self._load(root, key)
        row = self.page.get(key)
        return None if row is None else KnownRow._make(row)

    def parts(self, root: int, key: bytes, end: int = sys.maxsize) -> list[KnownRow]:
        """Return the rows of a huge directory that begin before entry `end`, in their order, without damaged ones."""
        rows = map(KnownRow._make, self._fetch(PARTS, root, key, end, *self._snapshots))
        return [row for row in rows if row.crc == checksum(row.path, row.names, row.columns)]

    def _covers(self, root: int, key: bytes) -> bool:
        return root == self._root and (key == self._top or key in self.page or self.low <= key < self.high)

    def _load(self, root: int, key: bytes) -> None:
        """Load the row of a directory, and all rows below it unless these are many: a walk visits them in another order
        than that of their paths, so that the first ones would seldom be of use.
        """
        self.low, self.high = (key + b"/", key + b"0") if key else (START_OF_PATHS, END_OF_PATHS)
        rows = self._fetch(ONE, root, key, 0, *self._snapshots)
        cursor = self._spec.cursor
        # Below a directory above the cursor, some rows are settled and others are not: a page has one kind.
        is_alone = cursor is not None and cursor[0] == root and is_above(key, cursor[1])
        if is_alone or self._fetch(MANY, root, self.low, self.high):
            self.high = self.low
        else:
            rows += self._fetch(RANGE, root, self.low, self.high, *self._snapshots)
        self.page = {row[1]: row for row in rows}
        self._root, self._top = root, key
        self.loads += 1

    @property
    def _snapshots(self) -> tuple[int, int]:
        return self._spec.snapshot, self._spec.snapshot

    def _fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        if self._spec.empty or self.damage is not None:
            return []
        try:
            if self._database is None:
                self._database = connect_reader(self._spec.store, is_writing=self._spec.records)
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self.damage = str(error)
            return []

    @property
    def unread(self) -> dict[Key, Fault]:
        """The Faults of the directories that the scan of this snapshot could not read, or did not enter."""
        if self._unread is None:
            rows = self._fetch(UNREAD, self._spec.snapshot)
            self._unread = {(root, path): Fault(path, *rest) for root, path, *rest in rows}
        return self._unread

    def is_settled(self, root: int, key: bytes) -> bool:
        """Return whether the tree is not consulted about a directory: the snapshot is read back, or an earlier part of
        this scan has read the directory. It comes before the cursor in walk order, or is the cursor itself.
        """
        cursor = self._spec.cursor
        if self._spec.trust == "all" or cursor is None:
            return self._spec.trust == "all"
        last_root, last = cursor
        if root != last_root:
            return root < last_root
        if is_above(key, last):
            return True
        if is_above(last, key):
            return False
        above, name, next_name = parting(key, last)
        if above not in self._before:
            self._before[above] = self._names_before(root, above, next_name)
        return name in self._before[above]

    def _names_before(self, root: int, above: bytes, name: bytes) -> set[bytes]:
        found: set[bytes] = set()
        for row in self.parts(root, above):
            for each, _ in names_in(row.names):
                if each == name:
                    return found
                found.add(each)
        return found

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def connect_reader(store: str, *, is_writing: bool = False) -> sqlite3.Connection:
    """Open a store for reading. Raises sqlite3.Error.

    is_writing  this scan writes the store, into the WAL alone: the file itself does not change, and is read without
                locks. SQLite's locks do not work in a process forked from one that has the same file open.
    """
    mode = "mode=ro&immutable=1" if is_writing else "mode=ro"
    database = sqlite3.connect(f"file:{quoted(store)}?{mode}", uri=True, timeout=30, check_same_thread=False)
    database.execute("PRAGMA query_only = 1")
    database.execute("PRAGMA trusted_schema = 0")
    return database


def quoted(path: str) -> str:
    """Return a path as it stands in a URI of SQLite."""
    # Not urllib.parse.quote, whose import takes 5 ms.
    return "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in os.fsencode(os.path.abspath(path)))


def is_above(above: bytes, key: bytes) -> bool:
    """Return whether `above` is `key` or leads to it."""
    return above in (b"", key) or key.startswith(above + b"/")


def parting(key: bytes, other: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the deepest directory above both paths, of which neither leads to the other, and the next name of each."""
    names, others = key.split(b"/"), other.split(b"/")
    depth = next(number for number, pair in enumerate(zip(names, others, strict=False)) if pair[0] != pair[1])
    return b"/".join(names[:depth]), names[depth], others[depth]

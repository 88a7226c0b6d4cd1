"""Records of a snapshot store, for one Walker: read-only, a page at a time.

A page is the record of a directory and all records below it, in the order of paths, or that one alone if these are
many. It is what SQLite returns: nothing is taken apart until it is needed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from scanner.kernel.record import Record, names_in, record_at, size_of
from scanner.model import Fault, Path, prefix_of

Trust = Literal["nothing", "names", "files", "all"]
Key = tuple[int, bytes]
"""Number of a root, and the path of a directory below it."""
MOST_ROWS = 1536  # of a page
MOST_BYTES = 64 << 20  # of a record, and of a page if its records are joined by SQLite
RECORD = "CAST(record AS BLOB)"  # because a stranger's file may hold another type
SELECT = f"SELECT {RECORD} AS record, root, path, part FROM {{}} WHERE "
CURRENT = " AND until IS NULL AND since <= :snapshot"
PAST = " AND until >= :snapshot AND since <= :snapshot"
ONE = "root = :root AND path = :path AND part = :part"
PARTS = "root = :root AND path = :path AND part < :part"
BELOW = "root = :root AND path >= :low AND path < :high AND part = 0"
JOINED = "SELECT CAST(group_concat(record, '') AS BLOB) FROM ({})"
"""All records of a query at once: SQLite is left only once for them, and runs without the GIL until then."""
CAN_JOIN = JOINED.format("SELECT x'0100' AS record UNION ALL SELECT x'0002'"), b"\x01\x00\x00\x02"
"""A query, and its result unless SQLite ends it at the first NUL, as before 3.39."""
MANY = (
    "SELECT 1 FROM versions WHERE root = :root AND path >= :low AND path < :high AND until IS NULL "
    f"LIMIT 1 OFFSET {MOST_ROWS}"
)
"""Answered from the index alone."""
UNREAD = (
    "SELECT CAST(root AS INT), CAST(path AS BLOB), CAST(operation AS TEXT), CAST(errno AS INT), CAST(message AS TEXT), "
    "CAST(kind AS TEXT) FROM unread WHERE snapshot = :snapshot"
)
UNRESERVED = frozenset(b"/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
"""Bytes of a path that mean themselves in a URI."""
START_OF_PATHS, END_OF_PATHS = b"\x01", b"\xff" * 256  # no name is as long


class KnownSpec(NamedTuple):
    """Which records of a store are known, and how far they are trusted. Travels to the workers.

    store     path of the store
    snapshot  number of the snapshot whose records are known; of the new one, if records are made
    trust     nothing, names, files: see the option; all: the tree is not touched
    records   whether Records are made of directories that are read
    columns   columns of the records
    clock     newest ctime that is known of the clock of this kernel, nanoseconds
    newest    newest ctime of the root's file system, if that has another clock
    every     one of so many directories is read again to check the others; 0: none
    cursor    root and path of the last directory of an interrupted scan: what precedes it is trusted
    changed   directories in which something changed; all others are trusted. None: unknown
    empty     the store has no records yet
    shallow   directories at the last depth have none
    tops      key of each root of the scan, if these are not the roots of the store
    about     of a snapshot that is read back: what a report says of it
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
    shallow: bool = False
    tops: tuple[Key, ...] = ()
    about: Mapping[str, Any] | None = None


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


class StoredRecords:
    """The records that hold for one snapshot. Not for use by two threads."""

    def __init__(self, spec: KnownSpec) -> None:
        self._spec = spec
        self._database: sqlite3.Connection | None = None
        self._unread: dict[Key, Fault] | None = None
        self.page = b""
        """The records of the page, in the order of paths."""
        self._records: dict[bytes, Record] | None = None
        self.low = self.high = self._top = b""
        """The page has all records from `low` on, below `high`, and that of the directory for which it was loaded."""
        self.loads = 0  # pages so far
        self._root = -1
        self._whens = (CURRENT, PAST) if spec.trust == "all" else (CURRENT,)  # the newest one, unless it is read back
        self._below = self._holding(BELOW, "path")
        self._before: dict[bytes, set[bytes]] = {}
        self.damage: str | None = None
        """What is wrong with the file, once it could not be read; then it has no records."""

    def record(self, root: int, key: bytes, position: int = 0) -> Record | None:
        """Return the record of a directory, or of its part that begins at entry `position`."""
        if position:
            return next(records_in(self._fetch_one(root, key, position)), None)
        self.load(root, key)
        if self._records is None:
            try:
                self._records = by_path(self.page)
            except ValueError:
                self.repair()
                self._records = by_path(self.page)
        return self._records.get(key)

    def repair(self) -> None:
        """Load the page again, without records that are cut off: one spoils all behind it."""
        root, top = self._root, self._top
        found = self._fetch_one(root, top)
        if self.high > self.low:
            found += self._fetch(self._holding(BELOW, "path"), root=root, low=self.low, high=self.high)
        self.page = b"".join([each for each in found if is_whole(each)])
        self.loads += 1

    def parts(self, root: int, key: bytes, end: int = sys.maxsize) -> list[Record]:
        """Return the records of a huge directory that begin before entry `end`, in order, without damaged ones."""
        found = records_in(self._fetch(self._holding(PARTS, "part"), root=root, path=key, part=end))
        return [record for record in found if record.is_intact]

    def load(self, root: int, key: bytes) -> None:
        """Make the page one with the record of a directory and all records below it, unless these are many: a walk
        visits them in another order than that of their paths, so that the first ones would seldom be of use.
        """
        if root == self._root and (key == self._top or self.low <= key < self.high):
            return
        self.low, self.high = (key + b"/", key + b"0") if key else (START_OF_PATHS, END_OF_PATHS)
        found = self._fetch_one(root, key)
        cursor = self._spec.cursor
        # Below a directory above the cursor, some records are settled and others are not: a page has one kind.
        is_alone = cursor is not None and cursor[0] == root and is_above(key, cursor[1])
        below: list[bytes] | None = None
        if not is_alone and not self._fetch(MANY, root=root, low=self.low, high=self.high):
            below = self._fetch_below(root, self.low, self.high)
        if below is None:
            self.high = self.low
        self.page, self._records = b"".join(found + (below or [])), None
        self._root, self._top = root, key
        self.loads += 1

    def _fetch_below(self, root: int, low: bytes, high: bytes) -> list[bytes] | None:
        """Return the records in a range of paths, joined or one by one. None: they are more than MOST_BYTES."""
        try:
            return [found for found, *_ in self._query(self._below, root=root, low=low, high=high) if found]
        except sqlite3.DataError:
            return None

    def _holding(self, condition: str, order: str) -> str:
        return holding(condition, order, self._whens)

    def _fetch_one(self, root: int, path: bytes, part: int = 0) -> list[bytes]:
        return self._fetch(self._holding(ONE, "part"), root=root, path=path, part=part)

    def _fetch(self, query: str, **values: Any) -> list[Any]:
        """Return the first column of a query; nothing if a value is longer than MOST_BYTES."""
        with contextlib.suppress(sqlite3.DataError):
            return [first for first, *_ in self._query(query, **values) if first is not None]
        return []

    def _query(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none if the store is damaged."""
        if self._spec.empty or self.damage is not None:
            return []
        try:
            return self._connected().execute(query, {"snapshot": self._spec.snapshot, **values}).fetchall()
        except sqlite3.DataError:
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter while it decodes a message of SQLite
            self.damage = str(error)
            return []

    def _connected(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = connect_reader(self._spec.store, is_writing=self._spec.records)
            self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
            query, result = CAN_JOIN
            if self._database.execute(query).fetchone() == (result,):
                self._below = JOINED.format(self._below)
        return self._database

    @property
    def unread(self) -> dict[Key, Fault]:
        """The Faults of the directories that the scan of this snapshot could not read, or did not enter."""
        if self._unread is None:
            rows = self._query(UNREAD)
            self._unread = {(root, path): Fault(path, *rest) for root, path, *rest in rows if None not in (path, *rest)}
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


def holding(
    condition: str, order: str, whens: Iterable[str] = (CURRENT, PAST), *, versions: str = "versions"
) -> str:  # fmt: skip
    """Return a query for the records that hold for a snapshot and meet a condition."""
    return " UNION ALL ".join(SELECT.format(versions) + condition + when for when in whens) + f" ORDER BY {order}"


def records_in(found: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records that are whole."""
    for each in found:
        with contextlib.suppress(ValueError):
            record = record_at(each)
            if size_of(record) == len(each):
                yield record


def is_whole(data: bytes) -> bool:
    """Return whether the lengths in a record are right."""
    try:
        return size_of(record_at(data)) == len(data)
    except ValueError:
        return False


def by_path(page: bytes) -> dict[bytes, Record]:
    """Return the records of a page by path. Raises ValueError if one is cut off."""
    found, start = {}, 0
    while start < len(page):
        record = record_at(page, start)
        found[record.path] = record
        start += size_of(record)
    return found


def connect_reader(store: str, *, is_writing: bool = False) -> sqlite3.Connection:
    """Open a store for reading. Raises sqlite3.Error.

    is_writing  this scan writes the store, into the WAL alone: the file itself does not change, and is read without
                locks. SQLite's locks do not work in a process forked from one that has the same file open.
    """
    is_fixed = is_writing or is_of_killed_scan(store)
    mode = "mode=ro&immutable=1" if is_fixed else "mode=ro"
    database = sqlite3.connect(f"file:{quoted(store)}?{mode}", uri=True, timeout=30, check_same_thread=False)
    database.execute("PRAGMA query_only = 1")
    database.execute("PRAGMA trusted_schema = 0")
    return database


def is_of_killed_scan(store: str) -> bool:
    """Return whether a store expects a WAL that is not there, in a directory that SQLite cannot write: it was copied
    after its scan was killed, and SQLite would not open it.
    """
    if os.path.exists(store + "-wal") or os.access(os.path.dirname(store) or ".", os.W_OK):
        return False
    with contextlib.suppress(OSError), open(store, "rb") as file:
        return file.read(20)[18:19] == b"\x02"  # the version of the format that reading requires
    return False


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

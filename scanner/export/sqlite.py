"""SQLite databases: the table `entries`, with indices by path, size and time, and replacing an old database safely.

The table `scan` identifies the scan, the table `unreadable` lists the directories whose content is unknown.
"""

from __future__ import annotations

import base64
import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from scanner.export.output import Output
from scanner.export.pages import PAGE_BYTES, TablePages, empty_database
from scanner.export.part import OLD, part_path
from scanner.export.writers import Record, Write
from scanner.fields import FIELDS, NAMED, TARGET, Columns, worker_fields
from scanner.model import Chunk
from scanner.owners import Names

if TYPE_CHECKING:
    from scanner.kernel.native import Native

KINDS = {"type": " TEXT", TARGET: ""}
INDEXED = ("size", "mtime_ns")  # as well as the path
SCAN_COLUMNS = ("root", "absolute_path", "host", "started_at", "finished_at", "outcome", "scanner")
UNREADABLE_COLUMNS = ("path", "operation", "errno", "message", "kind", "attempts", "partial")
SIDECARS = ("-wal", "-shm", "-journal")
"""Suffixes of files that SQLite keeps beside a database.

It takes any -wal and -journal for part of the database of that name: they must never meet another database.
"""
LOCK_TIMEOUT = 5.0  # seconds to wait for users of the old database


class SqliteWriter:
    """Writes rows in walk order, with paths as text, or as blobs if they are not UTF-8.

    Most rows are written as pages, if `native` can make them; SQLite inserts the others. The file is not in WAL mode:
    it is readable without write access. It is written without a journal: until it is complete it has another name.
    The lock held until then marks that file as in use. Indices are built last, by one thread: SQLite's own threads take
    half as much processor time again, and gain little.
    """

    def __init__(self, output: Output, write: Write, fields: Sequence[str], native: Native | None = None) -> None:
        self._columns = Columns(worker_fields(fields))
        self._fields, self._names = fields, Names()
        self._output = output
        output.around = without_sidecars
        kinds = [f'"{name}" TEXT' if name in NAMED else f"{name}{KINDS.get(name, ' INTEGER')}" for name in fields]
        self._create = f"CREATE TABLE IF NOT EXISTS entries ({', '.join(['path NOT NULL', *kinds])})"
        self._insert = f"INSERT INTO entries VALUES ({', '.join('?' * (1 + len(fields)))})"
        self._database: sqlite3.Connection | None = None
        self._pages: TablePages | None = None
        only_numbers = bool(fields) and set(fields) <= set(FIELDS)
        empty = empty_database(self._create) if native is not None and only_numbers else None
        if native is not None and empty is not None:
            self._pages = TablePages(native, empty, output, write, self._columns, fields)

    def _open(self) -> None:
        """Go on with SQLite, after the rows that were written as pages."""
        arrived = self._pages.finish() if self._pages is not None else []
        self._pages = None
        self._database = sqlite3.connect(self._output.temporary, isolation_level=None)
        self._run(f"PRAGMA page_size={PAGE_BYTES}")
        self._run("PRAGMA locking_mode=EXCLUSIVE")
        self._run("PRAGMA journal_mode=OFF")
        self._run("PRAGMA synchronous=OFF")
        self._run("PRAGMA cache_size=-16384")  # KiB
        self._run(self._create)
        self._run("BEGIN")
        for paths, rows in arrived:
            self._add(paths, rows, [])

    def _run(self, statement: str, rows: Any = None) -> None:
        assert self._database is not None
        try:
            if rows is None:
                self._database.execute(statement)
            else:
                self._database.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._output.failed(str(error)) from error

    def write_chunk(self, chunk: Chunk, made: bytes | memoryview) -> None:
        joined, rows = self._columns.take_apart(made)
        if not joined:
            return
        if self._pages is not None:
            self._pages.add(joined, rows)
            if not self._pages.is_over:
                return
            joined = b""
        if self._database is None:
            self._open()
        if joined:
            self._add(joined, rows, self._columns.targets(made) if self._columns.has_targets else [])

    def _add(self, joined: bytes, rows: memoryview, targets: list[bytes | None]) -> None:
        try:
            paths: list[Any] = joined.decode().split("\0")
        except UnicodeDecodeError:
            paths = [_text_or_bytes(path) for path in joined.split(b"\0")]
        values = self._names.add(self._columns.values(rows))
        values[TARGET] = [None if target is None else _text_or_bytes(target) for target in targets]
        columns = [map(_signed, values[name]) if name in ("ino", "dev") else values[name] for name in self._fields]
        self._run(self._insert, zip(paths, *columns, strict=True))

    def finish(self, record: Record) -> None:
        if self._database is None:
            self._open()
        self._add_record(record())
        self._run("COMMIT")
        for name in ("path", *(name for name in INDEXED if name in self._fields)):
            self._run(f"CREATE INDEX entries_by_{name.removesuffix('_ns')} ON entries ({name})")
        assert self._database is not None
        self._database.close()

    def _add_record(self, record: dict[str, Any]) -> None:
        """Add the table `scan`, with a row per root, and `unreadable`, with a row per unreadable directory."""
        roots = [{**record, "root": _path_of(root), "absolute_path": _path_of(root, "absolute_path")}
                 for root in record["roots"]]  # fmt: skip
        self._add_table("scan", SCAN_COLUMNS, roots)
        unreadable = [{**fault, "path": _path_of(fault)} for fault in record["unreadable"]]
        self._add_table("unreadable", UNREADABLE_COLUMNS, unreadable)

    def _add_table(self, name: str, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
        self._run(f"CREATE TABLE {name} ({', '.join(columns)})")
        values = [[row[column] for column in columns] for row in rows]
        self._run(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", values)


def _path_of(fields: dict[str, Any], name: str = "path") -> str | bytes:
    """Return a path of a record in the form of the paths of entries."""
    encoded = fields.get(f"{name}_b64")
    return str(fields[name]) if encoded is None else base64.b64decode(encoded)


def _text_or_bytes(path: bytes) -> str | bytes:
    try:
        return path.decode()
    except UnicodeDecodeError:
        return path


def _signed(value: int | None) -> int | None:
    """Return the value as SQLite stores it, in 64 bits with a sign."""
    return value if value is None or value < 1 << 63 else value - (1 << 64)


@contextlib.contextmanager
def without_sidecars(path: str) -> Iterator[None]:
    """Remove the sidecars of the database `path`, which is replaced in this context.

    SQLite itself merges them into the old database, and keeps it locked: until the replacement, and after a kill at any
    moment, readers find all of it. A database in use, or a file of another kind, is moved away before its sidecars are
    removed: no file is better than the wrong content. Open connections keep the old file.
    """
    aside: str | None = None
    database = _merged_and_locked(path) if _sidecars(path) else None
    try:
        if database is None and _sidecars(path):
            aside = _move_aside(path)
        for each in _sidecars(path):
            os.unlink(each)
        yield
    finally:
        if database is not None:
            database.close()
        if aside is not None:
            _remove_or_restore(aside, path)


def _sidecars(path: str) -> list[str]:
    return [path + suffix for suffix in SIDECARS if os.path.lexists(path + suffix)]


def _merged_and_locked(path: str) -> sqlite3.Connection | None:
    """Return the old database, locked and complete without sidecars, or None where that fails."""
    database = None
    try:
        database = sqlite3.connect(
            f"file:{quote(os.fsencode(path))}?mode=rw", uri=True, timeout=LOCK_TIMEOUT, isolation_level=None
        )
        database.execute("PRAGMA locking_mode=EXCLUSIVE")  # needs no shared memory
        (mode,) = database.execute("PRAGMA journal_mode=DELETE").fetchone()
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        mode = ""
    if mode == "delete" and database is not None:
        return database
    if database is not None:
        database.close()
    return None


def _move_aside(path: str) -> str | None:
    """Rename the file and return its new path, None if it does not exist or cannot be renamed."""
    aside = part_path(*os.path.split(path)) + OLD
    try:
        os.rename(path, aside)
    except OSError:
        return None
    return aside


def _remove_or_restore(aside: str, path: str) -> None:
    """Remove the old database, or rename it back if there is no new one."""
    if os.path.lexists(path):
        os.unlink(aside)
    else:
        os.rename(aside, path)

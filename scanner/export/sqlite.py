"""SQLite: a table `entries`, with an index on each of its columns that is asked for by size or by path.

The table `scan` says which scan it is of, the table `unreadable` which directories are unknown.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from scanner.export.output import Output
from scanner.export.sidecars import retired
from scanner.fields import Columns
from scanner.model import Chunk

INDEXED = ("size", "mtime_ns")  # as well as the path
SCAN_COLUMNS = ("root", "absolute_path", "host", "started_at", "finished_at", "outcome", "scanner")
UNREADABLE_COLUMNS = ("path", "operation", "errno", "message", "kind", "attempts", "partial")


class Database:
    """Rows in walk order, their paths as text, or as blobs where they are no UTF-8; a single file that is readable
    without write access, since it is not in WAL mode.

    It is written without a journal: until it is whole it has another name. The lock that is held until then marks
    that file as alive.
    """

    def __init__(self, output: Output, fields: Sequence[str]) -> None:
        self._columns = Columns(fields)
        self._fields = fields
        self._output = output
        self._database = sqlite3.connect(output.temporary, isolation_level=None)
        output.around = retired
        kinds = [f"{name} {'TEXT' if name == 'type' else 'INTEGER'}" for name in fields]
        self._run("PRAGMA locking_mode=EXCLUSIVE")
        self._run("PRAGMA journal_mode=OFF")
        self._run("PRAGMA synchronous=OFF")
        self._run("PRAGMA cache_size=-16384")  # KiB
        self._run(f"CREATE TABLE entries ({', '.join(['path NOT NULL', *kinds])})")
        self._run("BEGIN")
        self._insert = f"INSERT INTO entries VALUES ({', '.join('?' * (1 + len(fields)))})"

    def _run(self, statement: str, rows: Any = None) -> None:
        try:
            if rows is None:
                self._database.execute(statement)
            else:
                self._database.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._output.failed(str(error)) from error

    def take(self, chunk: Chunk, made: bytes | memoryview) -> None:
        joined, rows = self._columns.take_apart(made)
        if not joined:
            return
        try:
            paths: list[Any] = joined.decode().split("\0")
        except UnicodeDecodeError:
            paths = [_text_or_bytes(path) for path in joined.split(b"\0")]
        values = self._columns.values(rows)
        columns = [map(_signed, values[name]) if name in ("ino", "dev") else values[name] for name in self._fields]
        self._run(self._insert, zip(paths, *columns, strict=True))

    def finish(self, record: Callable[[], dict[str, Any]]) -> None:
        self._add_record(record())
        self._run("COMMIT")
        for name in ("path", *(name for name in INDEXED if name in self._fields)):
            self._run(f"CREATE INDEX entries_by_{name.removesuffix('_ns')} ON entries ({name})")
        self._database.close()

    def _add_record(self, record: dict[str, Any]) -> None:
        """A table `scan`, with a row for each root, and a table `unreadable`, with a row for each such directory."""
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
    """A path of a record, as the paths of entries are."""
    encoded = fields.get(f"{name}_b64")
    return str(fields[name]) if encoded is None else base64.b64decode(encoded)


def _text_or_bytes(path: bytes) -> str | bytes:
    try:
        return path.decode()
    except UnicodeDecodeError:
        return path


def _signed(value: int | None) -> int | None:
    """As SQLite has it: 64 bits with a sign."""
    return value if value is None or value < 1 << 63 else value - (1 << 64)

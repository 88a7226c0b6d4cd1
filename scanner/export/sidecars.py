"""The files that SQLite keeps beside a database, which must never meet another database under the same name.

SQLite takes any `-wal` and `-journal` for part of the database that it lies beside.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from urllib.parse import quote

from scanner.export.part import OLD, part_path

SUFFIXES = ("-wal", "-shm", "-journal")
PATIENCE = 5.0  # seconds to wait for others who use the old database


@contextlib.contextmanager
def retired(path: str) -> Iterator[None]:
    """Replace the database `path` in this context. Its sidecars are gone before the new file is there.

    SQLite itself completes the old database without them, and keeps it locked: until the replacement, and after a kill
    at any moment, every reader finds all of it. A database in use, or a file that is none, is moved away before its
    sidecars are removed: no file is better than the wrong content. Open connections keep the old file.
    """
    aside: str | None = None
    database = _settled(path) if _sidecars(path) else None
    try:
        if database is None and _sidecars(path):
            aside = _moved_aside(path)
        for each in _sidecars(path):
            os.unlink(each)
        yield
    finally:
        if database is not None:
            database.close()
        if aside is not None:
            _let_go(aside, path)


def _sidecars(path: str) -> list[str]:
    return [path + suffix for suffix in SUFFIXES if os.path.lexists(path + suffix)]


def _settled(path: str) -> sqlite3.Connection | None:
    """The old database, complete without sidecars, and locked. None where that cannot be."""
    database = None
    try:
        database = sqlite3.connect(
            f"file:{quote(os.fsencode(path))}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None
        )
        database.execute("PRAGMA locking_mode=EXCLUSIVE")  # which needs no shared memory
        (mode,) = database.execute("PRAGMA journal_mode=DELETE").fetchone()
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        mode = ""
    if mode == "delete" and database is not None:
        return database
    if database is not None:
        database.close()
    return None


def _moved_aside(path: str) -> str | None:
    """None where it is not there, or nothing can be renamed."""
    aside = part_path(*os.path.split(path)) + OLD
    try:
        os.rename(path, aside)
    except OSError:
        return None
    return aside


def _let_go(aside: str, path: str) -> None:
    """Remove the old database, or have it back where no new one has come."""
    if os.path.lexists(path):
        os.unlink(aside)
    else:
        os.rename(aside, path)

"""The lock of a store: one scan at a time writes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator

from scanner.errors import StoreError
from scanner.snapshot.schema import explained, open_writer


class Lock:
    """Locks a store until `release`, or until the process ends. Raises StoreError."""

    def __init__(self, path: str) -> None:
        with explained(path):
            self._descriptor = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise StoreError(
                f"{path!r} is in use by another scan: wait for its end, or use another store", "busy"
            ) from None
        except OSError as error:
            self.release()
            raise StoreError(f"{path!r} cannot be locked: {error.strerror}", "unusable") from error

    def release(self) -> None:
        os.close(self._descriptor)


@contextlib.contextmanager
def writing(path: str) -> Iterator[sqlite3.Connection]:
    """Lock and open an existing store for changes other than a scan. Raises StoreError."""
    lock = Lock(path)
    try:
        with explained(path), contextlib.closing(open_writer(path)) as database:
            try:
                yield database
            finally:
                with contextlib.suppress(sqlite3.Error):
                    database.execute("PRAGMA journal_mode = DELETE")
    finally:
        lock.release()

"""The format of a snapshot store: one SQLite file with a row for each state of each directory.

A row of `versions` holds for the snapshots from `since` to `until`; `until` is NULL while it holds for the newest one.
A directory that does not change gets no new row, however many snapshots there are. `record.py` describes `record`,
which has all that a scan needs; the other columns are for queries. Paths are bytes below the root, so that everything
below `p` is the key range from `p/` to `p0`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator

from scanner.errors import StoreError
from scanner.kernel.rows import connect_reader, quoted

APPLICATION, FORMAT = 0x53634E73, 3
PAGE_BYTES, CACHE_KIB = 8192, 32768


def total_of(values: str) -> str:
    """Return an expression for the sum of values, NULL if all are. Unlike `sum`, it cannot overflow."""
    return f"CASE WHEN count({values}) THEN CAST(total({values}) AS INT) END"


TOTAL_BYTES, TOTAL_BLOCKS = total_of("nullif(bytes, -1)"), total_of("nullif(blocks, -1)")
"""Of rows; -1: not recorded."""


SCHEMA = f"""
CREATE TABLE store(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE roots(
    number INTEGER PRIMARY KEY, path BLOB NOT NULL, place BLOB NOT NULL, inode INT NOT NULL, kind TEXT NOT NULL,
    filesystem INT NOT NULL, newest INT NOT NULL);
CREATE TABLE snapshots(
    id INTEGER PRIMARY KEY, state TEXT NOT NULL, began REAL NOT NULL, ended REAL, cursor_root INT, cursor BLOB,
    directories INT NOT NULL DEFAULT 0, entries INT NOT NULL DEFAULT 0, files INT, bytes INT, blocks INT,
    read INT NOT NULL DEFAULT 0, kept INT NOT NULL DEFAULT 0, settled INT NOT NULL DEFAULT 0,
    rechecked INT NOT NULL DEFAULT 0, stale INT NOT NULL DEFAULT 0, unreliable INT NOT NULL DEFAULT 0,
    racy INT NOT NULL DEFAULT 0, damaged INT NOT NULL DEFAULT 0, errors INT NOT NULL DEFAULT 0,
    trust TEXT, version TEXT NOT NULL, host TEXT NOT NULL);
CREATE TABLE attempts(
    snapshot INT NOT NULL, number INT NOT NULL, began REAL NOT NULL, ended REAL, root INT, cursor BLOB,
    directories INT NOT NULL DEFAULT 0, outcome TEXT, PRIMARY KEY(snapshot, number)) WITHOUT ROWID;
CREATE TABLE versions(
    id INTEGER PRIMARY KEY, root INT NOT NULL, path BLOB NOT NULL, part INT NOT NULL, since INT NOT NULL, until INT,
    mtime INT NOT NULL, uid INT NOT NULL, gid INT NOT NULL, flags INT NOT NULL, files INT NOT NULL, bytes INT NOT NULL,
    blocks INT NOT NULL, record BLOB NOT NULL);
CREATE INDEX later ON versions(since) WHERE since > 1;
CREATE INDEX past ON versions(root, path, part, until, since) WHERE until IS NOT NULL;
CREATE TABLE unread(
    snapshot INT NOT NULL, root INT NOT NULL, path BLOB NOT NULL, operation TEXT NOT NULL, errno INT NOT NULL,
    message TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY(snapshot, root, path)) WITHOUT ROWID;
CREATE VIEW directories AS
    SELECT
        CAST(roots.path || CASE WHEN versions.path = x'' OR roots.path = x'2f' THEN '' ELSE '/' END || versions.path
            AS TEXT) AS path,
        sum(files) AS files, {TOTAL_BYTES} AS bytes,
        512 * {TOTAL_BLOCKS} AS disk_usage, uid, gid,
        mtime / 1e9 AS mtime, since
    FROM versions JOIN roots ON roots.number = versions.root WHERE until IS NULL GROUP BY versions.root, versions.path;
"""
NUMBERS = (
    "id", "began", "directories", "entries", "read", "kept", "settled", "rechecked", "stale", "unreliable", "racy",
    "damaged", "errors",
)  # fmt: skip
LATEST = 253_402_300_799  # the end of the year 9999: what `datetime` can show
PERHAPS = "ended", "cursor_root", "files", "bytes", "blocks"  # numbers, or NULL
WRONG_TYPES = f"""
SELECT EXISTS (SELECT 1 FROM snapshots WHERE
    {" OR ".join(f"typeof({name}) NOT IN ('integer', 'real')" for name in NUMBERS)} OR
    {" OR ".join(f"typeof({name}) NOT IN ('integer', 'real', 'null')" for name in PERHAPS)} OR
    typeof(cursor) NOT IN ('blob', 'null') OR
    typeof(trust) || typeof(version) || typeof(host) <> 'texttexttext' OR
    state NOT IN ('open', 'complete', 'incomplete', 'failed') OR
    began NOT BETWEEN 0 AND {LATEST} OR ifnull(ended, 0) NOT BETWEEN 0 AND {LATEST})
OR EXISTS (SELECT 1 FROM roots WHERE typeof(path) || typeof(place) || typeof(kind) <> 'blobblobtext' OR
    typeof(number) || typeof(inode) || typeof(filesystem) || typeof(newest) <> 'integerintegerintegerinteger')
OR EXISTS (SELECT 1 FROM attempts WHERE typeof(began) NOT IN ('integer', 'real') OR typeof(directories) <> 'integer' OR
    typeof(ended) NOT IN ('integer', 'real', 'null') OR typeof(cursor) NOT IN ('blob', 'null') OR
    began NOT BETWEEN 0 AND {LATEST} OR ifnull(ended, 0) NOT BETWEEN 0 AND {LATEST})
OR EXISTS (SELECT 1 FROM snapshots) > EXISTS (SELECT 1 FROM roots WHERE number = 0)
"""
BY_PATH = "CREATE UNIQUE INDEX IF NOT EXISTS current ON versions(root, path, part) WHERE until IS NULL"
"""Made once a first scan has ended: then it takes half of the time. A row that replaces another one takes its place
there: an index of all rows would be split page by page, because it has no room left.
"""


def open_writer(path: str) -> sqlite3.Connection:
    """Open a store for writing; make it if it does not exist. Raises StoreError."""
    with explained(path):
        refuse_no_file(path, os.R_OK | os.W_OK)
        is_new = not os.path.exists(path) or os.path.getsize(path) == 0
        if is_new:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        database = sqlite3.connect(
            f"file:{quoted(path)}?mode=rw", uri=True, isolation_level=None, timeout=30, check_same_thread=False
        )
        try:
            if is_new:
                database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            else:
                refuse_other_formats(path, database)
                refuse_damaged(path, database)
            database.execute("PRAGMA trusted_schema = 0")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            if is_new:
                database.executescript(
                    f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION}; "
                    f"PRAGMA user_version = {FORMAT}; COMMIT;"
                )
        except BaseException:
            database.close()
            raise
        return database


def open_reader(path: str) -> sqlite3.Connection:
    """Open a store for reading. Raises StoreError."""
    with explained(path):
        if not os.path.exists(path):
            raise StoreError(f"{path!r} does not exist: a scan with --store makes it", "missing")
        refuse_no_file(path, os.R_OK)
        database = connect_reader(path)
        try:
            refuse_other_formats(path, database)
            refuse_damaged(path, database)
        except BaseException:
            database.close()
            raise
        return database


def refuse_no_file(path: str, mode: int) -> None:
    """Raise StoreError for what is no file, or a file without these permissions. It need not exist."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise StoreError(f"{path!r} is no regular file: give another file", "usage")
    if os.path.exists(path) and not os.access(path, mode):
        raise StoreError(f"{path!r} cannot be opened: {os.strerror(errno.EACCES)}", "unusable")
    folder = os.path.dirname(path) or "."
    if mode & os.W_OK and not os.access(folder, os.W_OK):
        raise StoreError(f"{path!r} cannot be written: its directory must be writable, too", "unusable")


def refuse_damaged(path: str, database: sqlite3.Connection) -> None:
    """Raise StoreError if the small tables hold values of other types than they should."""
    if database.execute(WRONG_TYPES).fetchone()[0]:
        raise StoreError(f"{path!r} is damaged: see `scanner snapshots --check`, or use another store", "unusable")


def refuse_other_formats(path: str, database: sqlite3.Connection) -> None:
    """Raise StoreError for a file that is no store, or is one of another version."""
    if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise StoreError(f"{path!r} is no snapshot store: give another file", "usage")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT:
        advice = "use a newer scanner" if version > FORMAT else "give another file, and scan anew"
        raise StoreError(f"{path!r} has format {version}, but this scanner knows {FORMAT}: {advice}", "usage")


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    """Raise StoreError instead of the errors of SQLite and of the system."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter while it decodes a message of SQLite
        raise store_error(path, error) from error
    except OSError as error:
        raise StoreError(f"{path!r} cannot be opened: {error.strerror or error}", "unusable") from error


def store_error(path: str, error: sqlite3.Error | UnicodeDecodeError) -> StoreError:
    """Return the StoreError for an error of SQLite."""
    text = "unreadable text" if isinstance(error, UnicodeDecodeError) else str(error)
    if any(sign in text for sign in ("malformed", "not a database", "unreadable text")):
        return StoreError(
            f"{path!r} is damaged ({text}): see `scanner snapshots --check`, or use another store", "unusable"
        )
    if "locked" in text:
        return StoreError(f"{path!r} is in use by another program: try again", "busy")
    return StoreError(f"{path!r} cannot be used: {text}", "unusable")

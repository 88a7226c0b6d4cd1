"""Checking a store: the file, and every row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import pairwise

from scanner.kernel.record import inodes_in, names_in, record_at, rows_in
from scanner.kernel.rows import RECORD, is_whole
from scanner.snapshot.settings import shown

MOST_PROBLEMS = 100
COPIED = "ifnull(CAST(path AS BLOB), x''), flags, mtime, uid, gid"
"""Columns of a row that its record has, too."""
IN_ORDER = (
    "SELECT root, ifnull(CAST(path AS BLOB), x''), part, since, ifnull(until, 1 << 62) FROM versions "
    "ORDER BY root, path, part, since"
)


def problems_in(database: sqlite3.Connection, width: int) -> Iterator[str]:
    """Yield a line for each problem, MOST_PROBLEMS at most. `width`: number of columns of the store."""
    found = 0
    try:
        for problem in _all_problems(database, width):
            yield problem
            found += 1
            if found == MOST_PROBLEMS:
                yield "and possibly more"
                return
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        yield f"the file is damaged: {error}"


def _all_problems(database: sqlite3.Connection, width: int) -> Iterator[str]:
    for (line,) in database.execute(f"PRAGMA integrity_check({MOST_PROBLEMS})"):
        if line != "ok":
            yield f"the file is damaged: {line}"
    for path, *copied, data in database.execute(f"SELECT {COPIED}, {RECORD} FROM versions"):
        try:
            record = record_at(data or b"")
            head = record.head
            if (
                not is_whole(data)
                or not record.is_intact
                or (record.path, head.flags, head.mtime, head.uid, head.gid) != (path, *copied)
            ):
                yield f"{shown(path)}: the checksum is wrong; the next scan reads it again"
                continue
            count = len(names_in(record.names))
            inodes_in(record.columns, count)
            if width:
                rows_in(record.columns, count, width)
        except ValueError as error:
            yield f"{shown(path)}: {error}"
    for one, two in pairwise(database.execute(IN_ORDER)):
        if one[:3] == two[:3] and two[3] <= one[4]:
            yield f"{shown(two[1])}: two rows hold for snapshot {two[3]}"

"""Removing snapshots: rows that hold for none of the others go with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from itertools import pairwise

from scanner.errors import OptionError

FINISHED = "complete", "incomplete"
"""States of snapshots that can be read back."""
REMOVE = "DELETE FROM versions INDEXED BY past WHERE until IS NOT NULL AND until < ? AND since > ?"


def refuse_no_snapshot(keep: int | None, within: float | None) -> None:
    """Raise OptionError for numbers that keep nothing."""
    if keep is not None and keep < 1:
        raise OptionError(f"keep must be a whole number of 1 or more, not {keep}")
    if within is not None and not within > 0:
        raise OptionError(f"keep_within must be a number of seconds above 0, or a duration such as '90d', not {within}")


def to_keep(
    snapshots: Sequence[tuple[int, float, str]], *, keep: int | None, within: float | None, now: float
) -> set[int]:
    """Return the numbers of the snapshots to keep. `snapshots`: number, start and state, in order.

    Kept are the newest `keep` finished ones, those that began in the last `within` seconds, the newest finished one in
    any case, and one that is open. Without a rule all are kept.
    """
    numbers = [number for number, _, _ in snapshots]
    if keep is None and within is None:
        return set(numbers)
    finished = [number for number, _, state in snapshots if state in FINISHED]
    kept = set(finished[-max(keep or 0, 1) :])
    kept |= {number for number, began, _ in snapshots if within is not None and began >= now - within}
    return kept | {number for number, _, state in snapshots if state == "open"}


def remove_snapshots(database: sqlite3.Connection, kept: Collection[int]) -> int:
    """Remove all snapshots but `kept`, in one transaction. Return how many."""
    numbers = [number for (number,) in database.execute("SELECT id FROM snapshots ORDER BY id")]
    gone = [number for number in numbers if number not in kept]
    if not gone:
        return 0
    database.execute("BEGIN IMMEDIATE")
    try:
        for before, after in pairwise([0, *sorted(kept)]):
            if after - before > 1:
                database.execute(REMOVE, (after, before))
        for table, column in (("snapshots", "id"), ("attempts", "snapshot"), ("unread", "snapshot")):
            database.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(number,) for number in gone])
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("PRAGMA incremental_vacuum").fetchall()
    return len(gone)

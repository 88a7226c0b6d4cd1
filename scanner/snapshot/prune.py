"""Removing snapshots: rows that hold for none of the others go with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from itertools import pairwise


def to_keep(
    snapshots: Sequence[tuple[int, float, bool]], *, keep: int | None, within: float | None, now: float
) -> set[int]:
    """Return the numbers of the snapshots to keep. `snapshots`: number, start, and whether it is finished, in order.

    Kept are the newest `keep` finished ones, those that began in the last `within` seconds, the newest finished one in
    any case, and one that is open. Without a rule all are kept.
    """
    numbers = [number for number, _, _ in snapshots]
    if keep is None and within is None:
        return set(numbers)
    finished = [number for number, _, is_finished in snapshots if is_finished]
    kept = set(finished[-max(keep or 0, 1) :])
    kept |= {number for number, began, _ in snapshots if within is not None and began >= now - within}
    return kept | set(numbers).difference(finished)


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
                database.execute("DELETE FROM versions WHERE until < ? AND since > ?", (after, before))
        for table, column in (("snapshots", "id"), ("attempts", "snapshot"), ("unread", "snapshot")):
            database.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(number,) for number in gone])
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("PRAGMA incremental_vacuum").fetchall()
    return len(gone)

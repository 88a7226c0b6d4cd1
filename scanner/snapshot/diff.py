"""What changed between two snapshots: `Diff`, a table of `Change`s in a temporary database.

    Sides: directories that differ --> Comparison: entries --> table --> files that were moved --> Change

The table is on disk: two million changes need no more memory than two.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from scanner.kernel.devices import as_signed
from scanner.kernel.rows import Key
from scanner.model import prefix_of
from scanner.snapshot.schema import explained, total_of
from scanner.snapshot.sides import AT_ONCE, Side, Sides, is_settled
from scanner.snapshot.states import REPLACED, Comparison, Difference, Item, State, state_of

Kind = Literal["+", "-", "M", "U", "T", "R"]
VALUES = "size", "blocks", "uid", "gid", "mtime_ns"
"""Columns of a change, before and after."""
SIDES = "before", "after"


TABLE = f"""
CREATE TABLE changes(
    id INTEGER PRIMARY KEY, kind TEXT, root INT, path BLOB, type TEXT, top BLOB, inode INT, source_root INT,
    source BLOB,
    {", ".join(f"{name}_{side}" for side in SIDES for name in VALUES)})
"""
TOPS = "CREATE TABLE tops(kind TEXT, root INT, path BLOB, top BLOB, PRIMARY KEY(kind, root, path))"
"""Directories that came or went, each with the highest one that came or went with it."""
INSERT = f"INSERT INTO changes VALUES (NULL, {', '.join('?' * (8 + 2 * len(VALUES)))})"
FILES_MOVED = f"""
CREATE TABLE pairs AS
SELECT gone.id AS gone, came.id AS came FROM
    (SELECT *, row_number() OVER (PARTITION BY root, inode, type, size_before, mtime_ns_before ORDER BY id) AS turn
     FROM changes
     WHERE kind = '-' AND type <> 'd' AND size_before IS NOT NULL AND {is_settled("mtime_ns_before")}) AS gone
JOIN
    (SELECT *, row_number() OVER (PARTITION BY root, inode, type, size_after, mtime_ns_after ORDER BY id) AS turn
     FROM changes WHERE kind = '+' AND type <> 'd' AND size_after IS NOT NULL) AS came
ON gone.root = came.root AND gone.inode = came.inode AND gone.type = came.type AND gone.turn = came.turn
    AND gone.size_before = came.size_after AND gone.mtime_ns_before = came.mtime_ns_after
"""
MAY_BE_MOVED = (
    "SELECT EXISTS (SELECT 1 FROM changes WHERE kind = '-' AND type <> 'd') "
    "AND EXISTS (SELECT 1 FROM changes WHERE kind = '+' AND type <> 'd')"
)
TAKE_OVER = f"""
UPDATE changes SET (kind, top, source_root, source, {", ".join(f"{name}_before" for name in VALUES)}) = (
    SELECT 'R', NULL, gone.root, gone.path, {", ".join(f"gone.{name}_before" for name in VALUES)}
    FROM pairs JOIN changes AS gone ON gone.id = pairs.gone WHERE pairs.came = changes.id)
WHERE id IN (SELECT came FROM pairs)
"""
BELOW = f"""
SELECT count(*), {", ".join(total_of(f"{name}_{side}") for name in VALUES[:2] for side in SIDES)} FROM changes
WHERE root = ? AND top = ? AND kind = ?
"""


class Change(NamedTuple):
    """One difference of two snapshots.

    kind           + came, - gone, M content (size or mtime), U mode or owner, T type, R moved or renamed
    path           now; of what is gone, before
    type           f, d, l, p, s, b or c, as in `find -type`; of what is gone, before
    source         where it was before, if it was moved
    entries        below a directory that came or went, unless these are changes of their own
    size_before, size_after, blocks_before, blocks_after
                   bytes and blocks of 512 bytes, with all that `entries` counts; None where they are not stored
    uid_before, uid_after, gid_before, gid_after, mtime_ns_before, mtime_ns_after
                   of the entry itself; None where they are not stored
    """

    kind: Kind
    path: str
    type: str
    source: str | None
    entries: int
    size_before: int | None
    size_after: int | None
    blocks_before: int | None
    blocks_after: int | None
    uid_before: int | None
    uid_after: int | None
    gid_before: int | None
    gid_after: int | None
    mtime_ns_before: int | None
    mtime_ns_after: int | None

    @property
    def growth(self) -> int | None:
        """Bytes that were added; negative: removed. None where sizes are not stored."""
        if self.size_before is None and self.size_after is None:
            return None
        return (self.size_after or 0) - (self.size_before or 0)


class Diff:
    """The changes between two snapshots, in the order of their paths. Iterate over it, as often as you like.

        before, after: The stores and numbers of the snapshots, also as attributes.

    A directory that came or went is one Change, with the sums of what is below it: `changes(every=True)` yields each
    entry. A directory that either scan could not read, or did not enter, is `unknown`: nothing in it came or went.
    """

    def __init__(
        self, before: Side, after: Side, roots: Sequence[str], columns: tuple[Sequence[str], Sequence[str]], *,
        same_tree: bool,
    ) -> None:  # fmt: skip
        self.before, self.after, self._roots = before, after, roots
        self._sides = Sides(before, after)
        self._comparison = Comparison(columns, same_tree=same_tree)
        self._widths = len(columns[0]), len(columns[1])
        self._damaged: list[Key] = []
        with explained(after.path):
            self._sides.database.execute(TABLE)
            self._sides.database.execute(TOPS)
            if same_tree:
                self._sides.find()
            else:
                self._sides.find(moves=False)
            self._fill()
            self._sides.detach()
            self._finish_table()

    @property
    def unknown(self) -> list[str]:
        """The directories that either scan could not read, or did not enter, and those with damaged records."""
        return [self._path(*key) for key in sorted({*self._sides.unknown, *self._damaged})]

    def __iter__(self) -> Iterator[Change]:
        return self.changes()

    def changes(self, *, every: bool = False) -> Iterator[Change]:
        """Yield the changes. `every`: also each entry below a directory that came or went."""
        where = "" if every else "WHERE top IS NULL"
        cursor = self._sides.database.cursor()
        cursor.execute(f"SELECT * FROM changes {where} ORDER BY root, path, id")
        while rows := cursor.fetchmany(AT_ONCE):
            for row in rows:
                yield self._change(row, every=every)

    def _change(self, row: Sequence[Any], *, every: bool) -> Change:
        _, kind, root, path, letter, _, _, source_root, source, *values = row
        (size, blocks, uid, gid, mtime), after = values[: len(VALUES)], values[len(VALUES) :]
        count, sizes = 0, [size, after[0], blocks, after[1]]
        if not every and ((letter == "d" and kind in "+-") or kind == "T"):
            below = "+" if kind == "T" and letter == "d" else "-" if kind == "T" else kind
            count, *sums = self._sides.database.execute(BELOW, (root, path, below)).fetchone()
            sizes = [added(*pair) for pair in zip(sizes, sums, strict=True)]
        return Change(
            kind, self._path(root, path), letter, None if source is None else self._path(source_root, source), count,
            sizes[0], sizes[1], sizes[2], sizes[3], uid, after[2], gid, after[3], mtime, after[4],
        )  # fmt: skip

    def _path(self, root: int, path: bytes) -> str:
        return prefix_of(self._roots[root]) + os.fsdecode(path) if path else self._roots[root]

    # ---- the table

    def _fill(self) -> None:
        database = self._sides.database
        rows: list[tuple[Any, ...]] = []
        for key in self._sides.touched():
            rows += self._rows_of(key)
            if len(rows) >= AT_ONCE:
                database.executemany(INSERT, rows)
                rows.clear()
        database.executemany(INSERT, rows)

    def _finish_table(self) -> None:
        database = self._sides.database
        if database.execute(MAY_BE_MOVED).fetchone()[0]:
            database.execute(FILES_MOVED, {"began": self._sides.began})
            database.execute("CREATE INDEX by_came ON pairs(came)")
            database.execute(TAKE_OVER)
            database.execute("DELETE FROM changes WHERE id IN (SELECT gone FROM pairs)")
        database.execute("CREATE INDEX by_path ON changes(root, path)")
        database.execute("CREATE INDEX by_top ON changes(root, top, kind) WHERE top IS NOT NULL")

    def _rows_of(self, key: Key) -> Iterator[tuple[Any, ...]]:
        """Yield the changes in one directory, and those of itself that its parent does not show."""
        sides = self._sides
        source, has_left = sides.source(key), sides.has_left(key)
        try:
            after = self._state(sides.after, key)
            before = None if has_left else self._state(sides.before, key)
            moved = None if source is None else self._state(sides.before, source)
        except ValueError:
            self._damaged.append(key)
            sides.leave_out(key)
            return
        if source is None:
            if before is not None or after is not None:
                yield from self._rows_between(key, key, before, after)
            return
        if before is not None:  # it was removed before another one took its place
            yield from self._rows_between(key, key, before, None)
        if not self._moved_along(key, source):
            yield self._directory_row("R", key, source, moved, after)
        yield from self._rows_between(key, source, moved, after)

    def _state(self, side: Side, key: Key) -> State | None:
        return state_of(self._sides.records(side, key), self._widths[side == self._sides.after])

    def _rows_between(
        self, key: Key, old: Key, before: State | None, after: State | None
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Yield the changes of a directory that was at `old`. None: it did not exist."""
        if before is not None and after is not None and self._comparison.has_new_metadata(before, after):
            yield self._directory_row("U", key, None, before, after)
        top = self._top_of("+", key) if before is None else self._top_of("-", old) if after is None else None
        for difference in self._comparison.differences(before, after, is_moved=key != old):
            for rest in self._without_moves(key, old, difference):
                yield self._row(rest, joined(old if rest.kind == "-" else key, rest.name), top)

    def _top_of(self, kind: str, key: Key) -> bytes:
        """Return the highest directory that came or went together with one."""
        database, (root, path) = self._sides.database, key
        query = "SELECT top FROM tops WHERE kind = ? AND root = ? AND path = ?"
        found = database.execute(query, (kind, *parted(key)[0])).fetchone() if path else None
        top: bytes = path if found is None else found[0]
        database.execute("INSERT OR IGNORE INTO tops VALUES (?, ?, ?, ?)", (kind, root, path, top))
        return top

    def _moved_along(self, key: Key, source: Key) -> bool:
        """Return whether a directory was moved because one above it was."""
        parent, name = parted(key)
        above, old_name = parted(source)
        return name == old_name and (self._sides.source(parent) or parent) == above

    def _without_moves(self, key: Key, old: Key, difference: Difference) -> Iterator[Difference]:
        """Yield what is left of a difference if a directory that was there, or is there, was moved."""
        kind, name, before, after = difference
        if after is not None and after.type == "d" and self._sides.source(joined(key, name)) is not None:
            after = None
        if before is not None and before.type == "d" and self._sides.has_left(joined(old, name)):
            before = None
        is_whole = (before, after) == difference[2:]
        if is_whole and kind != REPLACED and (kind != "T" or key == old):
            yield difference
        elif not is_whole or key != old:  # a directory in one that was moved, and not found again, is another one
            if before is not None:
                yield Difference("-", name, before, None)
            if after is not None:
                yield Difference("+", name, None, after)

    def _row(self, difference: Difference, place: Key, top: bytes | None) -> tuple[Any, ...]:
        kind, _, before, after = difference
        item: Item | None = after or before
        assert item is not None
        values = self._comparison.values(0, before, VALUES) + self._comparison.values(1, after, VALUES)
        return kind, *place, item.type, top, as_signed(item.inode), None, None, *values

    def _directory_row(
        self, kind: str, key: Key, source: Key | None, before: State | None, after: State | None
    ) -> tuple[Any, ...]:
        values: list[int | None] = []
        for head in (None if state is None else state.head for state in (before, after)):
            values += [None] * len(VALUES) if head is None else [None, None, head.uid, head.gid, head.mtime]
        return kind, *key, "d", None, 0, *(source or (None, None)), *values

    def close(self) -> None:
        """Remove the temporary database."""
        self._sides.close()

    def __enter__(self) -> Diff:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parted(key: Key) -> tuple[Key, bytes]:
    """Return the directory above, and the name."""
    above, _, name = key[1].rpartition(b"/")
    return (key[0], above), name


def joined(key: Key, name: bytes) -> Key:
    return key[0], key[1] + b"/" + name if key[1] else name


def added(one: int | None, other: int | None) -> int | None:
    """Return the sum of known numbers."""
    return other if one is None else one if other is None else one + other

"""Pages of a table of SQLite, made by the compiled reader: many times as fast as statements, which insert row by row.

    empty database | leaves, as rows arrive | pages above the leaves; then the root, in its place, and the header

Only whole leaves are written. SQLite itself opens the file after that, inserts the rows that are left, and adds all
else. The format: https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import sqlite3
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from scanner.export.output import Output
from scanner.fields import Columns, columns_of

if TYPE_CHECKING:
    from scanner.kernel.native import Native

PAGE_BYTES = 16384  # SQLite's own size makes indices a fifth slower
LEAST_ROWS = 1 << 14  # rows to take at a time; they fill more than one leaf
ROOT, INTERIOR, INTERIOR_HEADER = 2, 5, 12  # number of the table's first page; a kind of page; bytes
MOST_CHILDREN = (PAGE_BYTES - INTERIOR_HEADER) // (2 + 4 + 9)  # of a page above the leaves
LOCKED_PAGE = (1 << 30) // PAGE_BYTES + 1  # holds no data
Child = tuple[int, int]
"""The number of a page, and of the last row below it."""


class TablePages:
    """Writes rows of the only table of a database that `empty` is. `is_over`: SQLite must write the rows that are left.

    add       takes rows of `columns`, in order
    finish    completes the database, unless it has no row, and returns the rows that are left
    """

    def __init__(
        self, native: Native, empty: bytes, output: Output, write: Callable[[bytes], object], columns: Columns,
        fields: Sequence[str],
    ) -> None:  # fmt: skip
        self._fill, self._empty, self._output, self._write = native.fill_leaves, empty, output, write
        self._columns = columns
        names = columns_of(fields)
        self._fields = tuple(-1 if name == "type" else names.index(name) for name in fields)
        self._mode = names.index("mode") if "mode" in names else 0
        self._arrived: list[tuple[bytes, memoryview]] = []
        self._count = 0
        self._lasts = array("q")
        self.is_over = False

    def add(self, paths: bytes, rows: memoryview) -> None:
        self._arrived.append((paths, rows))
        self._count += paths.count(b"\0") + 1
        if self._count >= LEAST_ROWS:
            self._write_leaves()

    def _write_leaves(self) -> None:
        paths, rows = self._columns.put_together(self._arrived)
        done = self._lasts[-1] if self._lasts else 0
        page = page_after(ROOT, len(self._lasts) - 1) + 1
        leaves, lasts, row, at, is_too_long = self._fill(
            PAGE_BYTES, LOCKED_PAGE, self._fields, self._mode, paths, rows, self._columns.width, page, done + 1
        )
        self.is_over = is_too_long
        if not self._lasts and len(lasts) < 2 * self._lasts.itemsize:  # a root has two children
            self.is_over = True
            return
        self._write(leaves if self._lasts else self._empty + leaves)
        self._lasts.frombytes(lasts)
        self._arrived, self._count = [], 0
        if at < len(paths):
            rows = self._columns.rows_from(rows, row)
            self._arrived, self._count = [(paths[at:], rows)], len(rows) // self._columns.width

    def finish(self) -> list[tuple[bytes, memoryview]]:
        if self._lasts:
            self._write_interior()
        return self._arrived

    def _write_interior(self) -> None:
        """Write the pages above the leaves, level by level, then the root and the header."""
        count = len(self._lasts)
        numbers = (page_after(ROOT, each) for each in range(count))
        children: list[Child] = list(zip(numbers, self._lasts, strict=True))
        while len(children) > MOST_CHILDREN:
            level: list[Child] = []
            for some in evenly(children):
                page = page_after(ROOT, count)
                if page == LOCKED_PAGE + 1:
                    self._write(bytes(PAGE_BYTES))
                self._write(interior_page(some))
                level.append((page, some[-1][1]))
                count += 1
            children = level
        size = page_after(ROOT, count - 1)
        head = bytearray(self._empty[:PAGE_BYTES])
        head[28:32] = size.to_bytes(4, "big")
        self._output.rewrite(0, bytes(head) + interior_page(children))


def page_after(page: int, count: int) -> int:
    """Return the number of the page that holds the item `count` (from 0 on) after `page`."""
    number = page + 1 + count
    return number if number < LOCKED_PAGE else number + 1


def evenly(children: list[Child]) -> Iterator[list[Child]]:
    """Split the children among as few pages as possible, each with at least two."""
    pages = -(-len(children) // MOST_CHILDREN)
    for number in range(pages):
        yield children[len(children) * number // pages : len(children) * (number + 1) // pages]


def interior_page(children: Sequence[Child]) -> bytes:
    """Return a page with these children."""
    *some, (rightmost, _) = children
    cells, start = [], PAGE_BYTES
    offsets = []
    for page, last in some:
        cells.append(page.to_bytes(4, "big") + varint(last))
        start -= len(cells[-1])
        offsets.append(start)
    head = struct.pack(">BHHHBI", INTERIOR, 0, len(some), start, 0, rightmost)
    front = head + struct.pack(f">{len(offsets)}H", *offsets)
    return front + bytes(start - len(front)) + b"".join(reversed(cells))


def varint(value: int) -> bytes:
    """Return a number of fewer than 57 bits as SQLite writes it: seven bits a byte, the highest first."""
    septets = [value & 0x7F]
    while value := value >> 7:
        septets.append(value & 0x7F | 0x80)
    return bytes(reversed(septets))


def empty_database(create: str) -> bytes | None:
    """Return a database with one empty table, or None if SQLite was built in another way than expected here."""
    database: Any = sqlite3.connect(":memory:", isolation_level=None)
    try:
        database.execute(f"PRAGMA page_size={PAGE_BYTES}")
        database.execute(create)
        ((root,),) = database.execute("SELECT rootpage FROM sqlite_master")
        empty: bytes = database.serialize()
    except (AttributeError, sqlite3.Error):
        return None
    finally:
        database.close()
    is_plain = len(empty) == ROOT * PAGE_BYTES and root == ROOT and empty[16:18] == PAGE_BYTES.to_bytes(2, "big")
    numbers = struct.unpack(">I8xI", empty[44:60])  # format of records, encoding of text
    return empty if is_plain and empty[18:21] == b"\1\1\0" and not any(empty[52:56]) and numbers == (4, 1) else None

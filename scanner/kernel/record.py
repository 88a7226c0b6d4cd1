"""Records: what a snapshot store keeps of one directory, or of one part of a huge one. `_walk.h` writes the same.

    head     the fields of Head: checksum of all that follows it, lengths, flags, and the status of the directory.
    path     below the root.
    names    in the order of the listing, separated by NULs. A regular file is its name; a directory has a slash after
             it, any other entry a slash and a letter: p, s, b, c as in `find -type`, l for a symlink, L for one that
             led to a directory, ? for an unknown type. An exclamation mark follows for an entry that a filter excluded
             (for a regular file: /f!). No name contains a slash or a NUL.
    columns  the inode of each entry; then one bit for each row, whether its values are known; then the values of each
             column, known ones only. Row 0 is the directory itself, the others are its entries.

A column is a series of variable-length integers (LEB128), each the difference to the value before, modulo 2**64, in
zigzag form: small numbers of either sign take one byte.

Records come from other machines and from files: functions raise ValueError for what is damaged.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from scanner.fields import TYPES
from scanner.kernel.native import native

HEAD = struct.Struct("<8I4q")
UPDATE = struct.Struct("<8q")
UPDATE_AND_HEAD = struct.Struct(UPDATE.format + HEAD.format[1:])
UNKNOWN_NUMBER = -1
DIRECTORY, LINK, DIRECTORY_LINK, UNKNOWN_TYPE, FILE = "/", "/l", "/L", "/?", "/f"
"""What follows the names of some entries; FILE only before EXCLUDED_MARK."""
EXCLUDED_MARK = "!"
BOUNDARY, RACY, MORE, PARTED = 1, 2, 4, 8
"""Flags of a record: another file system begins here; too young to be trusted; more parts follow; the record that it
replaces had several parts, or it has."""
KEEP, CHECK, READ, READ_RACY, READ_TO_CHECK, READ_DAMAGED = range(6)
"""What to do with a row: take it as it is; take it if the times of the directory have not changed; read the directory,
for a reason."""
NOT_REQUESTED = 255
"""A column of the store that the scan does not request."""
NO_NAMES = b"", b".", b".."
MASK = (1 << 64) - 1


class Counts(NamedTuple):
    """Numbers of directories of one Chunk: taken from the store; taken from an earlier part of this scan; read although
    their times had not changed, to check; of these, different; read because of an unreliable file system; because they
    were racy; damaged rows.
    """

    kept: int = 0
    settled: int = 0
    rechecked: int = 0
    stale: int = 0
    unreliable: int = 0
    racy: int = 0
    damaged: int = 0


class Head(NamedTuple):
    """The head of a record. Lengths are in bytes, times in nanoseconds; `birth`: -1 where the file system has none."""

    crc: int
    path_length: int
    names_length: int
    columns_length: int
    flags: int
    mode: int
    uid: int
    gid: int
    inode: int
    birth: int
    mtime: int
    ctime: int


class Record(NamedTuple):
    """A record, taken apart."""

    head: Head
    path: bytes
    names: bytes
    columns: bytes
    is_intact: bool
    """Whether the checksum is right."""


class Update(NamedTuple):
    """What goes to the writer before a record of `length` bytes.

    `known`: whether the store has a record of this directory. `same`: only its flags differ from that one. `position`:
    entries of the directory in earlier parts. `bytes` and `blocks` (of 512 bytes) are sums over the entries that are no
    directories, -1 if sizes are not recorded.
    """

    known: int
    same: int
    root: int
    position: int
    files: int
    bytes: int
    blocks: int
    length: int = 0


def pack_record(head: Head, path: bytes, names: bytes, columns: bytes) -> bytes:
    """Return the bytes of a record. Its lengths and its checksum are filled in."""
    head = head._replace(path_length=len(path), names_length=len(names), columns_length=len(columns))
    record = b"".join([HEAD.pack(*head), path, names, columns])
    return crc32(record[4:]).to_bytes(4, "little") + record[4:]


def record_at(data: bytes, start: int = 0) -> Record:
    """Return the record that begins at `start`. Raises ValueError if it is cut off."""
    if len(data) - start < HEAD.size:
        raise ValueError("damaged record: it is cut off")
    head = Head._make(HEAD.unpack_from(data, start))
    path = start + HEAD.size
    names = path + head.path_length
    columns = names + head.names_length
    end = columns + head.columns_length
    if end > len(data):
        raise ValueError("damaged record: it is cut off")
    is_intact = crc32(data[start + 4 : end]) == head.crc
    return Record(head, data[path:names], data[names:columns], data[columns:end], is_intact)


def size_of(record: Record) -> int:
    """Return the number of bytes of a record."""
    return HEAD.size + len(record.path) + len(record.names) + len(record.columns)


def pack_update(update: Update, record: bytes) -> bytes:
    """Return the bytes of an update, with its record."""
    return UPDATE.pack(*update._replace(length=len(record))) + record


def updates_in(data: bytes | memoryview) -> Iterator[tuple[tuple[int, ...], bytes, int]]:
    """Yield the numbers of each Update and of the Head that follows it, `data`, and where the path begins in it.

    Raises ValueError if a record is cut off.
    """
    # Plain numbers and one unpacking, because there are many.
    data, start, size, unpack = bytes(data), 0, UPDATE_AND_HEAD.size, UPDATE_AND_HEAD.unpack_from
    while start < len(data):
        if len(data) - start < size:
            raise ValueError("damaged record: it is cut off")
        numbers = unpack(data, start)
        length, _, path, names, columns = numbers[7:12]
        if length != HEAD.size + path + names + columns or length > len(data) - start - UPDATE.size:
            raise ValueError("damaged record: it is cut off")
        yield numbers, data, start + size
        start += UPDATE.size + length


def type_suffix(entry: os.DirEntry[Any]) -> str:
    """Return what follows the name of an entry in a record."""
    try:
        if entry.is_symlink():
            return DIRECTORY_LINK if _leads_to_directory(entry) else LINK
        if entry.is_dir(follow_symlinks=False):
            return DIRECTORY
        if entry.is_file(follow_symlinks=False):
            return ""
        return "/" + TYPES.get(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode), "?")
    except OSError:
        return UNKNOWN_TYPE


def _leads_to_directory(entry: os.DirEntry[Any]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def names_of(entries: Iterable[tuple[Any, str]]) -> bytes:
    """Return the names of a record: `entries` are names, all str or all bytes, with their suffixes."""
    return b"\0".join([os.fsencode(name) + suffix.encode() for name, suffix in entries])


def names_in(names: bytes) -> list[tuple[bytes, str]]:
    """Return the names, with their suffixes, of a record. Raises ValueError for names that no directory can hold."""
    found = []
    for item in names.split(b"\0") if names else ():
        if b"/" not in item and item not in NO_NAMES:  # most are files
            found.append((item, ""))
            continue
        name, slash, kind = item.partition(b"/")
        if name in NO_NAMES or len(kind.removesuffix(b"!")) > 1:
            raise ValueError(f"damaged record: {item[:80]!r} is no name")
        found.append((name, (slash + kind).decode("ascii")))
    return found


def directories_in(names: bytes, *, links: bool = False) -> list[bytes]:
    """Return the names of the directories of a record that are not excluded, in their order; with `links` also of links
    that led to one.
    """
    ends: Any = (b"/", b"/L") if links else b"/"
    return [item.partition(b"/")[0] for item in names.split(b"\0") if item.endswith(ends)]


def excluded_suffix(suffix: str) -> str:
    """Return the suffix of an entry that a filter excluded."""
    return (suffix or FILE) + EXCLUDED_MARK


def pack_columns(inodes: Sequence[int], rows: Sequence[Sequence[int] | None]) -> bytes:
    """Return the columns of a record: the inode of each entry, then the rows of the directory and of each entry, None
    where values are unknown. No rows: only inodes.
    """
    packed = bytearray()
    _append_column(packed, inodes)
    if rows:
        bits = bytearray((len(rows) + 7) // 8)
        for number, row in enumerate(rows):
            bits[number >> 3] |= (row is not None) << (number & 7)
        packed += bits
        for column in zip(*[row for row in rows if row is not None], strict=True):
            _append_column(packed, column)
    return bytes(packed)


def _append_column(packed: bytearray, values: Iterable[int]) -> None:
    before = 0
    for value in values:
        delta = (value - before) & MASK
        before = value
        code = (delta << 1) & MASK ^ (MASK if delta >> 63 else 0)
        while code > 0x7F:
            packed.append(code & 0x7F | 0x80)
            code >>= 7
        packed.append(code)


def inodes_in(columns: bytes, count: int) -> list[int]:
    """Return the inodes of `count` entries. Raises ValueError if the columns are damaged."""
    return [inode & MASK for inode in _column_at(columns, 0, count)[0]]


def rows_in(columns: bytes, count: int, width: int) -> list[tuple[int, ...] | None]:
    """Return the rows of the directory itself and of `count` entries, with `width` values each, None where they are
    unknown. Raises ValueError if the columns are damaged.
    """
    _, start = _column_at(columns, 0, count)
    end = start + (count + 8) // 8
    bits = columns[start:end]
    if len(bits) < end - start:
        raise ValueError("damaged record: its columns are cut off")
    known = [bool(bits[number >> 3] >> (number & 7) & 1) for number in range(count + 1)]
    values = []
    for _ in range(width):
        column, end = _column_at(columns, end, sum(known))
        values.append(column)
    rows = zip(*values, strict=True)
    return [next(rows) if is_known else None for is_known in known]


def _column_at(packed: bytes, start: int, count: int) -> tuple[list[int], int]:
    """Return the values of the column at `start`, and where it ends."""
    compiled = native()
    return column_at(packed, start, count) if compiled is None else compiled.column_at(packed, start, count)


def column_at(packed: bytes, start: int, count: int) -> tuple[list[int], int]:
    """Do the same in Python."""
    values, value = [], 0
    for _ in range(count):
        code = shift = 0
        while True:
            if start >= len(packed) or shift > 63:
                raise ValueError("damaged record: its columns are cut off")
            byte = packed[start]
            start += 1
            code |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        value = (value + (code >> 1 ^ -(code & 1))) & MASK
        values.append(value - (1 << 64) if value >> 63 else value)
    return values, start

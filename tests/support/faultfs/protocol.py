"""The kernel's FUSE protocol (linux/fuse.h), as far as a file system that is only read needs it."""

from __future__ import annotations

import os
import stat
import struct
from enum import IntEnum
from typing import NamedTuple


class Op(IntEnum):
    """What the kernel asks for."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    READLINK = 5
    OPEN = 14
    READ = 15
    STATFS = 17
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    ACCESS = 34
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    READDIRPLUS = 44


LABELS: dict[int, str] = {op: op.name.lower() for op in Op if op not in (Op.INIT, Op.DESTROY)}
LABELS |= {Op.READDIRPLUS: "readdir", Op.BATCH_FORGET: "forget"}
"""What each is called in rules and statistics."""

FAULTY = ("lookup", "getattr", "opendir", "readdir", "open", "read", "readlink")
"""What rules and latency apply to."""

ROOT = 1
BUFFER_SIZE = 1 << 16  # requests are far shorter, but the kernel insists on room for a write of _MAX_WRITE
_MAX_WRITE = 4096
_MAX_NAME = 1024  # the kernel's own limit, four times that of most file systems
_PARALLEL_DIROPS, _READDIRPLUS = 1 << 18, 1 << 13

_REQUEST = struct.Struct("<IIQQIIIHH")  # length, op, unique, node, uid, gid, pid, extension, padding
_REPLY = struct.Struct("<IiQ")  # length, -errno, unique
_INIT_IN = struct.Struct("<IIII")  # major, minor, readahead, flags
_INIT_OUT = struct.Struct("<IIIIHHII36x")  # the same, background, congestion, max_write, time granularity
_ATTRIBUTES = struct.Struct("<QQQQQQ" + "I" * 10)  # ino size blocks 3*time 3*ns mode nlink uid gid rdev blksize flags
_ENTRY = struct.Struct("<QQQQII")  # node, generation, validity of the entry and the attributes: seconds, then ns
_VALIDITY = struct.Struct("<QII")  # seconds, ns
_OPENED = struct.Struct("<QII")  # handle, flags
_STATFS = struct.Struct("<QQQQQIIII24x")  # blocks, free, available, files, free; block size, name length, fragment
_DIRENT = struct.Struct("<QQII")  # ino, offset of the next, length of the name, d_type
HANDLE_OFFSET_SIZE = struct.Struct("<QQI")
NUMBER = struct.Struct("<Q")
_NODE_AND_COUNT = struct.Struct("<QQ")
_HOW_MANY = struct.Struct("<II")

NO_ENTRY = bytes(_ENTRY.size + _ATTRIBUTES.size)
_UID, _GID = os.getuid(), os.getgid()


class Request(NamedTuple):
    """One message from the kernel."""

    op: int
    unique: int
    node: int
    pid: int
    body: bytes


def parse(message: memoryview) -> Request:
    length, op, unique, node, _uid, _gid, pid, _extension, _padding = _REQUEST.unpack_from(message)
    return Request(op, unique, node, pid, bytes(message[_REQUEST.size : length]))


def reply(unique: int, error: int, data: bytes) -> bytes:
    return _REPLY.pack(_REPLY.size + len(data), -error, unique) + data


def init(body: bytes, readdirplus: bool) -> bytes:
    """Agree with the kernel: several calls at once in one directory, and READDIRPLUS if wanted."""
    _major, minor, readahead, flags = _INIT_IN.unpack_from(body)
    wanted = _PARALLEL_DIROPS | (_READDIRPLUS if readdirplus else 0)
    return _INIT_OUT.pack(7, min(minor, 31), readahead, flags & wanted, 64, 48, _MAX_WRITE, 1)


def attributes(ino: int, size: int, mode: int, stamp: int) -> bytes:
    """`stamp`: atime, mtime and ctime, in seconds since 1970."""
    links = 2 if stat.S_ISDIR(mode) else 1
    times = (stamp, stamp, stamp, 0, 0, 0)
    return _ATTRIBUTES.pack(ino, size, (size + 511) // 512, *times, mode, links, _UID, _GID, 0, 4096, 0)


def entry(node: int, entry_seconds: float, attribute_seconds: float) -> bytes:
    (entry_s, entry_ns), (attribute_s, attribute_ns) = _split(entry_seconds), _split(attribute_seconds)
    return _ENTRY.pack(node, 0, entry_s, attribute_s, entry_ns, attribute_ns)


def validity(seconds: float) -> bytes:
    return _VALIDITY.pack(*_split(seconds), 0)


def opened(handle: int) -> bytes:
    return _OPENED.pack(handle, 0, 0)


def statfs() -> bytes:
    return _STATFS.pack(1000, 500, 500, 1_000_000, 500_000, 4096, _MAX_NAME, 4096, 0)


def dirent(ino: int, following: int, name: bytes, dtype: int) -> bytes:
    return _DIRENT.pack(ino, following, len(name), dtype) + name + bytes(-len(name) % 8)


def record_size(name: bytes, plus: bool) -> int:
    """Of a dirent, with an entry before it or without."""
    size = _DIRENT.size + len(name)
    return size + -size % 8 + (len(NO_ENTRY) if plus else 0)


def forgotten(body: bytes) -> list[tuple[int, int]]:
    """The nodes of a BATCH_FORGET, and how often each was looked up."""
    count, _ = _HOW_MANY.unpack_from(body)
    start = _HOW_MANY.size
    return [_NODE_AND_COUNT.unpack_from(body, start + i * _NODE_AND_COUNT.size) for i in range(count)]


def interrupted(body: bytes) -> int:
    """The request whose caller an INTERRUPT says has got a signal."""
    (unique,) = NUMBER.unpack_from(body)
    return int(unique)


def _split(seconds: float) -> tuple[int, int]:
    return int(seconds), int(seconds % 1 * 1e9)

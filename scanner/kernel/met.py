"""The files with several names that a scan has met: a set in C, or else in Python."""

from __future__ import annotations

import os
from array import array
from struct import pack
from typing import TypeAlias

from scanner.fields import LAST, NULL
from scanner.kernel.native import Native, native
from scanner.options import is_pure

SHARED = 5
"""64-bit numbers of a shared file in a record: device, inode, bytes, blocks, time."""
FILE = 8 * SHARED  # bytes
PLACE = 16
FEWEST_PLACES = 1024
Key: TypeAlias = tuple[int, int]
"""Device and inode of a file, the same for all its names; signed, as columns have them."""
Found: TypeAlias = tuple[int, int, int, int]
"""Bytes, blocks and number of files, and the latest of their times."""


class MetFiles:
    """A set of files. Inodes are kept by device: one number with both would be larger."""

    def __init__(self) -> None:
        self._by_device: dict[int, set[int]] = {}

    def __contains__(self, key: Key) -> bool:
        device, inode = key
        return inode in self._by_device.get(device, ())

    def add(self, device: int, inode: int) -> bool:
        """Add a file, and return whether it is new."""
        return self.first(pack("5q", device, inode, 0, 0, NULL))[2] > 0

    def first(self, shared: bytes) -> Found:
        """Add shared files, and return the sums of those that are new."""
        size = blocks = count = 0
        latest, last, met = NULL, None, set[int]()
        for device, inode, its_size, its_blocks, moment in zip(*[iter(array("q", shared))] * SHARED, strict=True):
            if device != last:
                last, met = device, self._by_device.setdefault(device, set())
            if inode not in met:
                met.add(inode)
                size, blocks, count = size + its_size, blocks + its_blocks, count + 1
                latest = max(latest, moment)
        return size, blocks, count, latest


class CompiledMetFiles(MetFiles):
    """The same in a table of the compiled reader, which is at most three quarters full.

    Each file takes 21 to 43 bytes, and 64 while the table grows.
    """

    def __init__(self, module: Native) -> None:
        self._native = module
        self._table = bytearray(PLACE * FEWEST_PLACES)
        self._used = 0

    def __contains__(self, key: Key) -> bool:
        return self._native.has_met(self._table, *key)

    def first(self, shared: bytes) -> Found:
        self._make_room(len(shared) // FILE)
        found = self._native.meet_files(self._table, shared)
        if found is None:  # a sum exceeds 64 bits
            size, blocks, count, latest = zip(
                *[self.first(shared[start : start + FILE]) for start in range(0, len(shared), FILE)], strict=True
            )
            return sum(size), sum(blocks), sum(count), max(latest)
        self._used += found[2]
        return found

    def _make_room(self, count: int) -> None:
        while 4 * (self._used + count) > 3 * (len(self._table) // PLACE - 2):
            larger = bytearray(2 * len(self._table))
            self._native.copy_met(self._table, larger)
            self._table = larger


def met_files() -> MetFiles:
    """Return an empty set."""
    module = None if is_pure() else native()
    return MetFiles() if module is None else CompiledMetFiles(module)


def key_of(status: os.stat_result) -> Key:
    """Return the Key of a file."""
    return _signed(status.st_dev), _signed(status.st_ino)


def _signed(value: int) -> int:
    return value - (1 << 64) if value > LAST else value

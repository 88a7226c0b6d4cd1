"""The files with several names that a scan has met."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator

from scanner.fields import LAST, NULL

SHARED = 5
"""64-bit numbers of a shared file in a record: device, inode, bytes, blocks, time."""
Key = tuple[int, int]
"""Device and inode of a file, the same for all its names; signed, as columns have them."""


class MetFiles:
    """A set of Keys. Inodes are kept by device: one with a device would be twice as large."""

    def __init__(self) -> None:
        self._by_device: dict[int, set[int]] = {}

    def __contains__(self, key: Key) -> bool:
        device, inode = key
        return inode in self._by_device.get(device, ())

    def add(self, device: int, inode: int) -> bool:
        """Add a file, and return whether it is new."""
        met = self._by_device.get(device)
        if met is None:
            met = self._by_device[device] = set()
        before = len(met)
        met.add(inode)
        return len(met) > before

    def add_status(self, status: os.stat_result) -> bool:
        """Add the file of this status, and return whether it is new."""
        return self.add(*key_of(status))

    def first(self, shared: bytes) -> tuple[int, int, int, int]:
        """Add shared files. Return bytes, blocks and number of the new ones, and the latest of their times."""
        size = blocks = count = 0
        latest = NULL
        for device, inode, its_size, its_blocks, moment in rows_of(array("q", shared)):
            if self.add(device, inode):
                size, blocks, count = size + its_size, blocks + its_blocks, count + 1
                latest = max(latest, moment)
        return size, blocks, count, latest


def rows_of(values: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Iterate over the shared files of a record."""
    return zip(*[iter(values)] * SHARED, strict=True)


def key_of(status: os.stat_result) -> Key:
    """Return the Key of a file."""
    return _signed(status.st_dev), _signed(status.st_ino)


def _signed(value: int) -> int:
    return value - (1 << 64) if value > LAST else value

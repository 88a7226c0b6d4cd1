"""File systems that a scan with a snapshot store meets: their clocks, and whether directory times are reliable."""

from __future__ import annotations

import os
from array import array

from scanner.kernel.descent import Descent
from scanner.kernel.rows import KnownSpec
from scanner.model import Path
from scanner.mounts import filesystem_type

LOCAL_CLOCK = frozenset(["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "zfs", "f2fs", "bcachefs", "overlay"])
"""File systems whose directory times are reliable and come from the clock of this kernel."""
OUR_CLOCK = 2  # as in _known.h
RELIABLE = LOCAL_CLOCK | {"nfs", "nfs4", "ceph"}


class Device:
    """A file system that was met. `newest`: a ctime of its clock, nanoseconds: where that is the clock of this kernel,
    one from before the scan; elsewhere the newest that was seen.
    """

    __slots__ = ("has_our_clock", "is_of_root", "is_reliable", "newest")

    def __init__(self, kind: str, newest: int, *, is_of_root: bool) -> None:
        self.is_reliable, self.has_our_clock = kind in RELIABLE, kind in LOCAL_CLOCK
        self.newest, self.is_of_root = newest, is_of_root

    def saw(self, ctime: int) -> None:
        """Note a ctime. One of this kernel's clock may lie in the future, where the clock was set back."""
        if not self.has_our_clock:
            self.newest = max(self.newest, ctime)


class Devices:
    """The file systems of one scan, by their device numbers, which are not compared with those of other scans."""

    def __init__(self, spec: KnownSpec, descent: Descent) -> None:
        self._spec, self._descent = spec, descent
        self._devices: dict[int, Device] = {}

    def __len__(self) -> int:
        return len(self._devices)

    def of(self, path: Path, status: os.stat_result) -> Device:
        """Return the file system of the directory `path`."""
        device = self._devices.get(status.st_dev)
        if device is None:
            kind = filesystem_type(path)
            is_beyond = self.is_beyond(path, status)
            newest = self._spec.clock if kind in LOCAL_CLOCK else 0 if is_beyond else self._spec.newest
            device = self._devices[status.st_dev] = Device(kind, newest, is_of_root=not is_beyond)
        return device

    def is_beyond(self, path: Path, status: os.stat_result) -> bool:
        """Return whether a directory is on another device than its root."""
        try:
            return status.st_dev != self._descent.device(path)
        except OSError:
            return False

    @property
    def newest(self) -> int:
        """The newest ctime seen on the root's file system, if its clock is another one."""
        seen = [device.newest for device in self._devices.values() if device.is_of_root and not device.has_our_clock]
        return max(seen, default=0)

    def table(self) -> bytearray:
        """Return number, newest ctime and reliability of each, for the compiled walker, which updates the times."""
        values = [
            value
            for number, device in self._devices.items()
            for value in (as_signed(number), device.newest, device.is_reliable + (OUR_CLOCK - 1) * device.has_our_clock)
        ]
        return bytearray(array("q", values).tobytes())

    def learn(self, table: bytearray) -> None:
        """Take the newest times from a table."""
        for device, newest in zip(self._devices.values(), memoryview(table).cast("q")[1::3], strict=False):
            device.newest = newest


def as_signed(number: int) -> int:
    """Return an unsigned number of 64 bits as a signed one."""
    return number - (number >> 63 << 64)

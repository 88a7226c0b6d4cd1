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
RELIABLE = LOCAL_CLOCK | {"nfs", "nfs4", "ceph"}


class Device:
    """A file system that was met. `newest`: the newest ctime seen there, nanoseconds."""

    __slots__ = ("is_reliable", "newest")

    def __init__(self, is_reliable: bool, newest: int) -> None:
        self.is_reliable, self.newest = is_reliable, newest


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
            newest = 0 if self.is_beyond(path, status) else self._spec.newest
            newest = self._spec.clock if kind in LOCAL_CLOCK else newest
            device = self._devices[status.st_dev] = Device(kind in RELIABLE, newest)
        return device

    def is_beyond(self, path: Path, status: os.stat_result) -> bool:
        """Return whether a directory is on another device than its root."""
        try:
            return status.st_dev != self._descent.device(path)
        except OSError:
            return False

    @property
    def newest(self) -> int:
        """The newest ctime seen on any of them."""
        return max((device.newest for device in self._devices.values()), default=0)

    def table(self) -> bytearray:
        """Return number, newest ctime and reliability of each, for the compiled walker, which updates the times."""
        values = [
            value
            for number, device in self._devices.items()
            for value in (as_signed(number), device.newest, device.is_reliable)
        ]
        return bytearray(array("q", values).tobytes())

    def learn(self, table: bytearray) -> None:
        """Take the newest times from a table."""
        for device, newest in zip(self._devices.values(), memoryview(table).cast("q")[1::3], strict=False):
            device.newest = newest


def as_signed(number: int) -> int:
    """Return an unsigned number of 64 bits as a signed one."""
    return number - (number >> 63 << 64)

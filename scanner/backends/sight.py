"""What a worker sees of the roots: compared with what others see before anything is walked, and watched while it walks.

A scan on many machines is right only if the same path means the same directory on each of them. A worker whose mount is
missing finds an empty directory there, without an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import threading
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from scanner.encoding import printable
from scanner.model import Chunk, Path
from scanner.mounts import MOUNTS, around, comes_back, device_number, devices, filesystem_type

MOST_NAMES = 10_000  # of a root that are looked at
KEPT = 64  # smallest hashes of names: two roots with the same names have the same ones
SAME_SIZE = 0.1  # difference of sizes, as a share: some file systems grow and shrink with their use
ENOUGH = 0.5  # share of these that two workers must have in common, where a root has just been modified
MADE_UP = 1 << 48  # device numbers of our own begin here: no system has such
Sight = dict[str, Any]


def look(roots: Sequence[Path]) -> Sight:
    """Return what this process sees of the roots, in values that any serializer takes. Paths are bytes."""
    numbers = device_numbers(roots)
    seen = [_look_at(root) for root in roots]
    numbers |= {root: each["device"] for root, each in zip(roots, seen, strict=True) if "device" in each}
    return {
        "roots": seen,
        "kinds": [filesystem_type(root) for root in roots],
        "numbers": [[os.fsencode(path), number] for path, number in numbers.items()],
        "zones": [[os.fsencode(path), zone] for path, zone in devices(roots).items()],
    }


def device_numbers(roots: Sequence[Path]) -> dict[Path, int]:
    """Return the device numbers of the mounts around the roots, by path as the scan names them."""
    numbers = {path: device_number(mount) for path, mount in around(roots).items()}
    return {path: number for path, number in numbers.items() if number is not None}


def _look_at(root: Path) -> Sight:
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return {"error": error.strerror}
    try:
        status, system = os.fstat(descriptor), os.fstatvfs(descriptor)
        return {
            "device": status.st_dev, "ino": status.st_ino, "mtime": status.st_mtime_ns,
            "size": system.f_blocks * system.f_frsize, "names": _names(descriptor),
        }  # fmt: skip
    except OSError as error:
        return {"error": error.strerror}
    finally:
        os.close(descriptor)


def _names(descriptor: int) -> list[bytes]:
    """Return the smallest hashes of names and inodes: a sample that is the same wherever the names are."""
    with os.scandir(descriptor) as entries:
        hashes = {
            hashlib.blake2b(b"%b\0%d" % (os.fsencode(entry.name), entry.inode()), digest_size=6).digest()
            for entry in islice(entries, MOST_NAMES)
        }
    return sorted(hashes)[:KEPT]


def difference(roots: Sequence[Path], one: Sight, other: Sight) -> str | None:
    """Return why two sights cannot be of the same roots, in a few words, or None."""
    for root, ours, theirs in zip(roots, one["roots"], other["roots"], strict=True):
        if reason := _differs(ours, theirs):
            return f"{printable(os.fsdecode(root))}: {reason}"
    return None


def _differs(one: Sight, other: Sight) -> str | None:
    errors = one.get("error"), other.get("error")
    if errors != (None, None):
        return None if errors[0] == errors[1] else f"{errors[0] or 'readable'} / {errors[1] or 'readable'}"
    if one["ino"] != other["ino"]:
        return f"inode {one['ino']} / {other['ino']}"
    if abs(one["size"] - other["size"]) > SAME_SIZE * max(one["size"], other["size"]):
        return f"a file system of {one['size']:,} / {other['size']:,} bytes"
    return None if _has_same_names(one, other) else "other names in it"


def _has_same_names(one: Sight, other: Sight) -> bool:
    """Compare samples of names. Of a root that was modified meanwhile, most must be the same."""
    mine, yours = set(one["names"]), set(other["names"])
    if one["mtime"] == other["mtime"]:
        return mine == yours
    some = sorted(mine | yours)[:KEPT]
    return len(mine & yours & set(some)) >= ENOUGH * len(some)


class DeviceNumbers:
    """Replaces device numbers by those of the machine to which others are compared.

    Each machine numbers mounts in its own order, so only their paths identify them. With `reference`, the numbers by
    path there, a device that nobody had mounted at the start gets the same made-up number on all machines.
    """

    def __init__(self, roots: Sequence[Path], own: Sight, reference: Mapping[bytes, int]) -> None:
        self._roots, self._reference = roots, reference
        self._known: dict[int, int] = {}
        self._learn(dict(own["numbers"]))

    def __call__(self, number: int) -> int:
        if number not in self._known:  # mounted meanwhile
            self._learn({os.fsencode(path): device for path, device in device_numbers(self._roots).items()})
            self._known.setdefault(number, number)
        return self._known[number]

    def _learn(self, numbers: Mapping[bytes, int]) -> None:
        for path in sorted(numbers, key=lambda path: (len(path), path)):
            if numbers[path] not in self._known:
                self._known[numbers[path]] = self._reference.get(path) or made_up(path)


def made_up(path: bytes) -> int:
    """Return a device number that is the same on all machines, and that no system gives."""
    return MADE_UP + int.from_bytes(hashlib.blake2b(path, digest_size=5).digest(), "big")


class Guard:
    """Notices that a root, or a mount below one, is not there any more: what has vanished is then not the tree.

    Threads share it. Without the kernel's table of mounts, roots are compared after each Task.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._ids = self._look()
        self._lock = threading.Lock()
        self._table: Any = None
        self._change = select.poll()
        with contextlib.suppress(OSError):
            self._table = open(MOUNTS, "rb")  # noqa: SIM115  # closed by `close`
            self._change.register(self._table, select.POLLPRI)  # raised by each change of the table
        self._mounts = around(roots)
        self._loss: str | None = None

    def _look(self) -> list[tuple[int, int] | None]:
        ids: list[tuple[int, int] | None] = []
        for root in self._roots:
            try:
                status = os.stat(root)
                ids.append((status.st_dev, status.st_ino))
            except OSError:
                ids.append(None)
        return ids

    def loss(self, chunk: Chunk) -> str | None:
        """Return the root or mount that was lost before `chunk` was complete, or None. Final."""
        with self._lock:
            if self._loss is None and (self._table is None or self._change.poll(0)):
                self._loss = self._changed_mount()
            if self._loss is None and (self._table is None or any(fault.drops_listing for fault in chunk.faults)):
                self._loss = self._changed_root()
            return self._loss

    def _changed_root(self) -> str | None:
        for root, before, now in zip(self._roots, self._ids, self._look(), strict=True):
            if before != now:
                return printable(os.fsdecode(root))
        return None

    def _changed_mount(self) -> str | None:
        """Return a mount that is gone, or another one now. New ones are watched as well."""
        now = around(self._roots)
        for path, mount in self._mounts.items():
            if now.get(path) != mount and not comes_back(mount):
                return printable(os.fsdecode(path))
        self._mounts = now
        return None

    def close(self) -> None:
        with self._lock:
            if self._table is not None:
                self._change.unregister(self._table)
                self._table.close()
                self._table, self._change = None, select.poll()

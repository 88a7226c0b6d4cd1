"""Mounts, from the table of the kernel: a query of a mount itself may hang.

Without such a table (not Linux), no mount is remote, and each root is one file system.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

from scanner.encoding import printable, utf8_text
from scanner.model import Path, below_any, is_below, prefix_of, upwards

MOUNTS = "/proc/self/mountinfo"
MOST_LINKS = 40  # symbolic links in a path, as in the kernel
FIELDS_BEFORE_TYPE = 6  # number, parent, device, root, mount point, options; then optional fields, "-", type
UNKNOWN, AUTOMOUNT = "unknown", "autofs"
_ON_DISK = (
    "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs jfs reiserfs vfat msdos exfat ntfs3 udf iso9660 squashfs erofs overlay"
)
_IN_MEMORY = (
    "tmpfs ramfs devtmpfs rootfs proc sysfs devpts mqueue hugetlbfs cgroup cgroup2 securityfs debugfs tracefs pstore "
    "bpf configfs fusectl binfmt_misc nsfs efivarfs rpc_pipefs selinuxfs"
)
IN_MEMORY = frozenset(_IN_MEMORY.split())
LOCAL = IN_MEMORY.union(_ON_DISK.split())
"""File systems in memory or on disks of this machine: they always answer."""


class Mount(NamedTuple):
    """A mount. `root`: the directory or file of the file system that appears at `point`; `device`: major:minor;
    `source`: a device, or `server:/path`.
    """

    point: bytes
    kind: str
    device: str
    root: bytes
    number: bytes
    parent: bytes
    source: bytes = b""


def mounts() -> list[Mount]:
    """Return all mounts that a path can reach: none that is covered by a later mount."""
    try:
        with open(MOUNTS, "rb") as table:
            return _visible([mount for mount in map(_mount, table) if mount is not None])
    except OSError:
        return []


def _visible(table: list[Mount]) -> list[Mount]:
    """Return the topmost mount at each point, if the mount below it is reachable."""
    numbers = {mount.number for mount in table}
    found: dict[bytes, Mount] = {}
    for mount in sorted(table, key=lambda mount: len(mount.point)):  # stable: later mounts stay behind
        on = next((found[above] for above in upwards(mount.point) if above in found), None)
        if on is None or mount.parent == on.number or mount.parent not in numbers:
            found[mount.point] = mount
    return list(found.values())


def _mount(line: bytes) -> Mount | None:
    """Parse one line of the table; None if it has no mount point. Spaces and the like are escaped in octal.

    Any user can mount, and so choose bytes of this table: no bytes may raise an error.
    """
    fields = [_unescaped(field) for field in line.rstrip(b"\n").split(b" ")]
    if len(fields) < FIELDS_BEFORE_TYPE or not fields[4].startswith(b"/"):
        return None
    number, parent, device, root, point, _, *rest = fields
    kind, source = (*(rest[rest.index(b"-") + 1 :][:2] if b"-" in rest else ()), b"", b"")[:2]
    return Mount(point, os.fsdecode(kind) if kind else UNKNOWN, os.fsdecode(device), root, number, parent, source)


def _unescaped(field: bytes) -> bytes:
    return re.sub(rb"\\([0-3][0-7]{2})", lambda match: bytes([int(match[1], 8)]), field) if b"\\" in field else field


def _remote(mount: Mount) -> bool:
    return mount.kind not in LOCAL


def _deepest(real: bytes, table: list[Mount]) -> Mount | None:
    """Return the mount that contains `real`."""
    above = [mount for mount in table if is_below(real, mount.point)]
    return max(above, key=lambda mount: len(mount.point), default=None)


def resolved(path: Path, table: list[Mount]) -> bytes:
    """Return the absolute path without symbolic links. On a remote mount links stay, because reading them may hang."""
    remote = {mount.point for mount in table if _remote(mount)}
    todo = [name for name in os.fsencode(path).split(b"/") if name][::-1]
    real = b"/" if os.fsencode(path)[:1] == b"/" else _cwd()
    links = 0
    while todo:
        name = todo.pop()
        if name in (b".", b".."):
            real = os.path.dirname(real) if name == b".." else real
            continue
        here = prefix_of(real) + name
        target = None
        if links < MOST_LINKS and not below_any(here, remote):
            target = _link_target(here)
        if target is None:
            real = here
            continue
        links += 1
        todo += [part for part in target.split(b"/") if part][::-1]
        real = b"/" if target[:1] == b"/" else real
    return real


def _cwd() -> bytes:
    try:
        return os.fsencode(os.getcwd())
    except OSError:  # removed: relative paths do not exist
        return b"/"


def _link_target(path: bytes) -> bytes | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def filesystem_type(path: Path) -> str:
    """Return for example `ext4` or `nfs4`, with bytes that are not printable escaped; `unknown` without a table."""
    table = mounts()
    mount = _deepest(resolved(path, table), table)
    return printable(utf8_text(mount.kind)) if mount is not None else UNKNOWN


def anything_remote(roots: Sequence[Path]) -> bool:
    """Return whether any root is on, or has below it, a file system that may never answer."""
    table = mounts()
    remote = [mount.point for mount in table if _remote(mount)]
    for real in (resolved(root, table) for root in roots) if remote else ():
        mount = _deepest(real, table)
        if (mount is not None and _remote(mount)) or any(is_below(point, real) for point in remote):
            return True
    return False


def mount_of(path: Any, roots: Sequence[Any]) -> Any:
    """Return the directory, as the scan names it, at which the file system of `path` begins: a mount point or root."""
    root = max((root for root in roots if is_below(path, root)), key=len, default=path)
    table = mounts()
    top = resolved(root, table)
    below = os.fsencode(path[len(prefix_of(root)) :])
    real = prefix_of(top) + below if below else top
    mount = _deepest(real, table)
    if mount is None or len(mount.point) <= len(top):
        return root
    inner = mount.point[len(prefix_of(top)) :]
    return prefix_of(root) + (inner if isinstance(root, bytes) else os.fsdecode(inner))


def mounted_below(roots: Sequence[Any]) -> list[tuple[Any, str]]:
    """Return path, as the scan names it, and type of each mount below the roots, the roots excluded."""
    table = mounts()
    found = []
    for root in roots if table else ():
        found += [(path, mount.kind) for path, mount in _below(root, resolved(root, table), table)]
    return [(path, kind) for path, kind in found if path not in roots]


def _below(root: Any, real: bytes, table: Iterable[Mount]) -> Iterator[tuple[Any, Mount]]:
    """Yield the mounts below a root whose absolute path is `real`, and their paths as the scan names them."""
    for mount in table:
        if mount.point != real and is_below(mount.point, real):
            inner = mount.point[len(prefix_of(real)) :]
            yield prefix_of(root) + (inner if isinstance(root, bytes) else os.fsdecode(inner)), mount


def barred(roots: Sequence[Any], *, kinds: Collection[str], one_file_system: bool, one_mount: bool) -> list[Any]:
    """Return the mount points below the roots that must not be entered, as the scan names them.

    `kinds`: types of file systems; `one_mount`: all mount points; `one_file_system`: those of other file systems than
    that of the root. Bind mounts of the root's own file system are entered, as with `find -xdev`. The table decides, so
    that a mount that hangs is not queried. It does not distinguish subvolumes: these are compared once they are open.
    """
    table = mounts()
    names = {os.fsencode(kind) for kind in kinds}
    found = []
    for root in roots:
        real = resolved(root, table)
        device = _device(real, table) if one_file_system else ""
        for path, mount in _below(root, real, table):
            if one_mount or (one_file_system and mount.device != device) or os.fsencode(mount.kind) in names:
                found.append(path)
    return [*found, *_barred_roots(roots, found)] if one_file_system else found


def _device(real: bytes, table: list[Mount]) -> str:
    """Return the device of the file system of `real`, in the form of the table."""
    mount = _deepest(real, table)
    if mount is not None:
        return mount.device
    try:
        device = os.stat(real).st_dev
    except OSError:
        return UNKNOWN
    return f"{os.major(device)}:{os.minor(device)}"


def _barred_roots(roots: Sequence[Any], barred: Collection[Any]) -> Iterator[Any]:
    """Yield the roots below other roots that are on another device without a mount: subvolumes."""
    pairs = [(top, root) for root in roots for top in roots if root != top and is_below(root, top)]
    for top, root in pairs:
        if not below_any(root, barred):
            with contextlib.suppress(OSError):  # the scan reports it
                if os.stat(root).st_dev != os.stat(top).st_dev:
                    yield root


def are_shared(roots: Sequence[Any]) -> bool:
    """Return whether bind mounts make a directory appear twice below the roots, which are disjoint paths."""
    table = mounts()
    places = []
    for root in roots:
        real = resolved(root, table)
        top = _deepest(real, table)
        inside = [(real, top)] if top is not None else []
        inside += [(mount.point, mount) for _, mount in _below(root, real, table)]
        places += [(mount.device, prefix_of(_inner(place, mount))) for place, mount in inside]
    return any(one[0] == two[0] and two[1].startswith(one[1]) for one, two in pairwise(sorted(places)))


def _inner(place: bytes, mount: Mount) -> bytes:
    """Return the path of `place`, on this mount, in the file system itself."""
    below = place[len(prefix_of(mount.point)) :]
    return prefix_of(mount.root) + below if below else mount.root


def devices(roots: Sequence[Any]) -> dict[Any, int]:
    """Return the directories at which devices begin, roots and mount points, with a number for each device.

    All file systems in memory count as one device.
    """
    table = mounts()
    numbers: dict[str, int] = {}
    found: dict[Any, int] = {}
    for root in roots if table else ():
        real = resolved(root, table)
        top = _deepest(real, table)
        for path, mount in [(root, top), *_below(root, real, table)]:
            device = "" if mount is None else "memory" if mount.kind in IN_MEMORY else mount.device
            found[path] = numbers.setdefault(device, len(numbers))
    return {path: number for path, number in found.items() if path in roots or number != _surrounding(path, found)}


def around(roots: Sequence[Any]) -> dict[Any, Mount]:
    """Return the mounts that contain the roots, and those below them, by path as the scan names them."""
    table = mounts()
    found: dict[Any, Mount] = {}
    for root in roots if table else ():
        real = resolved(root, table)
        top = _deepest(real, table)
        for path, mount in [*([(root, top)] if top is not None else []), *_below(root, real, table)]:
            found.setdefault(path, mount)
    return found


def device_number(mount: Mount) -> int | None:
    """Return the number that `stat` gives for the device of a mount; None if the table has none."""
    major, _, minor = mount.device.partition(":")
    return os.makedev(int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def comes_back(mount: Mount) -> bool:
    """Return whether a request mounts again what was unmounted: an automount, or an export within an export of NFS."""
    others = [each for each in mounts() if each.point != mount.point or each.kind == AUTOMOUNT]
    covering = _deepest(mount.point, others)
    if covering is None:
        return False
    inner = mount.point[len(covering.point) :].lstrip(b"/")
    is_inside = mount.kind.startswith("nfs") and mount.source == prefix_of(covering.source) + inner
    return covering.kind == AUTOMOUNT or is_inside


def _surrounding(path: Any, found: dict[Any, int]) -> int | None:
    """Return the device that surrounds the mount at `path`."""
    return next((found[above] for above in islice(upwards(path), 1, None) if above in found), None)

"""Replacing a file by another: whether that is possible, and with which owner, mode and attributes.

The new file never grants more access than the old one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
from functools import reduce
from typing import NamedTuple

ACL = "system.posix_acl_access"
ACL_HEAD, ACL_ENTRY = 4, struct.Struct("<HHI")  # tag, permissions, id
OWNING_GROUP, OTHERS = 0x04, 0x20  # tags
CONTENT_ATTRIBUTES = frozenset({"security.capability", "security.ima", "security.evm"})
"""Attributes that vouch for the old content."""
NO_ACL = (errno.ENODATA, errno.ENOTSUP)


class Access(NamedTuple):
    """Owner, group and mode of a file, its access ACL, and its other extended attributes."""

    status: os.stat_result
    acl: bytes | None
    attributes: dict[str, bytes]

    @property
    def common(self) -> int:
        """Permissions that everybody has, as bits for the owner, the group and all others alike."""
        mode = self.status.st_mode
        entries = [permissions for _, permissions, _ in _acl_entries(self.acl or b"")]
        bits = reduce(int.__and__, entries, mode & mode >> 3 & mode >> 6 & 0o7)
        return bits << 6 | bits << 3 | bits

    @property
    def narrow_mode(self) -> int:
        """Permission bits that grant nothing new, whatever the group of the file, with and without its ACL."""
        return self.status.st_mode & 0o700 | self.common & 0o077


def access_of(path: str) -> Access:
    """Return the access of `path`, without unreadable attributes. Raises OSError if it does not exist."""
    status, attributes = os.stat(path), {}
    with contextlib.suppress(OSError, AttributeError):  # some file systems, and Linux only
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                attributes[name] = os.getxattr(path, name)
    return Access(status, attributes.pop(ACL, None), attributes)


def set_access(descriptor: int, access: Access) -> None:
    """Set the access of an open file whose mode is `narrow_mode` at most.

    Refusals are ignored: some file systems have one owner, or no modes. The bits for setuid and setgid are dropped, as
    the kernel does when a file is written. The mode is set last: before, the ACL or the owner may not suit it.
    """
    _set_owner(descriptor, access.status)
    for name, value in access.attributes.items():
        if name not in CONTENT_ATTRIBUTES:
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, name, value)
    mode, acl = access.status.st_mode & 0o777, access.acl
    if os.fstat(descriptor).st_gid != access.status.st_gid:
        # Members of the new group were "others" before, and those of the old group are now.
        bits = access.common & 0o7
        acl = acl and _with_permissions(acl, {OWNING_GROUP: bits, OTHERS: bits})
        mode = mode & 0o770 | bits if acl else access.narrow_mode
    if not _set_acl(descriptor, acl):
        mode = access.narrow_mode
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, mode)


def _set_owner(descriptor: int, status: os.stat_result) -> None:
    """Set owner and group, or at least the group."""
    for owner in (status.st_uid, -1):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, status.st_gid)
            return


def _set_acl(descriptor: int, acl: bytes | None) -> bool:
    """Return whether the file has this ACL now. None removes an ACL inherited from the directory."""
    try:
        if acl is not None:
            os.setxattr(descriptor, ACL, acl)
        elif hasattr(os, "removexattr"):
            os.removexattr(descriptor, ACL)
    except OSError as error:
        return acl is None and error.errno in NO_ACL
    return True


def _acl_entries(acl: bytes) -> list[tuple[int, int, int]]:
    return list(ACL_ENTRY.iter_unpack(acl[ACL_HEAD:]))


def _with_permissions(acl: bytes, changed: dict[int, int]) -> bytes:
    entries = (ACL_ENTRY.pack(tag, changed.get(tag, bits), number) for tag, bits, number in _acl_entries(acl))
    return acl[:ACL_HEAD] + b"".join(entries)


def refuse_irreplaceable(path: str) -> None:
    """Raise OSError if nothing can be renamed over the file `path`.

    It may be immutable, append-only, owned by another user in a sticky directory, or in a directory without write
    permission. `rmdir` makes the kernel check the same permissions as `rename` and `unlink`, and then fails on a file.
    """
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.EROFS):
            why = f"{error.strerror} (it cannot be replaced: check owner and attributes of the file and its directory)"
            raise OSError(error.errno, why) from error


def is_mount_point(path: str) -> bool:
    """Return whether something is mounted on the file `path`, as in containers: nothing can be renamed over it."""
    with contextlib.suppress(OSError, AttributeError):
        return _mount_id(path) != _mount_id(os.path.dirname(path))
    return os.path.ismount(path)


def _mount_id(path: str) -> str:
    """Return the id of the path's mount. A file may be mounted from its own file system: device numbers are equal."""
    descriptor = os.open(path, os.O_PATH)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}") as lines:
            found = re.search(r"^mnt_id:\s*(\d+)$", lines.read(), re.MULTILINE)
    finally:
        os.close(descriptor)
    if found is None:
        raise OSError(errno.ENOSYS, "the kernel reports no mount id")
    return found[1]


def copy(source: int, target: int) -> None:
    """Make an open file a copy of another. Raises OSError.

    Space is reserved first, so that a full disk leaves the target as it was.
    """
    from shutil import copyfileobj  # not needed otherwise

    size, before = os.fstat(source).st_size, os.fstat(target).st_size
    try:
        os.posix_fallocate(target, 0, max(1, size))
    except (OSError, AttributeError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            os.ftruncate(target, before)
            raise
    os.lseek(source, 0, os.SEEK_SET)
    os.lseek(target, 0, os.SEEK_SET)
    with open(source, "rb", closefd=False) as reader, open(target, "wb", closefd=False) as writer:
        copyfileobj(reader, writer, 1 << 20)
    os.ftruncate(target, size)
    os.fsync(target)

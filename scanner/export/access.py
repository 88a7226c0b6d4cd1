"""Who may use a file that replaces another: the same people where the system allows it, and never more."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from functools import reduce
from typing import NamedTuple

ACL = "system.posix_acl_access"
ACL_HEAD, ACL_ENTRY = 4, struct.Struct("<HHI")  # tag, permissions, id
OWNER, OWNING_GROUP, OTHERS = 0x01, 0x04, 0x20  # tags
OF_CONTENT = frozenset({"security.capability", "security.ima", "security.evm"})
"""Attributes that vouch for the old content."""
NO_ACL = (errno.ENODATA, errno.ENOTSUP)


class Access(NamedTuple):
    """Owner, group and mode of a file, its access ACL, and its other extended attributes."""

    status: os.stat_result
    acl: bytes | None
    attributes: dict[str, bytes]

    @property
    def common(self) -> int:
        """Permissions that everybody has: as bits for the owner, the group and all others alike."""
        mode = self.status.st_mode
        entries = [permissions for _, permissions, _ in _entries(self.acl or b"")]
        bits = reduce(int.__and__, entries, mode & mode >> 3 & mode >> 6 & 0o7)
        return bits << 6 | bits << 3 | bits

    @property
    def narrow_mode(self) -> int:
        """Permission bits that widen nothing, whatever group the file has and whether or not it has an ACL."""
        return self.status.st_mode & 0o700 | self.common & 0o077


def access_of(path: str) -> Access:
    """Raises OSError if `path` is not there; attributes that cannot be read are skipped."""
    status, attributes = os.stat(path), {}
    with contextlib.suppress(OSError, AttributeError):  # not on every file system, and on Linux only
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                attributes[name] = os.getxattr(path, name)
    return Access(status, attributes.pop(ACL, None), attributes)


def give(descriptor: int, access: Access) -> None:
    """Give an open file that access. The file must have `narrow_mode` at most.

    A refusal is no failure: some file systems have one owner, or no modes. Bits for setuid and setgid are dropped, as
    the kernel does when a file is written. The mode comes last: before, the ACL or the owner may not suit it.
    """
    _give_owner(descriptor, access.status)
    for name, value in access.attributes.items():
        if name not in OF_CONTENT:
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, name, value)
    mode, acl = access.status.st_mode & 0o777, access.acl
    if os.fstat(descriptor).st_gid != access.status.st_gid:
        # Members of the new group were "others" before, and those of the old group are now.
        bits = access.common & 0o7
        acl = acl and _with_permissions(acl, {OWNING_GROUP: bits, OTHERS: bits})
        mode = mode & 0o770 | bits if acl else access.narrow_mode
    if not _give_acl(descriptor, acl):
        mode = access.narrow_mode
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, mode)


def _give_owner(descriptor: int, status: os.stat_result) -> None:
    """Owner and group, or the group at least."""
    for owner in (status.st_uid, -1):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, status.st_gid)
            return


def _give_acl(descriptor: int, acl: bytes | None) -> bool:
    """Whether the file has this ACL now. Without one, an ACL that was inherited from the directory goes."""
    try:
        if acl is not None:
            os.setxattr(descriptor, ACL, acl)
        elif hasattr(os, "removexattr"):
            os.removexattr(descriptor, ACL)
    except OSError as error:
        return acl is None and error.errno in NO_ACL
    return True


def _entries(acl: bytes) -> list[tuple[int, int, int]]:
    return list(ACL_ENTRY.iter_unpack(acl[ACL_HEAD:]))


def _with_permissions(acl: bytes, changed: dict[int, int]) -> bytes:
    entries = (ACL_ENTRY.pack(tag, changed.get(tag, bits), number) for tag, bits, number in _entries(acl))
    return acl[:ACL_HEAD] + b"".join(entries)

"""Mounting, unmounting and aborting: as root directly, as another user with fusermount3."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import socket
import subprocess
import tempfile

DEVICE = "/dev/fuse"
TYPE = "fuse.faultfs"
_HELPER = "fusermount3"
_HELPER_SECONDS = 5.0
_NOSUID, _NODEV = 2, 4
_DETACH, _NOFOLLOW = 2, 8
_CONNECTIONS = "/sys/fs/fuse/connections"
_libc = ctypes.CDLL(None, use_errno=True)


def obstacle() -> str | None:
    """Why there is no point in trying."""
    if not os.path.exists(DEVICE):
        return f"there is no {DEVICE}"
    if os.geteuid() != 0 and shutil.which(_HELPER) is None:
        return f"mounting needs root or {_HELPER}"
    return None


def mount(mountpoint: str) -> int:
    """The descriptor on which the kernel sends its requests."""
    return _mount_as_root(mountpoint) if os.geteuid() == 0 else _mount_with_helper(mountpoint)


def unmount(mountpoint: str) -> None:
    """Unmount at once, also where processes use it or hang in it; do nothing if it is not mounted."""
    if os.geteuid() == 0:
        _libc.umount2(os.fsencode(mountpoint), _DETACH | _NOFOLLOW)
        return
    command = [_HELPER, "-u", "-z", "-q", "--", mountpoint]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, stderr=subprocess.DEVNULL, timeout=_HELPER_SECONDS, check=False)


def connection(mountpoint: str) -> int | None:
    """The number of the connection to the kernel, None if it is not mounted. Asks nothing of the file system itself."""
    found = None
    with open("/proc/self/mountinfo", "rb") as mounts:
        for line in mounts:
            fields = line.split()
            if _unescape(fields[4]) == os.fsencode(mountpoint) and TYPE.encode() in fields:
                found = int(fields[2].split(b":")[1])
    return found


def abort(number: int) -> None:
    """End the connection in the kernel: pending and future requests fail."""
    if os.geteuid() != 0 or os.path.exists(f"{_CONNECTIONS}/{number}"):
        _write_abort(_CONNECTIONS, number)
        return
    with tempfile.TemporaryDirectory() as directory:
        _mount(b"fusectl", directory, b"fusectl", 0, b"")
        try:
            _write_abort(directory, number)
        finally:
            unmount(directory)


def _write_abort(directory: str, number: int) -> None:
    with open(f"{directory}/{number}/abort", "w") as control:
        control.write("1")


def _mount_as_root(mountpoint: str) -> int:
    fd = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40755,user_id=0,group_id=0,allow_other"
    try:
        _mount(b"faultfs", mountpoint, TYPE.encode(), _NOSUID | _NODEV, options.encode())
    except OSError:
        os.close(fd)
        raise
    return fd


def _mount(source: bytes, target: str, kind: bytes, flags: int, options: bytes) -> None:
    if _libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), options):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _mount_with_helper(mountpoint: str) -> int:
    """fusermount3, which may mount, sends the descriptor through a socket."""
    ours, its = socket.socketpair()
    command = [_HELPER, "-o", "fsname=faultfs,subtype=faultfs", "--", mountpoint]
    environment = {**os.environ, "_FUSE_COMMFD": str(its.fileno())}
    with ours, its:
        result = subprocess.run(
            command, env=environment, pass_fds=[its.fileno()], capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
        ours.settimeout(_HELPER_SECONDS)
        if result.returncode != 0:
            raise OSError(os.fsdecode(result.stderr).strip() or f"{_HELPER} failed")
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    return descriptors[0]


def _unescape(field: bytes) -> bytes:
    """Blanks and backslashes are written as octal numbers there."""
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field)

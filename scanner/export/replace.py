"""Whether a file can be replaced by another, tested before anything is written."""

from __future__ import annotations

import contextlib
import errno
import os
import re


def refuse_irreplaceable(path: str) -> None:
    """Raise OSError if nothing can be renamed over the file `path`: it is immutable, append-only, of somebody else in a
    sticky directory, or in a directory that may not be written.

    `rmdir` asks the kernel: it checks the same permissions as `rename` and `unlink`, and then refuses to remove what
    is no directory.
    """
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.EROFS):
            why = f"{error.strerror} (it cannot be replaced: see the owner and the attributes of it and its directory)"
            raise OSError(error.errno, why) from error


def is_mount_point(path: str) -> bool:
    """Whether something is mounted on the file `path`, as containers do: nothing can be renamed over it."""
    with contextlib.suppress(OSError, AttributeError):
        return _mount_of(path) != _mount_of(os.path.dirname(path))
    return os.path.ismount(path)


def _mount_of(path: str) -> str:
    """The number of a path's mount. Device numbers would not do: a file may be mounted from its own file system."""
    descriptor = os.open(path, os.O_PATH)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}") as lines:
            found = re.search(r"^mnt_id:\s*(\d+)$", lines.read(), re.MULTILINE)
    finally:
        os.close(descriptor)
    if found is None:
        raise OSError(errno.ENOSYS, "the kernel does not say which mount it is")
    return found[1]


def copy(source: int, target: int) -> None:
    """Make an open file a copy of another. Its room is reserved first, so that a full disk costs nothing that is there.
    Raises OSError.
    """
    from shutil import copyfileobj  # seldom needed

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

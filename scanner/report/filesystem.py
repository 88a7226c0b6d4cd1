"""The type of the file system that a path is on, from the kernel's table: asking the mount itself may hang."""

from __future__ import annotations

import os
import re

MOUNTS = "/proc/self/mountinfo"


def filesystem_type(path: str | bytes) -> str:
    """For example `ext4` or `nfs4`; `unknown` where there is no such table."""
    try:
        with open(MOUNTS, "rb") as table:
            mounts = [_mount(line) for line in table]
    except OSError:
        return "unknown"
    real = os.path.realpath(os.fsencode(path))
    above = [mount for mount in mounts if real == mount[0] or real.startswith(mount[0].rstrip(b"/") + b"/")]
    if not above:
        return "unknown"
    deepest = max(len(point) for point, _ in above)
    return [kind for point, kind in above if len(point) == deepest][-1].decode()  # the last one mounted is on top


def _mount(line: bytes) -> tuple[bytes, bytes]:
    """Mount point and type of one line; spaces and the like stand there in octal."""
    fields = line.split()
    point = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), fields[4])
    return point, fields[fields.index(b"-") + 1]

"""Running a command with calls about scheduling refused: `python -m tests.support.seccomp ENOSYS COMMAND`."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_REFUSE, _ALLOW = 0x00050000, 0x7FFF0000
SCHEDULING = {
    "x86_64": {
        "getpriority": 140, "setpriority": 141, "sched_setparam": 142, "sched_getparam": 143, "sched_setscheduler": 144,
        "sched_getscheduler": 145, "sched_setaffinity": 203, "sched_getaffinity": 204, "ioprio_set": 251,
        "ioprio_get": 252,
    },
    "aarch64": {
        "ioprio_set": 30, "ioprio_get": 31, "sched_setparam": 118, "sched_setscheduler": 119, "sched_getscheduler": 120,
        "sched_getparam": 121, "sched_setaffinity": 122, "sched_getaffinity": 123, "setpriority": 140,
        "getpriority": 141,
    },
}.get(platform.machine(), {})  # fmt: skip
"""Numbers of the calls, by name."""


def refuse(numbers: list[int], error: int) -> None:
    """Let these calls fail in this process and all that it starts, from now on."""
    rules = [struct.pack("HBBI", _LOAD, 0, 0, 0)]
    rules += [struct.pack("HBBI", _JUMP_IF_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    rules += [struct.pack("HBBI", _RETURN, 0, 0, _ALLOW), struct.pack("HBBI", _RETURN, 0, 0, _REFUSE | error)]
    code = ctypes.create_string_buffer(b"".join(rules))
    program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0):
        sys.exit(f"no seccomp: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    refuse(list(SCHEDULING.values()), getattr(errno, sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])

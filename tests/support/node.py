"""Be a node of a cluster: a mount namespace of its own, a file system mounted in it by its own client, then a command.

    python -m tests.support.node '{"point": "/srv", "image": "/tmp/tree.img"}' COMMAND ...
    python -m tests.support.node '{"point": "/srv", "fuse": {"tree": {"a": {}}, "latency_ms": 2}}' COMMAND ...
    python -m tests.support.node '{"point": "/srv", "dummies": 2}' COMMAND ...          another tree: an empty one

`dummies`: number of mounts before, so that device numbers differ from those of other nodes. SIGUSR1 unmounts the file
system, lazily; the namespace ends with the command. Needs root.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import subprocess
import sys
from typing import Any

NEW_NAMESPACE = 0x20000  # CLONE_NEWNS
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main(settings: str, *command: str) -> int:
    given: dict[str, Any] = json.loads(settings)
    point = given["point"]
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(DIES_WITH_PARENT, signal.SIGTERM)
    if library.unshare(NEW_NAMESPACE):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("--make-rprivate", "/")
    for _ in range(given.get("dummies", 0)):
        mount("-t", "tmpfs", "none", point)
    with mounted(given):
        process = subprocess.Popen(command, preexec_fn=lambda: library.prctl(DIES_WITH_PARENT, 9))  # noqa: PLW1509
        signal.signal(signal.SIGTERM, lambda *_: process.kill())
        signal.signal(signal.SIGUSR1, lambda *_: subprocess.run(["umount", "-l", point], check=True))
        return process.wait()


def mounted(given: dict[str, Any]) -> contextlib.AbstractContextManager[object]:
    if "fuse" in given:
        from tests.support.faultfs import FaultFS

        return FaultFS(given["point"], **given["fuse"])
    if "image" in given:
        mount("-o", "loop,ro,noload", given["image"], given["point"])
    return contextlib.nullcontext()


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Running the command as a user does: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCANNER = [sys.executable, "-P", "-m", "scanner"]


def run(*arguments: Any, **kwargs: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*SCANNER, *map(os.fspath, arguments)], capture_output=True, timeout=30, check=False, **kwargs
    )


def start(*arguments: Any, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """The command in the background, the leader of a session of its own."""
    command = [*SCANNER, *map(os.fspath, arguments)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True)


def as_user(*arguments: Any) -> subprocess.CompletedProcess[bytes]:
    """As somebody who may not read everything: as root, who tests often are, without the capability to."""
    command = [*SCANNER, *map(os.fspath, arguments)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    return subprocess.run(command, capture_output=True, timeout=30, check=False)

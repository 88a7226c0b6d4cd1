"""The test's side: starting a file system, control it, and remove it in any case."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .channel import Channel
from .mount import abort, connection, obstacle, unmount

_PACKAGE = __name__.rpartition(".")[0]
_IMPORTED_FROM = str(Path(__file__).absolute().parents[len(_PACKAGE.split("."))])
_CHILD = f"import sys; sys.path.append(sys.argv.pop(1)); from {_PACKAGE}.__main__ import serve; serve()"
_SECONDS = 5.0  # for the process that serves to end


class FaultFSError(RuntimeError):
    """What the process that serves cannot do: mount, or make sense of a specification."""


class FaultFS:
    """A file system mounted on `mountpoint` and served by a process of its own, as a context manager."""

    def __init__(self, mountpoint: str | bytes | os.PathLike[str], **spec: Any) -> None:
        parent, name = os.path.split(os.path.abspath(os.fsdecode(mountpoint)))
        self.mnt = os.path.join(os.path.realpath(parent), name)
        self.conn = -1
        self._spec = spec
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes]
        self._channel: Channel
        self._cleanup: contextlib.ExitStack

    @property
    def path(self) -> Path:
        """The mount point."""
        return Path(self.mnt)

    @property
    def pid(self) -> int:
        """Of the process that serves."""
        return self._process.pid

    def __enter__(self) -> FaultFS:
        with contextlib.ExitStack() as cleanup:
            self._make_mountpoint(cleanup)
            self._start(cleanup)
            self._tell(self._spec)
            self.conn = connection(self.mnt) or -1
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._cleanup.close()

    def stats(self) -> dict[str, Any]:
        """Return counts of requests since the last reset, and the present state."""
        return dict(self._command("stats"))

    def reset(self) -> None:
        """Count from zero again."""
        self._command("reset")

    def rules(self, rules: Iterable[Mapping[str, Any]]) -> None:
        """New rules instead of the old ones. What hangs already goes on hanging."""
        self._command("rules", list(rules))

    def latency(self, milliseconds: float | Mapping[str, float]) -> None:
        """A new `latency_ms`."""
        self._command("latency", milliseconds)

    def release(self, error: str = "EIO") -> int:
        """Let all that hangs fail with this; how many requests that were."""
        return int(self._command("release", error))

    def wait_until_hung(self, count: int = 1, seconds: float = 60.0) -> None:
        """Wait until that many requests hang."""
        deadline = time.monotonic() + seconds
        while len(hung := self.stats()["hung"]) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {len(hung)} of {count} requests hang after {seconds} s: {hung}")
            time.sleep(0.005)

    def abort(self) -> None:
        """The kernel ends the connection. All calls fail until the end; `stats` still works."""
        abort(self.conn)

    def die(self) -> None:
        """The process that serves is killed. All calls fail until the end."""
        self._process.kill()
        self._process.wait(_SECONDS)

    def _command(self, command: str, argument: Any = None) -> Any:
        return self._tell({"command": command, "argument": argument})

    def _tell(self, message: Mapping[str, Any]) -> Any:
        """Every message has an answer. A process that gives none in time is of no use any more."""
        with self._lock:
            try:
                self._channel.send(message)
                answer = self._channel.receive()
            except TimeoutError:
                self._process.kill()
                raise
        if answer is None:
            raise ConnectionError(errno.ENOTCONN, "the process that serves the file system has ended", self.mnt)
        if "error" in answer:
            raise FaultFSError(answer["error"])
        return answer["answer"]

    def _make_mountpoint(self, cleanup: contextlib.ExitStack) -> None:
        """Remove it in the end only if it was made here. Asks nothing of what may be mounted there already."""
        os.makedirs(os.path.dirname(self.mnt), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.mnt)
            cleanup.callback(_remove, self.mnt)

    def _start(self, cleanup: contextlib.ExitStack) -> None:
        ours, its = socket.socketpair()
        self._channel = Channel(ours)
        cleanup.callback(_unmount_leftover, self.mnt)
        command = [sys.executable, "-I", "-S", "-c", _CHILD, _IMPORTED_FROM, self.mnt]
        with its:
            cleanup.callback(self._channel.close)
            self._process = subprocess.Popen(
                command, stdin=its.fileno(), stdout=subprocess.DEVNULL, start_new_session=True, cwd="/"
            )
        cleanup.callback(self._end)

    def _end(self) -> None:
        """When it sees the end of the channel, the process releases what hangs, unmounts and exits."""
        self._channel.close()
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS)


@functools.cache
def unavailable() -> str | None:
    """Why there can be no such file system here, None if there can. Tries it once."""
    if (reason := obstacle()) is not None:
        return reason
    directory = tempfile.mkdtemp()
    try:
        with FaultFS(directory):
            return None
    except (OSError, FaultFSError) as error:
        return f"mounting a FUSE file system failed: {error}"
    finally:
        _remove(directory)


def _unmount_leftover(mountpoint: str) -> None:
    """If the process that served could not do so itself."""
    if connection(mountpoint) is not None:
        unmount(mountpoint)


def _remove(directory: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(directory)

"""Output files that appear whole or not at all, and standard output that may be closed at any time."""

from __future__ import annotations

import errno
import os
import stat
import time
from types import TracebackType

from scanner.errors import OutputError

STDOUT = 1


class Output:
    """A target for bytes: a file, or (None) standard output. Use as a context manager; `write` takes bytes.

    A file is written beside its target, synced, and renamed over it when all went well: until then, and after
    any error, whatever was there stays. Devices and pipes are written to as they are. Raises OutputError;
    BrokenPipeError where standard output was closed.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._temporary: str | None = None
        self._descriptor = -1

    def __enter__(self) -> Output:
        try:
            self._open(self._path)
        except OSError as error:
            raise self._failed(error) from error
        return self

    def _open(self, path: str | None) -> None:
        if path is None:
            self._descriptor = STDOUT
            os.fstat(STDOUT)  # may have been closed before we came
            return
        target = os.path.realpath(path)  # a link stays a link
        mode = _mode_of(target)
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        if mode is not None and not stat.S_ISREG(mode):
            self._descriptor = os.open(target, os.O_WRONLY)
            return
        temporary = os.path.join(os.path.dirname(target), f".scanner-{os.getpid()}-{time.time_ns():x}.part")
        self._descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        self._temporary = temporary
        if mode is not None:
            os.fchmod(self._descriptor, stat.S_IMODE(mode))
        self._path = target

    def write(self, body: bytes | memoryview) -> None:
        view = memoryview(body)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        target = "to standard output" if self._path is None else repr(self._path)
        return OutputError(f"cannot write {target}: {error.strerror}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._path is None:
            return
        try:
            if self._temporary is not None and kind is None:
                self._publish(self._temporary, self._path)
        finally:
            os.close(self._descriptor)
            if self._temporary is not None:
                os.unlink(self._temporary)

    def _publish(self, temporary: str, path: str) -> None:
        try:
            os.fsync(self._descriptor)
            os.replace(temporary, path)
        except OSError as error:
            raise self._failed(error) from error
        self._temporary = None


def _mode_of(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None

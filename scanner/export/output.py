"""Output files that appear whole or not at all, and standard output that may be closed at any time."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from types import TracebackType

from scanner.errors import OutputError

STDOUT = 1
WRITE_BACK = 8 << 20  # bytes after which the system is asked to start writing them to disk


class Output:
    """A target for bytes: a file, or (None) standard output. Use as a context manager; `write` takes bytes.

    A file is written beside its target, synced, and renamed over it when all went well: until then, and after
    any error, whatever was there stays. Devices and pipes are written to as they are. Raises OutputError;
    BrokenPipeError where standard output was closed.

    `named`: it is written by somebody who opens it by its name, `temporary`, until it is whole.
    """

    def __init__(self, path: str | None, *, named: bool = False) -> None:
        self._given = self._path = path
        self._named = named
        self._temporary: str | None = None
        self._descriptor = -1
        self._nameless = False
        self._written = self._under_way = 0

    def __enter__(self) -> Output:
        try:
            self._open(self._path)
        except OSError as error:
            raise self.failed(error.strerror) from error
        return self

    def _open(self, path: str | None) -> None:
        if path is None:
            self._descriptor = STDOUT
            os.fstat(STDOUT)  # may have been closed before we came
            return
        inherited = re.fullmatch(r"/dev/(?:fd/(\d+)|std(in|out|err))", path)
        if inherited and not self._named:  # as it is: by its path it would be another file, opened anew
            self._descriptor = os.dup(int(inherited[1] or ("in", "out", "err").index(inherited[2])))
            return
        mode = _mode_of(path)
        if not path or (mode is not None and stat.S_ISDIR(mode)):
            raise IsADirectoryError(errno.EISDIR, "it is a directory" if path else "the name is empty")
        if mode is not None and not stat.S_ISREG(mode):
            if self._named:
                raise OSError(errno.EINVAL, "it is no regular file")
            self._descriptor = os.open(path, os.O_WRONLY)
            return
        self._path = os.path.realpath(path)  # a link stays a link
        self._descriptor = self._open_beside(self._path)
        if mode is not None:
            self._look_like(self._path)

    def _look_like(self, target: str) -> None:
        """Owner and mode of the file that is to be replaced, as far as they may be given."""
        status = os.stat(target)
        with contextlib.suppress(PermissionError):
            os.fchown(self._descriptor, status.st_uid, status.st_gid)
        os.fchmod(self._descriptor, stat.S_IMODE(status.st_mode))

    def _open_beside(self, target: str) -> int:
        """A new file in the directory of `target`: without a name where that can be, so that not even we see it."""
        directory, name = os.path.split(target)
        self._temporary = os.path.join(directory, f".{name[:200]}-{os.getpid()}-{time.time_ns():x}.part")
        if hasattr(os, "O_TMPFILE") and not self._named and os.path.isdir("/proc/self/fd"):
            try:
                descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o666)
            except OSError:  # not on every file system
                pass
            else:
                self._nameless = True
                return descriptor
        return os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)

    @property
    def temporary(self) -> str:
        """The name of what is written, if it is `named`."""
        return self._temporary or ""

    def failed(self, reason: str | None) -> OutputError:
        """What to raise where it cannot be written."""
        target = "to standard output" if self._given is None else repr(self._given)
        return OutputError(f"cannot write {target}: {reason}")

    def write(self, body: bytes | memoryview) -> None:
        view = memoryview(body)
        try:
            while view:
                count = os.write(self._descriptor, view)
                view = view[count:]
                self._written += count
            if self._temporary is not None and self._written - self._under_way >= WRITE_BACK:
                self._write_back()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self.failed(error.strerror) from error

    def _write_back(self) -> None:
        """Have the disk work while the scan does, so that the sync at the end finds little left to do."""
        if hasattr(os, "posix_fadvise"):
            span = self._written - self._under_way
            with contextlib.suppress(OSError):  # it is but advice
                os.posix_fadvise(self._descriptor, self._under_way, span, os.POSIX_FADV_DONTNEED)
            self._under_way = self._written

    def publish(self) -> None:
        """It is whole: have it appear now, not only where the context ends."""
        if self._temporary is not None and self._path is not None:
            self._publish(self._temporary, self._path)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._path is None:
            return
        try:
            if kind is None:
                self.publish()
        finally:
            os.close(self._descriptor)
            if self._temporary is not None and not self._nameless:
                with contextlib.suppress(FileNotFoundError):  # a signal came right after it was renamed
                    os.unlink(self._temporary)

    def _publish(self, temporary: str, path: str) -> None:
        try:
            os.fsync(self._descriptor)
            if self._nameless:
                # With a descriptor, which it does not need, os.link follows links.
                os.link(f"/proc/self/fd/{self._descriptor}", temporary, src_dir_fd=self._descriptor)
                self._nameless = False
            os.replace(temporary, path)
        except OSError as error:
            raise self.failed(error.strerror) from error
        self._temporary = None


def _mode_of(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None

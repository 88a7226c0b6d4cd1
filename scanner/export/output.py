"""Output files that appear whole or not at all, and standard output, which may be closed at any time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Callable
from types import TracebackType

from scanner.errors import OutputError
from scanner.export.part import lock, open_nameless, open_part, part_path, remove_leftovers, remove_part
from scanner.export.replace import Access, access_of, copy, is_mount_point, refuse_irreplaceable, set_access

STDOUT = 1
WRITE_BACK = 8 << 20  # bytes after which the system starts to write them to disk
NEW_MODE = 0o666  # the umask applies


class Output:
    """A context manager that writes bytes to a file, or to standard output (path None).

    A file is written beside its target, synced, and renamed over it at the end of the context. Until then, and after
    any error, the old file stays. Devices and pipes are written directly. Entering raises OutputError also if the
    target can be written but not replaced. A target that is a mount point is overwritten in place at the end, and
    `notify` gets a message about it. All methods raise OutputError, or BrokenPipeError for a closed pipe.

    named   a library opens the file by its name, `temporary`
    around  called with the path; returns the context in which the old file is replaced
    """

    def __init__(self, path: str | None, *, named: bool = False, notify: Callable[[str], object] | None = None) -> None:
        self.around: Callable[[str], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
        self._given = self._path = path
        self._named, self._notify = named, notify
        self._before: Access | None = None
        self._temporary: str | None = None
        self._descriptor = -1
        self._nameless = self._in_place = self._is_discarded = False
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
            if fcntl.fcntl(STDOUT, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:  # see `occupy_closed_streams`
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return
        inherited = re.fullmatch(r"/dev/(?:fd/(\d+)|std(in|out|err))", path)
        if inherited and not self._named:  # by its path it would be opened again, with another position
            self._descriptor = os.dup(int(inherited[1] or ("in", "out", "err").index(inherited[2])))
            return
        mode = _mode_of(path)
        if not path or (mode is not None and stat.S_ISDIR(mode)):
            raise IsADirectoryError(errno.EISDIR, "it is a directory" if path else "the name is empty")
        if mode is not None and not stat.S_ISREG(mode):
            if self._named:
                raise OSError(errno.EINVAL, "it is not a regular file")
            self._descriptor = os.open(path, os.O_WRONLY)
            return
        self._path = os.path.realpath(path)  # a symlink stays a symlink
        self._open_file(self._path)

    def _open_file(self, path: str) -> None:
        """Test whether `path` can be replaced, and open the file that will replace it."""
        with contextlib.suppress(FileNotFoundError):
            self._before = access_of(path)
            if is_mount_point(path):
                self._go_in_place(path)
            else:
                refuse_irreplaceable(path)
        remove_leftovers(path)
        try:
            self._descriptor = self._open_beside(*os.path.split(path))
        except OSError:
            if not self._in_place:
                raise
            from tempfile import gettempdir  # not needed otherwise

            self._descriptor = self._open_beside(gettempdir(), os.path.basename(path))

    def _go_in_place(self, path: str) -> None:
        os.close(os.open(path, os.O_WRONLY))  # fails early without permission
        self._in_place = True
        if self._notify is not None:
            self._notify(f"{self._given!r} is a mount point: it is overwritten in place at the end, not replaced")

    def _open_beside(self, directory: str, name: str) -> int:
        """Open a new file in `directory`, without a name where possible: no scan lists it, and no kill leaves it."""
        temporary = part_path(directory, name)
        descriptor = None if self._named else open_nameless(directory, self._mode)
        self._nameless = descriptor is not None
        if descriptor is None:
            descriptor = open_part(temporary, self._mode)
            try:
                refuse_irreplaceable(temporary)  # in an append-only directory
            except OSError:
                os.close(descriptor)
                remove_part(temporary)
                raise
        self._temporary = temporary
        return descriptor

    @property
    def _mode(self) -> int:
        """The mode of the file while it is written, and afterwards on file systems without `chmod`."""
        return NEW_MODE if self._before is None else self._before.narrow_mode | 0o600

    @property
    def temporary(self) -> str:
        """The path of the file while it is written, if it is `named`."""
        return self._temporary or ""

    def failed(self, reason: str | None) -> OutputError:
        """Return the error of a failed write."""
        target = "to standard output" if self._given is None else repr(self._given)
        return OutputError(f"cannot write {target}: {reason}")

    def write(self, body: bytes | memoryview) -> None:
        view = memoryview(body)
        if self._is_discarded:  # some libraries write an end when their writer is deleted
            return
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

    def rewrite(self, start: int, body: bytes) -> None:
        """Replace bytes that were written before."""
        try:
            while body:
                count = os.pwrite(self._descriptor, body, start)
                start, body = start + count, body[count:]
        except OSError as error:
            raise self.failed(error.strerror) from error

    def _write_back(self) -> None:
        """Start writing to disk during the scan, so that little is left for the sync at the end."""
        if hasattr(os, "posix_fadvise"):
            span = self._written - self._under_way
            with contextlib.suppress(OSError):  # only advice
                os.posix_fadvise(self._descriptor, self._under_way, span, os.POSIX_FADV_DONTNEED)
            self._under_way = self._written

    def publish(self) -> None:
        """Rename the complete file to its target now, before the context ends."""
        if self._temporary is None or self._path is None:
            return
        try:
            self._publish(self._temporary, self._path)
        except OSError as error:
            raise self.failed(error.strerror) from error
        self.discard()

    def discard(self) -> None:
        """Remove the file unless it was published. Later writes are ignored."""
        self._is_discarded = True
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            self._close()  # first: some file systems rename an open file instead of removing it
            if not self._nameless:
                remove_part(temporary)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._path is None:
            return
        try:
            if kind is None:
                self.publish()
        finally:
            self.discard()
            self._close()

    def _publish(self, temporary: str, path: str) -> None:
        lock(self._descriptor)  # again: closing a database in this process released it
        os.fsync(self._descriptor)
        with contextlib.suppress(FileNotFoundError):
            self._before = access_of(path)  # as it is now
        if self._before is not None and not self._in_place:
            set_access(self._descriptor, self._before)
        with self.around(path):
            if self._in_place:
                self._overwrite(path)
            elif not (self._nameless and self._link(path)):
                self._rename(temporary, path)

    def _link(self, path: str) -> bool:
        """Link a nameless file to `path`. Returns False if the name exists, or if a sandbox refuses links."""
        try:
            # The unused src_dir_fd makes os.link follow symlinks.
            os.link(f"/proc/self/fd/{self._descriptor}", path, src_dir_fd=self._descriptor)
        except OSError:
            return False
        self._nameless = False
        return True

    def _rename(self, temporary: str, path: str) -> None:
        if self._nameless and not self._link(temporary):
            self._copy_to(temporary)
        try:
            os.replace(temporary, path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            self._go_in_place(path)
            self._overwrite(path)

    def _copy_to(self, temporary: str) -> None:
        nameless = self._descriptor
        mode = stat.S_IMODE(os.fstat(nameless).st_mode) if self._before is None else self._mode
        self._descriptor, self._nameless = open_part(temporary, mode), False
        try:
            copy(nameless, self._descriptor)
        finally:
            os.close(nameless)
        if self._before is not None:
            set_access(self._descriptor, self._before)

    def _overwrite(self, path: str) -> None:
        target = os.open(path, os.O_WRONLY)
        try:
            copy(self._descriptor, target)
        finally:
            os.close(target)


def occupy_closed_streams() -> None:
    """Open /dev/null in place of closed standard streams, so that no output file gets their descriptor."""
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest number is free


def _mode_of(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None

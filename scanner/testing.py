"""Faults of file systems for tests of programs that scan.

with scanner.testing.faults({"/srv/a": "EACCES", "/srv/b": "read EIO", "/srv/c/file": "ESTALE"}):
    result = scanner.scan("/srv", stat=True)
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_args

from scanner import options
from scanner.errors import OptionError
from scanner.options import InjectedOperation

__all__ = ["faults"]

PathLike = str | bytes | os.PathLike[str] | os.PathLike[bytes]


@contextmanager
def faults(errors: Mapping[Any, str | int]) -> Iterator[None]:
    """Let scans that start within this context meet errors, as if the file system had them.

        errors: Error by path: a name such as "EACCES", or a number of `errno`. A directory with it cannot be opened, a
            file has no status (with the option `stat`). To choose the operation, write it before the name:
            "open EACCES"; "read EIO" (the listing breaks off after half of the entries); "stat ESTALE".

    Paths are absolute, or relative to the current directory. Nested contexts add to each other.

    All functions, backends and worker processes of this process and its threads see the errors, with repetitions,
    Faults and `onerror` as for real ones. They read in Python, which is slower. Other programs, and `os.walk`, see
    nothing of it. A snapshot store is read as usual, so that directories taken from it do not fail.

    Raises OptionError (a ValueError) for unknown names and operations.
    """
    added = tuple(_injected(path, error) for path, error in errors.items())
    before = options.injected
    options.injected = before + added
    try:
        yield
    finally:
        options.injected = before


def _injected(path: PathLike, error: str | int) -> tuple[tuple[bytes, str], int]:
    """Return one fault in the form in which it travels to workers."""
    operation, _, name = error.rpartition(" ") if isinstance(error, str) else ("", "", error)
    operation = operation or "open"
    number = getattr(errno, name, None) if isinstance(name, str) else name if name in errno.errorcode else None
    if operation not in get_args(InjectedOperation) or not isinstance(number, int):
        raise OptionError(
            f"an error must be a name like EACCES or a number of errno, after one of "
            f"{', '.join(get_args(InjectedOperation))} or nothing, not {error!r}"
        )
    return (os.path.abspath(os.fsencode(path)), operation), number

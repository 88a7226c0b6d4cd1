"""Faults that a test has requested (`scanner.testing`), in the place of those of a file system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from scanner.model import prefix_of
from scanner.options import Injected


class Faulty:
    """Lists directories for one Reader, with these faults."""

    def __init__(self, injected: Injected, cwd: str) -> None:
        self._errors = dict(injected)
        self._cwd = os.fsencode(cwd)

    def error(self, path: Any, *operations: str) -> OSError | None:
        """Return the error of the first of these operations that fails."""
        place = os.path.normpath(os.path.join(self._cwd, os.fsencode(path)))
        for operation in operations:
            if (number := self._errors.get((place, operation))) is not None:
                return OSError(number, os.strerror(number))
        return None

    def scandir(self, path: Any, place: Any) -> FaultyEntries:
        """List a directory, open as or found at `place`. Raises OSError."""
        if (error := self.error(path, "open")) is not None:
            raise error
        return FaultyEntries(self, path, os.scandir(place))


class FaultyEntries:
    """An iterator of `os.scandir` that may break off, and whose entries may have no status."""

    def __init__(self, faulty: Faulty, path: Any, entries: Any) -> None:
        self._faulty = faulty
        self._path = path
        self._entries = entries
        error = faulty.error(path, "read")
        self._rest: Iterator[Any] = entries if error is None else _broken_off(entries, error)

    def __iter__(self) -> FaultyEntries:
        return self

    def __next__(self) -> FaultyEntry:
        entry = next(self._rest)
        name = entry.name if isinstance(entry.name, type(self._path)) else os.fsencode(entry.name)
        return FaultyEntry(self._faulty, prefix_of(self._path) + name, entry)

    def close(self) -> None:
        self._entries.close()


class FaultyEntry:
    """An `os.DirEntry` whose `stat` may fail."""

    def __init__(self, faulty: Faulty, path: Any, entry: os.DirEntry[Any]) -> None:
        self._faulty = faulty
        self._full_path = path
        self._entry = entry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def __fspath__(self) -> Any:
        return self._entry.path

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        of_directories = () if self._entry.is_dir(follow_symlinks=False) else ("open",)
        if (error := self._faulty.error(self._full_path, "stat", *of_directories)) is not None:
            raise error
        return self._entry.stat(follow_symlinks=follow_symlinks)


def _broken_off(entries: Any, error: OSError) -> Iterator[Any]:
    """Yield the first half of the entries, then raise `error`."""
    listed = list(entries)
    yield from listed[: len(listed) // 2]
    raise error

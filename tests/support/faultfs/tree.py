"""What exists: directories, files and links, written down one by one or generated on access."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Mapping
from typing import Any

_numbers = itertools.count(2)
_FACTOR, _STEP, _MASK = 0x2545F4914F6CDD1D, 0x1E3779B97F4A7C15, (1 << 62) - 1
_MODE = {"dir": stat.S_IFDIR | 0o755, "file": stat.S_IFREG | 0o644, "link": stat.S_IFLNK | 0o777}


class Inode:
    """A file or link. Files are as long as they say and full of zeros."""

    __slots__ = ("ino", "mode", "size", "target")

    def __init__(self, size: int, ino: int, mode: int = _MODE["file"], target: bytes = b"") -> None:
        self.size = size
        self.ino = ino
        self.mode = mode
        self.target = target


class Directory(Inode):
    """Entries by position, for listings, and by name, for look-ups."""

    __slots__ = ("_children", "_items")

    def __init__(self, ino: int, children: Mapping[bytes, Inode] | None = None) -> None:
        super().__init__(4096, ino, _MODE["dir"])
        self._children = children or {}
        self._items = list(self._children.items())

    def opened(self) -> Directory:
        """What one opendir() sees until it is closed."""
        return self

    def __len__(self) -> int:
        return len(self._items)

    def at(self, index: int) -> tuple[bytes, Inode]:
        return self._items[index]

    def find(self, name: bytes) -> Inode | None:
        return self._children.get(name)


class Generated(Directory):
    """First the directories d, d1 and so on, then the files f0, f1 and so on, f7 with 7 bytes. Nothing is stored."""

    __slots__ = ("_digits", "_directories", "_files", "_prefix")

    def __init__(self, ino: int, directories: int, files: int, digits: int = 0, prefix: bytes = b"d") -> None:
        super().__init__(ino)
        self._directories = directories
        self._files = files
        self._digits = digits
        self._prefix = prefix

    def below(self, index: int, ino: int) -> Directory:
        """The directory at `index`."""
        return Directory(ino)

    def __len__(self) -> int:
        return self._directories + self._files

    def at(self, index: int) -> tuple[bytes, Inode]:
        ino = _ino_below(self.ino, index)
        if index < self._directories:
            number = b"%0*d" % (self._digits, index) if index or self._digits else b""
            return self._prefix + number, self.below(index, ino)
        index -= self._directories
        return b"f%0*d" % (self._digits, index), Inode(index, ino)

    def find(self, name: bytes) -> Inode | None:
        for prefix, first, count in (self._prefix, 0, self._directories), (b"f", self._directories, self._files):
            number = name.removeprefix(prefix) or b"0"
            if number.isdigit() and int(number) < count and self.at(first + int(number))[0] == name:
                return self.at(first + int(number))[1]
        return None


class Synth(Generated):
    """A tree with `fanout[0]` directories, in each of which are `fanout[1]`, and so on; `files` files in each."""

    __slots__ = ("_fanout",)

    def __init__(self, ino: int, fanout: list[int], files: int) -> None:
        super().__init__(ino, fanout[0] if fanout else 0, files, digits=4)
        self._fanout = fanout

    def below(self, index: int, ino: int) -> Directory:
        return Synth(ino, self._fanout[1:], self._files)


class Infinite(Generated):
    """Directories without end, each with an inode number of its own."""

    __slots__ = ()

    def below(self, index: int, ino: int) -> Directory:
        return Infinite(ino, self._directories, self._files, prefix=self._prefix)


class Loop(Generated):
    """A directory in itself: the same inode number for ever."""

    __slots__ = ()

    def below(self, index: int, ino: int) -> Directory:
        return self


class Chain(Generated):
    """`depth` directories, one in the other."""

    __slots__ = ("_depth",)

    def __init__(self, ino: int, depth: int, files: int) -> None:
        super().__init__(ino, min(depth, 1), files)
        self._depth = depth

    def below(self, index: int, ino: int) -> Directory:
        return Chain(ino, self._depth - 1, self._files)


class Mirror(Directory):
    """A directory of another file system, as it is at the moment; of its files, all but the content."""

    __slots__ = ("_path",)

    def __init__(self, path: bytes, ino: int | None = None) -> None:
        super().__init__(os.lstat(path).st_ino if ino is None else ino)
        self._path = path

    def opened(self) -> Directory:
        names = os.listdir(self._path)
        found = {name: inode for name in names if (inode := self.find(name)) is not None}
        return Directory(self.ino, found)

    def find(self, name: bytes) -> Inode | None:
        path = os.path.join(self._path, name)
        try:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode):
                return Mirror(path, status.st_ino)
            target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else b""
        except FileNotFoundError:
            return None
        return Inode(status.st_size, status.st_ino, status.st_mode, target)


def build(spec: Any) -> Inode:
    """What a tree specification describes."""
    if isinstance(spec, dict):
        if isinstance(kind := spec.get("$"), str) and not kind.startswith("->"):
            return _generator(kind, {key: value for key, value in spec.items() if key != "$"})
        return Directory(next(_numbers), {encode(name): build(child) for name, child in spec.items()})
    if isinstance(spec, str) and spec.startswith("->"):
        target = encode(spec.removeprefix("->").removeprefix(" "))
        return Inode(len(target), next(_numbers), _MODE["link"], target)
    if isinstance(spec, int):
        return Inode(spec, next(_numbers))
    raise ValueError(f"neither a dict, a size nor a '-> link': {spec!r}")


def encode(name: str) -> bytes:
    """Any byte but NUL and "/" can be in a name, whatever the locale of this process."""
    return name.encode("utf-8", "surrogateescape")


def decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _generator(kind: str, options: dict[str, Any]) -> Directory:
    if kind not in _GENERATORS:
        raise ValueError(f"unknown generator {kind!r}")
    return _GENERATORS[kind](next(_numbers), **options)


def _flat(ino: int, n: int, dirs: int = 0) -> Directory:
    return Generated(ino, dirs, n - dirs, digits=10)


def _synth(ino: int, fanout: list[int], files: int = 0) -> Directory:
    return Synth(ino, fanout, files)


def _infinite(ino: int, name: str = "d", files: int = 1, width: int = 1) -> Directory:
    return Infinite(ino, width, files, prefix=encode(name))


def _loop(ino: int, files: int = 1) -> Directory:
    return Loop(ino, 1, files)


def _chain(ino: int, depth: int, files: int = 0) -> Directory:
    return Chain(ino, depth, files)


def _mirror(_ino: int, path: str) -> Directory:
    return Mirror(encode(path))


_GENERATORS: dict[str, Callable[..., Directory]] = {
    "flat": _flat,
    "synth": _synth,
    "infinite": _infinite,
    "loop": _loop,
    "chain": _chain,
    "mirror": _mirror,
}


def _ino_below(ino: int, index: int) -> int:
    """Always the same for the same place, and all but certainly different from that of any other."""
    return (ino * _FACTOR + (index + 1) * _STEP) & _MASK

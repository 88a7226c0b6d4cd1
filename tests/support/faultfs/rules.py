"""What goes wrong, and where."""

from __future__ import annotations

import errno
import fnmatch
import math
import random
import re
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .nodes import Node
from .protocol import FAULTY
from .tree import Inode

Spec = Mapping[str, Any]
HANGS = ("hard", "killable", "intr")
LONG_AGO = 1_700_000_000
"""Times of all entries, in seconds since 1970, unless a rule gives others."""
_ACTIONS = {"errno", "delay_ms", "hang", "repeat", "batch"}
_LIES = {"dtype", "ino", "stamp"}
_KEYS = _ACTIONS | _LIES | {"path", "op", "after", "times"}
_DTYPES = {"unknown": 0, "dir": stat.S_IFDIR >> 12, "file": stat.S_IFREG >> 12, "link": stat.S_IFLNK >> 12}


class Rule:
    """One of them; see the manual for what each key means."""

    def __init__(self, spec: Spec) -> None:
        check_keys(spec, _KEYS, "rule")
        self.path = _path(spec.get("path"))
        self.operations = _operations(spec.get("op") or "*")
        self.error = error_number(spec["errno"]) if "errno" in spec else 0
        self.hang: str | None = one_of(HANGS, spec["hang"], "hang") if "hang" in spec else None
        self.delay: float = spec.get("delay_ms", 0) / 1000
        self.after: int | None = spec.get("after")
        self.times: float = spec.get("times", math.inf)
        self.repeat: int = spec.get("repeat", 1)
        self.batch: float = spec.get("batch", math.inf)
        self.dtype = _DTYPES[one_of(_DTYPES, spec["dtype"], "dtype")] if "dtype" in spec else None
        self.ino: int | None = _ino(spec["ino"]) if "ino" in spec else None
        self.stamp: int | None = int(spec["stamp"]) if "stamp" in spec else None
        self._hits: Counter[str] = Counter()
        self._pattern = re.compile(fnmatch.translate(self.path)) if set(self.path) & set("*?[") else None
        self._depth = self.path.rstrip("/").count("/")

    def may_match(self, depth: int) -> bool:
        """Spares finding out the path of what lies deep down."""
        return self._pattern is not None or depth == self._depth

    def matches(self, path: str) -> bool:
        return path == self.path or (self._pattern is not None and self._pattern.match(path) is not None)

    def spent(self, path: str) -> bool:
        return self._hits[path] >= self.times

    def hit(self, path: str) -> None:
        if self.times != math.inf:
            self._hits[path] += 1


class Reported(NamedTuple):
    """What is reported of an entry: inode number, d_type and times."""

    ino: int
    dtype: int
    stamp: int


class Rules:
    """All rules; the first that matches acts."""

    def __init__(self, specs: Iterable[Spec], seed: int) -> None:
        pairs = [(Rule(spec), spec.keys()) for spec in specs]
        self._acting = [rule for rule, keys in pairs if keys & _ACTIONS]
        self._lying = [rule for rule, keys in pairs if keys & _LIES]
        self._random = random.Random(seed)

    def find(self, operation: str, node: Node, name: bytes | None) -> tuple[Rule, str] | None:
        """What happens to this request, and its path."""
        depth = node.depth + (name is not None)
        rules = [rule for rule in self._acting if operation in rule.operations and rule.may_match(depth)]
        path = node.path(name) if rules else ""
        for rule in rules:
            if rule.matches(path) and not rule.spent(path):
                return rule, path
        return None

    def reported(self, directory: Node | None, name: bytes, inode: Inode) -> Reported:
        """Return what is reported of the entry `name` of a directory; None: of the mount point."""
        ino, dtype, stamp = inode.ino, inode.mode >> 12, LONG_AGO
        if self._lying:
            rules = [rule for rule in self._lying if rule.may_match(directory.depth + 1 if directory else 0)]
            path = directory.path(name) if rules and directory else "/"
            for rule in reversed(rules):  # the first has the last word
                if rule.matches(path):
                    ino = ino if rule.ino is None else rule.ino or self._random.getrandbits(60) | 1
                    dtype = dtype if rule.dtype is None else rule.dtype
                    stamp = stamp if rule.stamp is None else rule.stamp
        return Reported(ino, dtype, stamp)


def check_keys(spec: Spec, known: Iterable[str], what: str) -> None:
    """What is misspelt would otherwise be a fault that never happens."""
    unknown = spec.keys() - set(known)
    if unknown:
        raise ValueError(f"unknown in {what}: {', '.join(sorted(unknown))}")


def one_of(known: Iterable[str], value: str, what: str) -> str:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}")
    return value


def error_number(error: str | int) -> int:
    number: int = error if isinstance(error, int) else getattr(errno, error, 0)
    if number not in errno.errorcode:
        raise ValueError(f"unknown errno {error!r}")
    return number


def _path(path: Any) -> str:
    if not isinstance(path, str) or not path.startswith(("/", "*", "?", "[")):
        raise ValueError(f"the path of a rule starts with a slash or a wildcard: {path!r}")
    return path.rstrip("/") or "/"


def _ino(ino: int | str) -> int:
    """0 is for a random one each time."""
    return 0 if ino == "random" else int(ino)


def _operations(wanted: str | Iterable[str]) -> frozenset[str]:
    operations = frozenset([wanted] if isinstance(wanted, str) else wanted)
    if operations == {"*"}:
        return frozenset(FAULTY)
    if unknown := operations - set(FAULTY):
        raise ValueError(f"unknown operation {', '.join(sorted(unknown))}")
    return operations

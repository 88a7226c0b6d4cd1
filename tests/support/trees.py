"""Building trees, and what the right answer for them is."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tools.make_tree import make_tree

T = TypeVar("T")


def build(factory: pytest.TempPathFactory, profile: str, directories: int, files: int) -> Path:
    top = factory.mktemp(profile)
    make_tree(profile, top, directories, files)
    return top


def os_walk(top: Any, **kwargs: Any) -> list[tuple[Any, list[Any], list[Any]]]:
    """`list(os.walk(top))`, also on trees so deep that the recursive `os.walk` of Python 3.11 needs help.

    Where symlinks are followed, the longest of three: see ELOOP in `requests.py`.
    """
    attempts = 3 if kwargs.get("followlinks") else 1
    return max((with_deep_stack(lambda: list(os.walk(top, **kwargs))) for _ in range(attempts)), key=len)


def with_deep_stack(function: Callable[[], T]) -> T:
    result: list[T] = []
    before = sys.getrecursionlimit()
    size = threading.stack_size(512 << 20)
    sys.setrecursionlimit(50_000)
    try:
        thread = threading.Thread(target=lambda: result.append(function()))
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(before)
        threading.stack_size(size)
    return result[0]


def make_endless(top: Path) -> Path:
    """Thirty storeys with two stairs (links) from each to the next: a thousand million ways, and no loop."""
    return make(top, {f"{i}": {"a": f"../{i + 1}", "b": f"../{i + 1}"} for i in range(30)})


def make(top: Path, spec: dict[str, Any]) -> Path:
    """A tree from a nested dict: a dict is a directory, a str the target of a link, None a file."""
    top.mkdir(parents=True, exist_ok=True)
    for name, content in spec.items():
        path = top / name
        if isinstance(content, dict):
            make(path, content)
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.touch()
    return top

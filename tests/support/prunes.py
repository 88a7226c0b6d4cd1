"""Callables for `prune`, in a module that worker processes can import."""

from __future__ import annotations

from typing import Any


def only_docs(path: Any, names: list[Any]) -> list[Any]:
    """Of the directories next to it, only `docs`."""
    docs: Any = "docs" if isinstance(path, str) else b"docs"
    return [docs] if docs in names else names


def broken(path: Any, names: list[Any]) -> list[Any]:
    raise ZeroDivisionError(path)


class Ignored:
    """The protocol of the scanner that this one grew from."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def should_ignore_directory(self, relative_path: Any) -> bool:
        text = relative_path if isinstance(relative_path, str) else relative_path.decode()
        return text in self.paths

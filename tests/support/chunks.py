"""Chunks as workers would send them, made by hand."""

from __future__ import annotations

from typing import Any

from scanner.kernel.pack import JoinedPacker, join


def packed(*listings: tuple[Any, list[Any], list[Any]]) -> tuple[Any, ...]:
    """Path, directories and files of each, as a Chunk has them."""
    packer = JoinedPacker(False)
    for path, dirs, files in listings:
        packer.add(path, dirs, [], join(files, path), True)
    return packer.listings()

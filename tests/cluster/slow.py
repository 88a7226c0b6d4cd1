"""Functions for the option `prune` that take their time. Workers import them."""

from __future__ import annotations

import time


def slowly(_: str, names: list[str]) -> list[str]:
    """Keep all names, after 3 ms."""
    time.sleep(0.003)
    return names


def very_slowly(_: str, names: list[str]) -> list[str]:
    """Keep all names, after 100 ms."""
    time.sleep(0.1)
    return names

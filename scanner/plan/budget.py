"""How much one Task is, and how far ahead of the consumer it may lie."""

from __future__ import annotations

from scanner.model import LONGEST_TASK, TASK_SECONDS, Path

TASK_ENTRIES = 20_000
SLOW_DIRECTORIES = 8  # so many, where they take longer than a Task may otherwise: a Task of its own costs as much work
TASK_DIRECTORIES = 256
LEAST_DIRECTORIES = 4
TASK_BYTES = 32_768  # of paths: a Task that fits into an empty pipe is sent at once
LISTING_BYTES = 400  # what a Listing takes beside its text: five objects and a place in a dictionary
NEAR = 4  # times the memory left: found in simulations of 128 and 512 slots (tests/unit/test_window.py)


def how_long(latency: float, usual: float = TASK_SECONDS, longest: float = LONGEST_TASK) -> float:
    """Return the seconds that a Task may take if a directory takes `latency`. Rounded, so that it seldom changes."""
    return round(min(max(usual, SLOW_DIRECTORIES * latency), longest), 2)


def reach(window: int, waiting: int, largest: int, slots: int, under_way: int) -> int:
    """How many bytes may wait in the line before a Segment for it to start.

    In all, `window` bytes and the `largest` Chunk for each of the `slots` may wait; that much is reserved for each Task
    `under_way`, and for this one. A Chunk far behind keeps its memory until all before it is consumed. So the less is
    left, the nearer to the consumer new Tasks lie: were it all or nothing, one slot would fill all gaps at the front.
    """
    return NEAR * (window - waiting + largest * (slots - under_way - 1))


def how_many(directories: list[Path], slots: int, workers: int, outstanding: int) -> int:
    """How many of queued `directories` one Task takes: a fair share, so that all slots find some, and none gets crumbs.

    Many slots a worker are there because directories take long: then a single one is no crumb, unless much is
    `outstanding` in all.
    """
    least = LEAST_DIRECTORIES if slots <= workers else max(1, outstanding // slots)
    fair = max(least, -(-len(directories) // max(slots, workers)))
    count = size = 0
    for path in directories[: min(fair, TASK_DIRECTORIES)]:
        size += len(path) + 8
        if count and size > TASK_BYTES:
            break
        count += 1
    return count

"""Planner events and instructions."""

# Without `from __future__ import annotations`, which NamedTuple would have to compile: a millisecond a module.

from typing import NamedTuple, TypeAlias

from scanner.model import TASK_SECONDS, BackendEvent, Chunk, Path, Task


class AddDirectories(NamedTuple):
    """Event: directories to walk, after all known ones. `alone`: without the directories below them."""

    directories: list[Path]
    alone: bool = False


class ConsumerWaits(NamedTuple):
    """Event: the consumer waits for the directory `path`, or (None) for the next Chunk in order."""

    path: Path | None = None


class DirectoryPruned(NamedTuple):
    """Event: a keyed consumer will never request this directory, nor any directory below it."""

    path: Path


class BytesWaiting(NamedTuple):
    """Event: a keyed consumer holds `size` bytes that it has not used yet."""

    size: int


class ZoneLimit(NamedTuple):
    """Event: from now on, run at most `tasks` Tasks in a zone, of `seconds` each (0: a single directory)."""

    tasks: int
    seconds: float = TASK_SECONDS
    zone: int = 0


class ZonesFound(NamedTuple):
    """Event: the tree lies on several devices. `tops`: directories at which zones begin; the rest is zone 0."""

    tops: dict[Path, int]


class AllowRequests(NamedTuple):
    """Event: `requests` more may be sent, but no more than `most` in all. The first such event turns the limit on."""

    requests: int
    most: int


class ScanPaused(NamedTuple):
    """Event: start no Task from now on, or (False) start Tasks again."""

    paused: bool


class DispatchTask(NamedTuple):
    """Instruction: send the Task to the slot."""

    slot: int
    task: Task


class ReclaimTask(NamedTuple):
    """Instruction: request the rest of the Task from the slot, because another slot is idle. It need not comply."""

    slot: int


class DeliverChunk(NamedTuple):
    """Instruction: hand the Chunk to the consumer. `outdated`: its directories that were pruned meanwhile."""

    chunk: Chunk
    outdated: frozenset[Path] = frozenset()


class ScanFinished(NamedTuple):
    """Instruction: nothing is left to walk or to deliver."""


Event: TypeAlias = (
    BackendEvent | AddDirectories | ConsumerWaits | DirectoryPruned | BytesWaiting | ZoneLimit | ZonesFound
    | AllowRequests | ScanPaused
)  # fmt: skip
Instruction: TypeAlias = DispatchTask | ReclaimTask | DeliverChunk | ScanFinished

"""What the planner is told, and what it says."""

# Without `from __future__ import annotations`, which NamedTuple would have to compile: a millisecond a module.

from typing import NamedTuple, TypeAlias

from scanner.model import TASK_SECONDS, BackendEvent, Chunk, Path, Task


class AddDirectories(NamedTuple):
    """Event: directories to walk, after everything that is known already. `alone`: without what is below them."""

    directories: list[Path]
    alone: bool = False


class ConsumerWaits(NamedTuple):
    """Event: the consumer waits; for this directory, or (None) for the next Chunk in order."""

    path: Path | None = None


class DirectoryPruned(NamedTuple):
    """Event: a keyed consumer will never ask for this directory nor for anything below it."""

    path: Path


class BytesWaiting(NamedTuple):
    """Event: a keyed consumer holds this many bytes that it has not used yet."""

    size: int


class ZoneLimit(NamedTuple):
    """Event: from now on at most so many Tasks at once, and how long each may take (0: a single directory)."""

    tasks: int
    seconds: float = TASK_SECONDS
    zone: int = 0


class ZonesFound(NamedTuple):
    """Event: the tree lies on several devices. `tops`: where zones begin, and which; all else is zone 0."""

    tops: dict[Path, int]


class AllowDirectories(NamedTuple):
    """Event: so many more directories may be read; from the first such event on, no more than have been allowed."""

    directories: int


class DispatchTask(NamedTuple):
    """Instruction: send the Task to the slot."""

    slot: int
    task: Task


class ReclaimTask(NamedTuple):
    """Instruction: ask the slot to return what is left of its Task, because another slot is idle."""

    slot: int


class DeliverChunk(NamedTuple):
    """Instruction: hand the Chunk to the consumer. `outdated`: directories in it that were pruned meanwhile."""

    chunk: Chunk
    outdated: frozenset[Path] = frozenset()


class ScanFinished(NamedTuple):
    """Instruction: nothing is left to walk or to deliver."""


Event: TypeAlias = (
    BackendEvent
    | AddDirectories
    | ConsumerWaits
    | DirectoryPruned
    | BytesWaiting
    | ZoneLimit
    | ZonesFound
    | AllowDirectories
)
Instruction: TypeAlias = DispatchTask | ReclaimTask | DeliverChunk | ScanFinished

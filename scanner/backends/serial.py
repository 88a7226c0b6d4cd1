"""Tasks run in this process, one at a time, while the engine asks for events."""

from __future__ import annotations

from scanner.kernel.walk import Walker
from scanner.model import BackendEvent, ChunkArrived, SlotUp, Task
from scanner.options import ScanOptions

SLOT = 0


class SerialBackend:
    name = "serial"
    start_method = None
    abandoned = 0

    def __init__(self, options: ScanOptions) -> None:
        self._walker = Walker(options, joined=False)
        self._task: Task | None = None
        self._started = False

    def dispatch(self, slot: int, task: Task) -> None:
        self._task = task

    def give_up(self, slot: int) -> None:
        """Nobody else is there to take it."""

    def events(self, timeout: float) -> list[BackendEvent]:
        if not self._started:
            self._started = True
            return [SlotUp(SLOT)]
        if self._task is None:
            return []
        task, self._task = self._task, None
        chunk = self._walker.walk(task)
        chunk.size = estimated_size(chunk.entries, chunk.output)
        return [ChunkArrived(SLOT, chunk)]

    def processes(self) -> dict[int, int]:
        return {}

    def stop(self, *, wait: bool = True) -> None:
        self._walker.close()


def estimated_size(entries: int, output: bytes | memoryview) -> int:
    """Bytes of a Chunk that was never packed: a Python string of a short name takes about 64."""
    return 64 * entries + len(output)

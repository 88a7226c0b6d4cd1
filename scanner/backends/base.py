"""The contract between the engine and a place where Tasks run: this process, a `multiprocessing.Pool`, a cluster.

A backend owns slots. A slot walks one Task at a time, and answers each Task with one Chunk:

    engine                                      backend
    grow(slots) ----------------------------->  makes slots, now or later
    events() <------------ SlotUp(slot) ------  a slot is ready
    dispatch(slot, task) -------------------->  the slot walks the Task
    events() <--- ChunkArrived(slot, chunk) --  the slot is idle again

Slots come and go at any time. After `SlotDown` a slot gets no further Task, and the Chunk of a running Task still
arrives; the slot may come back with `SlotUp`. After `SlotLost` and `SlotStuck` the slot is gone, and the planner runs
its Task again elsewhere; the backend then discards a Chunk that arrives late, and never uses the number again within a
scan. The slots of one worker process share a `worker` number above 0, because they die together.

One thread calls all methods, unless the text says otherwise. Chunks cross process borders as `Chunk.to_bytes`.
A new backend is added to `run.Run` and to `tests/conformance/test_backends.py`, which checks this contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from scanner.model import LONGEST_TASK, TASK_SECONDS, BackendEvent, Path, Task
from scanner.options import ScanOptions, cpu_count


class Backend(Protocol):
    """A place with slots. Defaults fit a backend in this process that has nothing to keep for another scan."""

    # ---- properties, which may change while a scan runs

    @property
    def name(self) -> str:
        """The place where Tasks run now, for the report: `serial`, `pool`."""

    @property
    def is_local(self) -> bool:
        """Whether slots run on this machine: process numbers, mounts and device numbers are those of this machine."""
        return True

    @property
    def processors(self) -> int:
        """Number of processors that its slots share. The engine stops adding slots when all of these are busy."""
        return cpu_count()

    @property
    def concurrency(self) -> int:
        """Number of Tasks that it walks concurrently while directories cost processor time. More slots help only where
        directories wait.
        """
        return 1

    @property
    def hosts(self) -> int:
        """Number of machines that its slots run on. `max_in_flight` holds for each."""
        return 1

    @property
    def slot_bytes(self) -> int:
        """Bytes that may wait for each slot, where the option `window` has its default and this is more."""
        return 0

    @property
    def task_seconds(self) -> tuple[float, float]:
        """Duration of a Task: usual, and where directories are slow. Longer Tasks cost less overhead, and share work
        less evenly.
        """
        return TASK_SECONDS, LONGEST_TASK

    @property
    def start_method(self) -> str | None:
        """The start method of its worker processes; None without such processes."""
        return None

    @property
    def lost_protections(self) -> Sequence[str]:
        """Names of options that it cannot honour, such as `dir_timeout` without worker processes."""
        return ()

    # ---- its state

    @property
    def starting(self) -> bool:
        """Whether it is starting something that disturbs running Tasks: their times are not used to choose a pace."""
        return False

    @property
    def ready(self) -> bool:
        """Whether any slot is up."""
        return True

    @property
    def failure(self) -> str | None:
        """The reason why it cannot run Tasks, in one line, or None. Final: all slots are lost, no new one comes up."""
        return None

    @property
    def abandoned(self) -> int:
        """Number of its processes that could not be killed."""
        return 0

    def processes(self) -> dict[int, int]:
        """Return the process number of each worker, for the monitor. Empty if there are none, or if not local."""
        return {}

    def longest_wait(self) -> tuple[float, Path | None] | None:
        """Return for how many seconds which directory has been read, the longest of all; without a directory if none is
        being read. None: the backend does not know which directory each slot reads.
        """
        return None

    def devices(self) -> dict[Path, int]:
        """Return the directories at which devices begin, as `mounts.devices` does. Only if not local."""
        return {}

    def figures(self) -> dict[str, Any]:
        """Return what the report says about its machines, as plain values. Empty if local."""
        return {}

    # ---- Tasks

    def grow(self, slots: int) -> list[BackendEvent]:
        """Have at least `slots` slots in all. Returns events of slots that are ready now; others come with `events`.

        There may be fewer slots than requested, where resources are short.
        """

    def dispatch(self, slot: int, task: Task) -> None:
        """Start `task` on `slot`, which is up and idle. Never blocks on another process.

        Its Chunk may cover less than the budget of the Task: the rest is in `leftovers`.
        """

    def reclaim(self, slot: int) -> None:
        """Request the rest of a running Task early, because another slot is idle. It may do nothing."""

    def events(self, timeout: float) -> list[BackendEvent]:
        """Return what has happened since the last call; wait at most `timeout` seconds for the first event.

        A slot of kind `here` walks its Task inside this call, for at most the budget of the Task.
        """

    # ---- warm reuse by another scan

    @property
    def is_ours(self) -> bool:
        """Whether this process started it. In a forked copy, only `stop` may be called."""
        return True

    @property
    def idle(self) -> bool:
        """Whether another scan may use it now: no Task is running, it has not failed and is not stopped."""
        return False

    def detach(self) -> Backend | None:
        """Return the backend, or the part of it, that another scan can reuse, or None. A later `stop` leaves a part
        running.
        """
        return None

    def begin(self, options: ScanOptions) -> list[BackendEvent]:
        """Use it for another scan. Returns `SlotUp` for each slot that is ready. Only while `idle`."""
        raise RuntimeError(f"backend {self.name} cannot be used for another scan")

    def refresh(self) -> None:
        """Release what the last scan holds, such as open directories, and keep the workers. Only while `idle`."""
        return

    def stop(self, *, wait: bool = True) -> None:
        """End everything that was started, within a bound. May be called twice, and after a fork.

        `wait`: also for processes that are still starting; otherwise those end by themselves a little later.
        """

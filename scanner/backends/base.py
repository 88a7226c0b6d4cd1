"""What the engine asks of a place where Tasks run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scanner.model import BackendEvent, Task


class Backend(Protocol):
    @property
    def name(self) -> str:
        """`serial` or `pool`: where Tasks run now."""

    @property
    def start_method(self) -> str | None:
        """How its processes were started; None while there are none."""

    @property
    def starting(self) -> bool:
        """Whether it starts something, which disturbs what runs here: nothing is to be learned from times."""

    @property
    def abreast(self) -> int:
        """How many Tasks it walks at a time where directories are work; more are for what waits."""

    @property
    def abandoned(self) -> int:
        """How many of its processes could not be killed."""

    @property
    def lost_protections(self) -> Sequence[str]:
        """Names of options that it cannot honour, because it has no worker processes."""

    def dispatch(self, slot: int, task: Task) -> None:
        """Have `slot`, which must be idle, walk `task`. Never blocks on another process."""

    def grow(self, slots: int) -> list[BackendEvent]:
        """Have so many slots in all, if there are fewer; those that come, now or later, are told as events."""

    def give_up(self, slot: int) -> None:
        """Ask `slot` to return what is left of its Task early."""

    def events(self, timeout: float) -> list[BackendEvent]:
        """What has happened since; waits at most `timeout` seconds for the first event. In `serial` the
        Task itself runs here, for at most its budget.
        """

    def processes(self) -> dict[int, int]:
        """The process number of each worker slot."""

    def stop(self, *, wait: bool = True) -> None:
        """End everything that was started, within a bound. May be called twice. `wait`: also for processes that are
        still starting; otherwise those end by themselves a little later.
        """

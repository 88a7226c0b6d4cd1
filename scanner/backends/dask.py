"""Tasks run in the workers of a Dask cluster, on any number of machines.

    engine's thread: planner -> dispatch --call_soon_threadsafe--> Links: event loop of the client ==> workers
                     planner <- events() <------- SimpleQueue ---- Links <== workers

Each worker begins with a slot for each of its threads. It gets more where directories wait. Workers may join, leave and
die at any time (see `dask_links` and `dask_worker`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from _queue import Empty, SimpleQueue
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

from scanner.backends import wire
from scanner.backends.base import Backend
from scanner.backends.dask_client import client_of, refuse_options
from scanner.backends.dask_links import (
    Frames,
    LateThreads,
    Leaving,
    Link,
    Links,
    Lost,
    Mistake,
    News,
    Ready,
    Refused,
    Warned,
)
from scanner.backends.heartbeat import MOST_THREADS
from scanner.backends.slots import slot_number
from scanner.errors import ClusterError
from scanner.model import BackendEvent, ChunkArrived, Path, SlotDown, SlotLost, SlotStuck, SlotUp, Task
from scanner.options import ScanOptions

SLOT_BYTES = 2 << 20
TASK_SECONDS, LONGEST_TASK = 1.0, 2.0
FIRST_PATIENCE = 300.0  # seconds for the first worker
PATIENCE = 60.0  # seconds without any worker
TELL_AFTER = 2.0  # seconds of waiting until that is logged
STOP_PATIENCE = 5.0  # seconds for the connections to end


class DaskBackend(Backend):
    """The workers of a cluster, for one scan. `least`: number of workers without which nothing begins."""

    name = "dask"
    is_local = False
    slot_bytes = SLOT_BYTES
    task_seconds = TASK_SECONDS, LONGEST_TASK

    def __init__(self, options: ScanOptions, client: Any, least: int = 1) -> None:
        refuse_options(options)
        self._options = options
        self._home = os.getpid()
        self._stopped = False
        self._client, self._is_our_client = client_of(client)
        self._scheduler = self._client.scheduler.address
        self._loop = self._client.loop.asyncio_loop
        self._news: SimpleQueue[News] = SimpleQueue()
        self._up: dict[int, Link] = {}  # by number
        self._all: dict[int, Link] = {}
        self._slots: dict[int, set[int]] = {}  # by link, without those that hang
        self._next_thread: Counter[int] = Counter()  # by link
        self._tasks: dict[int, Task] = {}  # by busy slot
        self._wanted = 1
        self._begun = False
        self._alone_since: float | None = time.monotonic()
        self._told = False
        self._deaths = self._retired = self._excluded = 0
        self._requests = Counter[str]()  # in flight, by host
        self._outbox: deque[tuple[Link, bytes]] = deque()
        self._is_flushing = False
        try:
            self._links: Links = self._in_loop(self._new_links(least))
        except BaseException:
            self._close_client()
            raise

    async def _new_links(self, least: int) -> Links:
        return Links(self._client, self._options, self._news, least)

    def _in_loop(self, coroutine: Any) -> Any:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(STOP_PATIENCE)
        except BaseException:
            coroutine.close()
            raise

    # ---- its size

    @property
    def hosts(self) -> int:
        return max(1, len({link.hello["host"] for link in self._up.values()}))

    @property
    def concurrency(self) -> int:
        return max(1, sum(min(self._threads(link), len(self._slots[link.number])) for link in self._up.values()))

    @property
    def processors(self) -> int:
        return max(1, sum(map(self._threads, self._up.values())))

    def _threads(self, link: Link) -> int:
        return max(1, int(link.hello["threads"]))

    @property
    def ready(self) -> bool:
        return bool(self._up)

    @property
    def is_ours(self) -> bool:
        return self._home == os.getpid()

    def devices(self) -> dict[Path, int]:
        first = self._links.reference
        return {} if first is None or first.sight is None else {self._path(path): n for path, n in first.sight["zones"]}

    def _path(self, path: bytes) -> Path:
        return os.fsdecode(path) if isinstance(self._options.roots[0], str) else path

    def figures(self) -> dict[str, Any]:
        first = self._links.reference
        sight = first.sight if first is not None and first.sight is not None else {"roots": (), "kinds": ()}
        return {
            "scheduler": self._scheduler,
            "hosts": len({link.hello["host"] for link in self._all.values()}),
            "workers": [
                {
                    "process": f"worker {link.number}", "name": link.hello["name"], "host": link.hello["host"],
                    "address": link.address, "threads": self._threads(link), "reader": link.hello["reader"],
                }
                for link in self._all.values()
            ],
            "deaths": self._deaths,
            "retired": self._retired,
            "excluded": self._excluded,
            "roots": [
                {"filesystem": kind, "is_empty": root.get("names") == ()}
                for root, kind in zip(sight["roots"], sight["kinds"], strict=True)
            ],
        }  # fmt: skip

    # ---- slots

    def grow(self, slots: int) -> list[BackendEvent]:
        self._wanted = max(self._wanted, slots)
        return list(self._fill_up())

    def _fill_up(self) -> Iterator[BackendEvent]:
        """Add missing slots, to all workers in turn: one for each thread of a worker, and more if the engine wants more
        in all. A machine gets no more than `max_in_flight`.
        """
        used = Counter[str]()
        for link in self._up.values():
            used[link.hello["host"]] += len(self._slots[link.number])
        share = -(-self._wanted // max(1, len(self._up)))
        while able := [link for link in self._up.values() if self._may_grow(link, share, used[link.hello["host"]])]:
            for link in able:
                used[link.hello["host"]] += 1
                yield self._new_slot(link)

    def _may_grow(self, link: Link, share: int, used: int) -> bool:
        if link.is_leaving or self._next_thread[link.number] == MOST_THREADS:
            return False
        count = len(self._slots[link.number])
        return not count or (count < max(self._threads(link), share) and used < self._options.max_in_flight)

    def _new_slot(self, link: Link) -> SlotUp:
        slot = slot_number(link.number, self._next_thread[link.number])
        self._next_thread[link.number] += 1
        self._slots[link.number].add(slot)
        return SlotUp(slot, link.number, "remote")

    def _place(self, slot: int) -> tuple[Link, int]:
        """Return the worker and the thread of a slot."""
        number, thread = divmod(slot - slot_number(0, 0), MOST_THREADS)
        return self._all[number], thread

    def dispatch(self, slot: int, task: Task) -> None:
        link, thread = self._place(slot)
        rest = self._options.max_in_flight - self._requests[link.hello["host"]]
        task = task._replace(threads=max(1, min(task.threads, rest)))
        self._requests[link.hello["host"]] += task.threads
        self._tasks[slot] = task
        self._send(link, wire.pack_task(thread, task))

    def _take_back(self, slot: int) -> Task | None:
        """Return the Task of a slot that walks it no more, or None."""
        task = self._tasks.pop(slot, None)
        if task is not None:
            self._requests[self._place(slot)[0].hello["host"]] -= task.threads
        return task

    def reclaim(self, slot: int) -> None:
        link, thread = self._place(slot)
        self._send(link, wire.pack_reclaim(thread))

    def _send(self, link: Link, frame: bytes) -> None:
        self._outbox.append((link, frame))
        if not self._is_flushing:
            self._is_flushing = True
            with contextlib.suppress(RuntimeError):  # the loop has ended: the links are lost as well
                self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        """Pass frames to their links, in the event loop. The flag first: a later frame needs another turn."""
        self._is_flushing = False
        while self._outbox:
            link, frame = self._outbox.popleft()
            link.waiting.append(frame)
            link.wakes.set()

    # ---- events

    def events(self, timeout: float) -> list[BackendEvent]:
        self._check()
        events: list[BackendEvent] = []
        with contextlib.suppress(Empty):
            while True:
                events += self._events_of(self._news.get(timeout=0 if events else timeout))
        return events

    def _events_of(self, news: News) -> list[BackendEvent]:
        match news:
            case Frames(link, frames):
                return [event for frame in frames for event in self._chunk(link, frame)]
            case Ready(link):
                return self._join(link)
            case Lost(link, blame, warning):
                return self._lose(link, blame, warning)
            case LateThreads(link, late):
                return [event for each in late for event in self._stuck(link, *each)]
            case Mistake(link, thread, text):
                return self._mistake(link, slot_number(link.number, thread), text)
            case Leaving(link):
                return self._leave(link)
            case Refused(message, reason):
                raise ClusterError(message, reason)
            case Warned(message):
                warn(message)
        return []

    def _chunk(self, link: Link, frame: bytes) -> list[BackendEvent]:
        thread, chunk = wire.unpack_chunk(bytearray(frame))
        slot = slot_number(link.number, thread)
        if self._take_back(slot) is None:  # it was lost or hung meanwhile
            return []
        if link.is_leaving:
            self._let_go(link)
        return [ChunkArrived(slot, chunk)]

    def _join(self, link: Link) -> list[BackendEvent]:
        self._up[link.number] = self._all[link.number] = link
        self._slots[link.number] = set()
        self._alone_since, self._begun = None, True
        return list(self._fill_up())

    def _leave(self, link: Link) -> list[BackendEvent]:
        """Give no more Tasks to a worker that is about to leave, and get back what it has."""
        slots = self._slots.get(link.number, set())
        for slot in slots & self._tasks.keys():
            self.reclaim(slot)
        self._let_go(link)
        return [SlotDown(slot) for slot in slots]

    def _let_go(self, link: Link) -> None:
        """End the connection to a worker that is about to leave, once it has no Task."""
        if self._tasks.keys().isdisjoint(self._slots.get(link.number, ())):
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._links.let_go, link)

    def _lose(self, link: Link, blame: bool, warning: str) -> list[BackendEvent]:
        if warning and not self._stopped:
            warn(warning)
        if self._up.pop(link.number, None) is None:
            return []
        self._deaths += blame
        self._retired += link.is_leaving
        self._excluded += not (blame or link.is_leaving)
        if not self._up:
            self._alone_since, self._told = time.monotonic(), False
        lost: list[BackendEvent] = [self._lost(slot, blame) for slot in self._slots.pop(link.number)]
        return lost + list(self._fill_up())

    def _lost(self, slot: int, blame: bool) -> SlotLost:
        task = self._take_back(slot)
        is_known = task is not None and not task.seconds  # such a Task reads a single directory
        return SlotLost(slot, task.directories[0] if task is not None and is_known else None, blame)

    def _stuck(self, link: Link, thread: int, path: bytes, mount: bytes) -> list[BackendEvent]:
        slot = slot_number(link.number, thread)
        if slot not in self._slots.get(link.number, ()):
            return []
        self._forget(link, slot)
        message = f"no answer within {self._options.dir_timeout:g} s"
        return [SlotStuck(slot, self._path(path), self._path(mount), message), *self._fill_up()]

    def _mistake(self, link: Link, slot: int, text: str) -> list[BackendEvent]:
        """Treat an unexpected exception as the death of its thread."""
        if slot not in self._slots.get(link.number, ()):
            return []
        error(f"Dask worker {link.label} has failed; its task runs again elsewhere\n{text}")
        lost = self._lost(slot, blame=True)
        self._forget(link, slot)
        return [lost, *self._fill_up()]

    def _forget(self, link: Link, slot: int) -> None:
        self._slots[link.number].discard(slot)
        self._take_back(slot)

    def _check(self) -> None:
        """Raise ClusterError if no worker has been there for too long."""
        if self._alone_since is None or self._up:
            return
        waited = time.monotonic() - self._alone_since
        if self._links.scheduler_is_gone or self._client.status not in ("running", "newly-created"):
            text = f"the Dask scheduler {self._scheduler} is gone"
            raise ClusterError(text, "lost" if self._begun else "unreachable")
        if waited > (PATIENCE if self._begun else FIRST_PATIENCE):
            text = f"no worker of the Dask scheduler {self._scheduler} was there for {waited:.0f} s"
            raise ClusterError(text, "lost" if self._begun else "no workers")
        if waited > TELL_AFTER and not self._told:
            self._told = True
            warn(f"waiting for workers of the Dask scheduler {self._scheduler}")

    # ---- the end

    def stop(self, *, wait: bool = True) -> None:
        if self._stopped or not self.is_ours:
            return
        self._stopped = True
        with contextlib.suppress(Exception):  # the loop may have ended
            self._in_loop(self._links.close())
        self._close_client()

    def _close_client(self) -> None:
        if self._is_our_client:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.close(timeout=STOP_PATIENCE)


def warn(text: str) -> None:
    import logging  # not needed otherwise

    logging.getLogger("scanner").warning(text)


def error(text: str) -> None:
    import logging

    logging.getLogger("scanner").error(text)

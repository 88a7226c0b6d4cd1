"""The contract of `backends.base`, on every backend, and on one that is written from that contract alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import pytest

from scanner.backends.auto import AutoBackend
from scanner.backends.base import Backend
from scanner.backends.pool import PoolBackend
from scanner.backends.serial import SerialBackend
from scanner.engine import Engine
from scanner.kernel.walk import Walker
from scanner.model import BackendEvent, Chunk, ChunkArrived, SlotUp, Task
from scanner.options import ScanOptions
from scanner.run import BACKENDS, Collector
from tests.conftest import START_METHODS

PATIENCE = 30.0  # seconds for worker processes to start


class RemoteBackend(Backend):
    """Slots as on another machine: bytes travel, times and processes are not ours, and a Task is never given up."""

    name = "remote"
    is_local = False
    processors = 64
    concurrency = 2
    task_seconds = 1.0, 2.0

    def __init__(self, options: ScanOptions) -> None:
        self._options = options
        self._tasks: dict[int, SimpleQueue[Task | None]] = {}
        self._answers: SimpleQueue[tuple[int, bytes]] = SimpleQueue()
        self._threads: list[Thread] = []
        self._news: list[BackendEvent] = self.grow(2)

    def _serve(self, slot: int) -> None:
        walker = Walker(self._options, joined=True, worker=slot)
        while (task := self._tasks[slot].get()) is not None:
            self._answers.put((slot, walker.walk(task).to_bytes()))
        walker.close()

    def grow(self, slots: int) -> list[BackendEvent]:
        news: list[BackendEvent] = []
        for slot in range(len(self._threads) + 1, min(slots, 4) + 1):
            self._tasks[slot] = SimpleQueue()
            self._threads.append(Thread(target=self._serve, args=(slot,)))
            self._threads[-1].start()
            news.append(SlotUp(slot, slot, "remote"))
        return news

    def dispatch(self, slot: int, task: Task) -> None:
        self._tasks[slot].put(task)

    def reclaim(self, slot: int) -> None:
        """It would take a round trip."""

    def events(self, timeout: float) -> list[BackendEvent]:
        news, self._news = self._news, []
        try:
            slot, body = self._answers.get(timeout=0.001 if news else timeout)
        except Empty:
            return news
        return [*news, ChunkArrived(slot, Chunk.from_bytes(body))]

    def stop(self, *, wait: bool = True) -> None:
        for queue in self._tasks.values():
            queue.put(None)
        for thread in self._threads:
            thread.join()


def pool(method: str, options: ScanOptions) -> Backend:
    return PoolBackend(options._replace(start_method=method))


MAKERS = {
    "serial": SerialBackend,
    "threads": lambda options: SerialBackend(options, only_threads=True),
    "auto": AutoBackend,
    "auto in processes": lambda options: AutoBackend(options, eager=True),
    **{f"pool-{method}": lambda options, method=method: pool(method, options) for method in START_METHODS},
    "remote": RemoteBackend,
}


class Driver:
    """What the engine does with a backend, one step at a time."""

    def __init__(self, backend: Backend, root: str) -> None:
        self.backend, self.root = backend, root
        self.up: dict[int, SlotUp] = {}
        self.arrived: list[ChunkArrived] = []

    def take(self, events: list[BackendEvent]) -> None:
        for event in events:
            if isinstance(event, SlotUp):
                self.up[event.slot] = event
            elif isinstance(event, ChunkArrived):
                self.arrived.append(event)
            else:
                self.up.pop(event.slot, None)

    def slot(self) -> SlotUp:
        """A slot that is up, once there is one."""
        deadline = time.monotonic() + PATIENCE
        while not self.up:
            assert self.backend.failure is None
            assert time.monotonic() < deadline
            self.take(self.backend.events(0.1))
        return next(iter(self.up.values()))

    def answer(self, task: Task, *, reclaims: bool = False) -> ChunkArrived:
        """Have a slot walk the Task; the one answer."""
        slot = self.slot().slot
        self.backend.dispatch(slot, task)
        if reclaims:
            self.backend.reclaim(slot)
        while not self.arrived:
            self.take(self.backend.events(0.1))
        (answer,) = self.arrived
        self.arrived.clear()
        assert answer.slot == slot
        return answer

    def walk(self, *, reclaims: bool = False) -> int:
        """Walk the root, Task after Task: the number of its directories."""
        todo, total = [self.root], 0
        while todo:
            chunk = self.answer(Task(1, todo, 0, 1 << 40, 1e9), reclaims=reclaims).chunk
            todo, total = chunk.leftovers, total + chunk.visited
        return total


def directories(root: str) -> int:
    return len(list(os.walk(root)))


@pytest.fixture(params=MAKERS)
def driver(request: pytest.FixtureRequest, trees: dict[str, Path]) -> Iterator[Driver]:
    root = os.fspath(trees["monorepo"])
    backend = MAKERS[request.param](ScanOptions(max_workers=2).starting_at([root]))
    try:
        yield Driver(backend, root)
    finally:
        backend.stop()
        backend.stop()  # nothing happens


def test_every_task_is_answered_by_one_complete_chunk(driver: Driver) -> None:
    for number in (3, 4):
        slot = driver.slot()
        chunk = driver.answer(Task(number, [driver.root], 0, 400, 1e9)).chunk
        assert (chunk.task, chunk.origin, chunk.worker) == (number, driver.root, slot.worker)
        assert chunk.size > 0
        assert 0 < chunk.visited < directories(driver.root), "it ends with its budget"
        assert chunk.leftovers
    assert driver.walk() == directories(driver.root)


def test_a_slot_says_where_it_is(driver: Driver) -> None:
    slot = driver.slot()
    assert slot.kind in ("here", "thread", "process", "remote")
    assert (slot.worker > 0) == (slot.kind in ("process", "remote"))
    assert driver.backend.is_local == (slot.kind != "remote")
    assert driver.backend.ready
    pids = driver.backend.processes()
    assert (slot.worker in pids) == (slot.kind == "process")
    for pid in pids.values():
        os.kill(pid, 0)


def test_a_request_for_the_rest_may_come_at_any_time_and_loses_nothing(driver: Driver) -> None:
    assert driver.walk(reclaims=True) == directories(driver.root)


def test_more_slots_have_numbers_of_their_own(driver: Driver) -> None:
    driver.slot()
    before = set(driver.up)
    events = driver.backend.grow(4)
    new = [event.slot for event in events if isinstance(event, SlotUp)]
    assert len(set(new)) == len(new)
    assert not before & set(new)


def test_an_idle_backend_waits_no_longer_than_it_may(driver: Driver) -> None:
    driver.slot()
    driver.walk()
    while len({slot.worker for slot in driver.up.values()}) < len(driver.backend.processes()):
        driver.take(driver.backend.events(0.1))  # workers that were still starting
    assert driver.backend.events(0) == []


def test_figures_that_the_engine_needs_make_sense(driver: Driver) -> None:
    backend = driver.backend
    usual, longest = backend.task_seconds
    assert 0 < usual <= longest
    assert backend.processors >= 1
    assert backend.concurrency >= 1
    assert (backend.failure, backend.abandoned, list(backend.lost_protections), backend.is_ours) == (None, 0, [], True)


def test_what_is_kept_warm_serves_another_scan(driver: Driver, trees: dict[str, Path]) -> None:
    driver.walk()
    kept = driver.backend.detach()
    if kept is None:
        assert not driver.backend.idle
        with pytest.raises(RuntimeError, match="cannot be used for another scan"):
            driver.backend.begin(ScanOptions())
        return
    try:
        assert kept.idle
        again = Driver(kept, os.fspath(trees["odd"]))
        again.take(kept.begin(ScanOptions(max_workers=2).starting_at([again.root])))
        assert again.walk() == directories(again.root)
        assert kept.idle
    finally:
        kept.stop()
        assert not kept.idle


@pytest.mark.parametrize("name", ["monorepo", "odd", "skewed"])
def test_a_backend_written_from_the_contract_gives_the_result_of_os_walk(trees: dict[str, Path], name: str) -> None:
    root = os.fspath(trees[name])
    options = ScanOptions(max_workers=2).starting_at([root])
    engine, found = Engine(options, RemoteBackend(options), ordered=True), []
    collector = Collector(found)
    try:
        for chunk in engine.run([root]):
            collector.add(chunk)
    finally:
        engine.stop(wait=True)
    assert found == list(os.walk(root))


def test_the_length_of_tasks_and_the_processors_are_those_of_the_backend(trees: dict[str, Path]) -> None:
    options = ScanOptions(max_workers=2).starting_at([os.fspath(trees["odd"])])
    backend = RemoteBackend(options)
    engine = Engine(options, backend, ordered=True)
    seconds: list[float] = []
    dispatch = backend.dispatch
    backend.dispatch = lambda slot, task: (seconds.append(task.seconds), dispatch(slot, task))[1]  # type: ignore[method-assign]
    try:
        assert sum(chunk.visited for chunk in engine.run(list(options.roots))) > 0
        assert set(seconds) == {1.0}
        engine._worked = engine._worked_elsewhere = 6400
        assert 100 <= engine._worked_each() < 200
    finally:
        engine.stop(wait=True)


def test_every_value_of_the_option_has_a_backend() -> None:
    assert set(BACKENDS) == {"auto", "pool", "serial"}
    with pytest.raises(ValueError, match="backend"):
        ScanOptions.of({"backend": "remote"})

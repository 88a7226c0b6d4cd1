"""The planner under random events: whatever happens to slots, every directory is delivered once, in order."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scanner.model import TASK_SECONDS, Chunk, ChunkArrived, Fault, Path, SlotLost, SlotStuck, SlotUp, Task
from scanner.plan.events import (
    AddDirectories,
    AllowRequests,
    ConsumerWaits,
    DeliverChunk,
    DispatchTask,
    Event,
    ReclaimTask,
    ScanFinished,
    ScanPaused,
    ZoneLimit,
    ZonesFound,
)
from scanner.plan.invariants import validate
from scanner.plan.planner import Planner
from scanner.plan.zones import Tops

MOUNT = "/2"  # a directory of the tree at which another file system begins
ZONES: dict[Path, int] = {MOUNT: 1, "/1": 2, "/1/0": 0, "/1/0/1": 1}


def below(path: str, breadth: int, depth: int) -> list[str]:
    """The children of `path` in a tree that is all arithmetic."""
    level = path.count("/") if path != "/" else 0
    if level >= depth:
        return []
    return [f"{path.rstrip('/')}/{name}" for name in range(breadth)]


class PlannerMachine(RuleBasedStateMachine):
    """Plays backend and consumer of an ordered planner."""

    @initialize(breadth=st.integers(1, 5), depth=st.integers(1, 4), slots=st.integers(1, 3), hung=st.integers(0, 2))
    def begin(self, breadth: int, depth: int, slots: int, hung: int) -> None:
        self.breadth, self.depth = breadth, depth
        self.planner = Planner(ordered=True, slots=slots, window=30, max_hung=hung)
        self.tasks: dict[int, Task | None] = {}
        self.last_slot = 0
        self.taken: list[str] = []
        self.faults: list[str] = []
        self.finished = self.limited = False
        self.zones = Tops({})
        self.handle(AddDirectories(["/"]))

    def handle(self, *events: Event) -> None:
        for instruction in self.planner.handle(*events):
            match instruction:
                case DispatchTask(slot, task):
                    assert self.tasks[slot] is None, "only idle slots get Tasks"
                    assert len({self.zones.of(path) for path in task.directories}) == 1, "of one zone"
                    self.tasks[slot] = task
                case ReclaimTask(slot):
                    assert self.tasks[slot] is not None, "only busy slots give up"
                case DeliverChunk(chunk):
                    self.taken += chunk.output.decode().split()
                    self.faults += [fault.path for fault in chunk.faults]
                case ScanFinished():
                    self.finished = True

    @property
    def busy(self) -> list[int]:
        return [slot for slot, task in self.tasks.items() if task is not None]

    @rule()
    @precondition(lambda self: len(self.tasks) < 4)
    def a_slot_comes_up(self) -> None:
        self.last_slot += 1
        self.tasks[self.last_slot] = None
        self.handle(SlotUp(self.last_slot))

    @rule()
    def the_consumer_waits(self) -> None:
        self.handle(ConsumerWaits())

    @rule(data=st.data())
    @precondition(lambda self: self.busy)
    def a_chunk_arrives(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(self.busy))
        self.arrive(slot, data.draw(st.integers(1, 6)))

    def arrive(self, slot: int, budget: int) -> None:
        task = self.tasks[slot]
        assert task is not None
        self.tasks[slot] = None
        self.handle(ChunkArrived(slot, self.walk(task, budget if task.seconds else 1)))

    def walk(self, task: Task, budget: int) -> Chunk:
        """What a worker would bring."""
        stack, listed, faults = task.directories[::-1], [], []
        while stack and budget > 0:
            path = stack.pop()
            if path in task.fences:
                stack.append(path)
                break
            if any(path == shut or path.startswith(shut.rstrip("/") + "/") for shut in task.shut):
                faults.append(Fault(path, "open", 5, "", "timeout"))
                continue
            budget -= 1
            listed.append(path)
            stack += below(path, self.breadth, self.depth)[::-1]
        output = " ".join(listed).encode()
        return Chunk(
            task.number, task.directories[0], output=output, leftovers=stack[::-1], faults=faults,
            directories=len(listed), size=len(listed), requests=3 * len(listed),
        )  # fmt: skip

    def somewhere_in(self, data: st.DataObject, slot: int) -> str:
        """A directory that the slot may be reading."""
        task: Any = self.tasks[slot]
        reach = self.walk(task, 6).output.decode().split() or task.directories
        return data.draw(st.sampled_from(reach))

    @rule()
    @precondition(lambda self: not self.zones)
    def it_lies_on_several_devices(self) -> None:
        self.zones = Tops(ZONES)
        self.handle(ZonesFound(ZONES))

    @rule(tasks=st.integers(1, 4), zone=st.integers(0, 2), seconds=st.sampled_from([0.0, TASK_SECONDS]))
    def a_limit_changes(self, tasks: int, zone: int, seconds: float) -> None:
        if self.zones or zone == 0:
            self.handle(ZoneLimit(tasks, seconds, zone))

    @rule(requests=st.integers(1, 20))
    def requests_are_limited(self, requests: int) -> None:
        self.limited = True
        self.handle(AllowRequests(requests, 20))

    @rule(paused=st.booleans())
    def the_hours_end_or_begin(self, paused: bool) -> None:
        busy = self.busy
        self.handle(ScanPaused(paused))
        assert not paused or self.busy == busy

    @rule(data=st.data())
    @precondition(lambda self: self.tasks)
    def a_slot_dies(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.tasks)))
        known = self.tasks[slot] is not None and data.draw(st.booleans())
        path = self.somewhere_in(data, slot) if known else None
        del self.tasks[slot]
        self.handle(SlotLost(slot, path, data.draw(st.booleans())))

    @rule(data=st.data())
    @precondition(lambda self: self.busy)
    def a_directory_is_late(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(self.busy))
        path = self.somewhere_in(data, slot)
        del self.tasks[slot]
        mount = MOUNT if path == MOUNT or path.startswith(f"{MOUNT}/") else "/"
        self.handle(SlotStuck(slot, path, mount, "late"))

    @invariant()
    def everything_is_somewhere(self) -> None:
        if hasattr(self, "planner"):
            validate(self.planner)
            assert self.planner.done <= self.planner.known

    def teardown(self) -> None:
        """Let it run to its end, undisturbed."""
        if not hasattr(self, "planner"):
            return
        self.handle(ScanPaused(False))
        for _ in range(5000):
            if self.finished:
                break
            if not self.tasks:
                self.a_slot_comes_up()
            self.the_consumer_waits()
            if self.limited:
                self.handle(AllowRequests(20, 20))
            for slot in self.busy:
                self.arrive(slot, 100)
        assert self.finished, "nothing waits for ever"
        self.check_all()

    def check_all(self) -> None:
        """Every directory was listed, or is a Fault, or lies below one; once, and in walk order."""
        expected, stack = [], ["/"]
        while stack:
            path = stack.pop()
            if path in self.faults:
                continue
            expected.append(path)
            stack += below(path, self.breadth, self.depth)[::-1]
        assert self.taken == expected
        assert len(set(self.faults)) == len(self.faults)
        assert self.planner.done == self.planner.known == len(expected) + len(self.faults)


TestPlanner = PlannerMachine.TestCase
TestPlanner.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)

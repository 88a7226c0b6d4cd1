"""Invariants of a Planner, and its recent events for the report of a broken one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from scanner.model import ChunkArrived
from scanner.plan.events import AddDirectories, Event

if TYPE_CHECKING:
    from scanner.plan.planner import Planner

KEPT = 500  # events


class Recorder:
    """Keeps the last events of a Planner. Of long events it keeps a summary, so that none stays in memory."""

    def __init__(self) -> None:
        self._events: deque[object] = deque(maxlen=KEPT)

    def record(self, events: tuple[Event, ...]) -> None:
        for event in events:
            if type(event) is ChunkArrived:
                slot, chunk = event
                self._events.append(("chunk", slot, chunk.task, chunk.visited, len(chunk.leftovers)))
            elif type(event) is AddDirectories:
                self._events.append(("add", len(event.directories), event.alone))
            else:
                self._events.append(event)

    def text(self) -> str:
        """Return one line for each event, the oldest first. Of Chunks: slot, Task, directories visited and left."""
        return "\n".join([f"last {len(self._events)} events of the planner:", *map(repr, self._events)])


def validate(planner: Planner) -> None:
    """Assert the invariants. Takes time in proportion to the segments that wait."""
    line, leased = list(planner.line), dict(planner.roster.leased())
    outstanding = sum(len(segment.directories) for segment in line)
    assert planner.known == planner.done + outstanding or not planner.ordered, (
        "every directory is in exactly one Segment"
    )
    assert not any(segment.is_done and segment.behind.is_done for segment in line), (
        "consecutive Chunks are in one Segment"
    )
    for segment in line:
        states = (
            segment.queued and bool(segment.directories),
            segment.slot is not None,
            bool(segment.chunks),
            segment.given,
        )
        assert sum(states) == 1, "a Segment has exactly one state"
        assert segment.slot is None or leased[segment.slot] is segment, "a leased Segment is the one of its slot"
        assert {planner.tops.of(path) for path in segment.directories if segment.queued} <= {segment.zone}
        assert segment is segment.behind.before is segment.before.behind, "the links of the line agree"
    assert all(segment in line for segment in leased.values()), "the Segment of a slot is in the line"
    if planner.ordered:
        waiting = sum(chunk.size for chunk in planner.line.waiting())
        assert waiting == planner.waiting_bytes, "the window counts the bytes of waiting Chunks"
        assert waiting == sum(segment.size for segment in line), "the size of a Segment is that of its Chunks"

"""What holds of a Planner at all times. For tests: it looks at everything."""

from __future__ import annotations

from scanner.plan.planner import Planner


def validate(planner: Planner) -> None:
    """Assert the invariants."""
    line, leased = list(planner.line), dict(planner.roster.leased())
    outstanding = sum(len(segment.directories) for segment in line)
    assert planner.known == planner.done + outstanding or not planner.ordered, "every directory is in exactly one place"
    assert not any(segment.is_done and segment.behind.is_done for segment in line), "what follows is in one Segment"
    for segment in line:
        states = (
            segment.queued and bool(segment.directories),
            segment.slot is not None,
            bool(segment.chunks),
            segment.given,
        )
        assert sum(states) == 1, "a Segment has exactly one state"
        assert segment.slot is None or leased[segment.slot] is segment, "a leased Segment is its slot's"
        assert {planner.tops.of(path) for path in segment.directories if segment.queued} <= {segment.zone}
        assert segment is segment.behind.before is segment.before.behind, "the line holds together"
    assert all(segment in line for segment in leased.values()), "a slot's Segment stands in the line"
    if planner.ordered:
        waiting = sum(chunk.size for chunk in planner.line.waiting())
        assert waiting == planner.waiting_bytes, "the window counts what waits"
        assert waiting == sum(segment.size for segment in line), "each Segment knows the size of its Chunks"

"""The limit of requests a second, over time that is data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.plan.rate import KEPT_SECONDS, SHORTEST_WAIT, STORED_PART, Rate, part_entries
from scanner.plan.tasks import TASK_ENTRIES

rates = st.floats(0.01, 1e7)


@given(rates, st.lists(st.floats(0, 3), max_size=50))
def test_no_more_is_allowed_than_the_rate_times_the_time(rate: float, pauses: list[float]) -> None:
    limit, now, allowed = Rate(rate, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        allowed += limit.due(now)
        assert allowed <= rate * now * (1 + 1e-9)
    assert allowed >= rate * now * (1 - 1e-9) - max(1, 0.05 * rate) - 1, "and all of it but a batch"


@given(rates)
def test_a_batch_is_due_after_the_wait(rate: float) -> None:
    limit = Rate(rate, 0.0)
    wait = limit.wait(0.0)
    assert wait >= SHORTEST_WAIT
    assert limit.due(wait * (1 + 1e-9)) >= 1
    assert limit.most >= 1


@pytest.mark.parametrize("rate", [1e12, 1e300])
def test_a_rate_beyond_all_systems_is_no_limit(rate: float) -> None:
    limit = Rate(rate, 0.0)
    assert limit.due(1.0) > 1e11
    assert limit.due(2.0) > 1e11
    assert limit.most > 1e10 * KEPT_SECONDS


@pytest.mark.parametrize(("rate", "needs_stat", "is_stored", "entries"), [
    (None, True, False, TASK_ENTRIES),
    (5, False, False, TASK_ENTRIES),
    (5, True, False, 1),
    (5, True, True, STORED_PART),
    (2000, True, False, 200),
    (1e300, True, True, TASK_ENTRIES),
])  # fmt: skip
def test_metadata_of_a_huge_directory_is_requested_in_small_parts(
    rate: float | None, needs_stat: bool, is_stored: bool, entries: int
) -> None:
    assert part_entries(rate, needs_stat=needs_stat, is_stored=is_stored) == entries

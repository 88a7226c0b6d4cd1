"""When worker processes are started: not for what is nearly done."""

from __future__ import annotations

import pytest

from scanner.backends.worth import START_AFTER, Worth
from scanner.options import ScanOptions

ALWAYS = START_AFTER["fork"]


def siblings(count: int, parent: str = "/tree") -> list[str]:
    return [f"{parent}/{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("situation", "looks", "due"),
    [
        ("it has only begun", [(0.001, siblings(1000))], False),
        ("one of a hundred takes long", [(0.012, siblings(99))], True),
        ("a third of ten are done soon", [(0.002, siblings(10)), (0.012, siblings(7))], False),
        ("few of a thousand are done", [(0.002, siblings(1000)), (0.012, siblings(950))], True),
        ("most are done when the rest turns out to take long", [(0.01, siblings(9)), (0.06, siblings(8))], True),
        ("only one is left, and that goes deep", [(0.04, siblings(3, "/tree/9/a"))], False),
        ("the last of the upper ones holds many others",
         [(0.011, siblings(2)), (0.022, siblings(1)), (0.033, siblings(50, "/tree/0"))], True),
        ("it has gone on for long", [(ALWAYS, siblings(2, "/tree/9/a"))], True),
        ("there was never more than one directory", [(0.5, siblings(1)), (0.9, siblings(1))], False),
        ("nothing is left", [(0.5, [])], False),
    ],
)  # fmt: skip
def test_it_depends_on_what_is_to_come(situation: str, looks: list[tuple[float, list[str]]], due: bool) -> None:
    worth = Worth(ScanOptions(start_method="fork"))
    assert [worth.is_due(spent, ahead) for spent, ahead in looks][-1] is due


def test_bytes_are_paths_too() -> None:
    assert Worth(ScanOptions()).is_due(0.02, [b"/tree/%d" % number for number in range(99)])


def test_several_tasks_at_a_time_may_have_more_left_than_the_one_before() -> None:
    worth = Worth(ScanOptions(start_method="fork"))
    assert [worth.is_due(0.011, siblings(3)), worth.is_due(0.02, siblings(9))] == [False, True]

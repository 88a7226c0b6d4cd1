"""Values that cannot be used are refused in one sentence that names the option."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import scanner
from scanner.options import ScanOptions, cpu_count

BAD = [
    ({"max_workers": 0}, "max_workers must be a whole number from 1 to 256, not 0"),
    ({"max_workers": -1}, "max_workers must be a whole number from 1 to 256, not -1"),
    ({"max_workers": 10_000}, "max_workers must be a whole number from 1 to 256, not 10000"),
    ({"max_workers": "2"}, "max_workers must be a whole number from 1 to 256, not '2'"),
    ({"max_workers": True}, "max_workers must be a whole number from 1 to 256, not True"),
    ({"timeout": 0}, "timeout must be a positive number of seconds, or None for no limit, not 0"),
    ({"timeout": -1.5}, "timeout must be a positive number of seconds, or None for no limit, not -1.5"),
    ({"timeout": float("nan")}, "timeout must be a positive number of seconds, or None for no limit, not nan"),
    ({"timeout": float("inf")}, "timeout must be a positive number of seconds, or None for no limit, not inf"),
    ({"backend": "threads"}, "backend must be one of auto, serial, pool, not 'threads'"),
    ({"start_method": "vfork"}, "start_method must be one of forkserver, spawn, fork, not 'vfork'"),
    ({"gitignore": "yes"}, "gitignore must be True or False, not 'yes'"),
    ({"hidden": None}, "hidden must be True or False, not None"),
    ({"window": 0}, "window must be a whole number of 1 or more, not 0"),
    ({"window": None}, "window must be a whole number of 1 or more, not None"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
@pytest.mark.parametrize("entry", ["walk", "scan", "ParallelScanner"])
def test_a_bad_value_is_refused_before_anything_starts(options: dict[str, Any], message: str, entry: str) -> None:
    with pytest.raises(scanner.OptionError) as caught:
        if entry == "ParallelScanner":
            scanner.ParallelScanner(**options)
        else:
            getattr(scanner, entry)("/nowhere", **options)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


def test_options_are_frozen_and_travel_to_workers() -> None:
    options = ScanOptions(max_workers=3, timeout=1.5)
    assert pickle.loads(pickle.dumps(options)) == options
    with pytest.raises(AttributeError):
        options.max_workers = 4  # type: ignore[misc]


def test_the_default_is_one_worker_a_processor() -> None:
    assert ScanOptions().workers == cpu_count()

"""Invalid values are refused in one sentence that names the option. Options can be reused and overridden."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
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
    ({"max_hung": None}, "max_hung must be a whole number of 0 or more, not None"),
    ({"max_depth": -1}, "max_depth must be a whole number of 0 or more, not -1"),
    ({"max_rate": 0}, "max_rate must be a positive number of requests a second, or None for no limit, not 0"),
    ({"options": {"max_workers": 2}}, "options must be a ScanOptions, not {'max_workers': 2}"),
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


def test_the_default_is_one_worker_for_each_processor() -> None:
    assert ScanOptions().workers == cpu_count()


def test_repr_shows_only_changed_options(tmp_path: Path) -> None:
    assert repr(ScanOptions()) == "ScanOptions()"
    options = ScanOptions(timeout="1.5h", hidden=False, max_hung=3).starting_at([str(tmp_path)])  # type: ignore[arg-type]
    assert repr(options) == "ScanOptions(timeout=5400.0, hidden=False)"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.c", "a.o", ".hidden"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to(tmp_path)
    return tmp_path


def files(result: Any) -> list[str]:
    return sorted(name for _, _, names in result for name in names)


def test_functions_take_options_as_one_object(tree: Path) -> None:
    options = scanner.ScanOptions(exclude="*.o", hidden=False, backend="serial")
    assert files(scanner.walk(tree, options=options)) == ["a.c"]
    assert files(scanner.scan(tree, options=options)) == ["a.c"]
    assert files(scanner.ParallelScanner(options=options).scan_sync(tree)) == ["a.c"]
    assert files(asyncio.run(scanner.scan_parallel(tree, options=options))) == ["a.c"]
    assert [entry.name for entry in scanner.entries(tree, options=options) if entry.type == "f"] == ["a.c"]


def test_keywords_override_options(tree: Path) -> None:
    options = scanner.ScanOptions(exclude="*.o", hidden=False, backend="serial", followlinks=True, max_depth=2)
    assert files(scanner.walk(tree, options=options, hidden=True)) == [".hidden", ".hidden", "a.c", "a.c"]
    assert files(scanner.walk(tree, options=options, followlinks=False)) == ["a.c"]
    assert files(scanner.scan(tree, options=options, exclude=(), followlinks=False)) == ["a.c", "a.o"]


def test_options_at_their_defaults_keep_the_defaults_of_the_function() -> None:
    options = scanner.ScanOptions(nice=True)
    assert scanner.ParallelScanner(options=options).options == ScanOptions(nice=True, timeout=300.0)
    assert scanner.ParallelScanner(options=options, timeout=None).options == ScanOptions(nice=True)
    assert scanner.ParallelScanner(options=scanner.ScanOptions(timeout="1m")).options == ScanOptions(timeout=60.0)


def test_a_file_of_patterns_in_reused_options_is_read_once(tree: Path) -> None:
    rules = tree / "rules"
    rules.write_text("*.o\nrules\n")
    options = scanner.ScanOptions(exclude_from=rules, backend="serial")
    rules.unlink()
    assert files(scanner.scan(tree, options=options, hidden=False)) == ["a.c"]

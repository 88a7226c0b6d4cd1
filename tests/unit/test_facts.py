"""Who reads the directories of a scan: one table, a row for each reason."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.kernel.facts import READERS, facts_of, reader_for, runs_unlocked
from scanner.kernel.native import native
from scanner.kernel.producers.sizes import SIZE_FIELDS
from scanner.options import ProducerSpec, ScanOptions

PATHS, NCDU, SIZES = ((ProducerSpec(kind, arguments),) for kind, arguments in (
    ("paths", (b"\n",)), ("ncdu", ()), ("sizes", (None, False)),
))  # fmt: skip
pytestmark = pytest.mark.skipif(native() is None, reason="requires the compiled reader")


def options_of(*roots: str, **keywords: Any) -> ScanOptions:
    return ScanOptions(**{"pure": False, **keywords}).starting_at(roots or ["/nowhere"])


@pytest.mark.parametrize(
    ("keywords", "reader"),
    [
        ({}, "many"),
        ({"pure": True}, "python"),
        ({"followlinks": True}, "python"),
        ({"followlinks": True, "detect_loops": True}, "single"),
        ({"max_depth": 3}, "many"),
        ({"min_depth": 3}, "many"),
        ({"hidden": False}, "many"),
        ({"types": "f"}, "many"),
        ({"types": "f", "max_depth": 3, "min_depth": 1, "producers": PATHS}, "many"),
        ({"types": "d", "stat": SIZE_FIELDS, "producers": SIZES}, "many"),
        ({"types": "f", "stat": SIZE_FIELDS, "producers": SIZES}, "single"),
        ({"min_depth": 1, "stat": SIZE_FIELDS, "producers": SIZES}, "single"),
        ({"max_depth": 3, "stat": True, "producers": NCDU}, "many"),
        ({"hidden": False, "stat": True, "producers": NCDU}, "single"),
        ({"exclude": "*.c"}, "many"),
        ({"exclude": "*.c", "ignore_case": True}, "single"),
        ({"include": "*.c"}, "single"),
        ({"size": "+1k"}, "many"),
        ({"newer": "1d", "owner": "!0", "perm": "/022", "links": "+1", "producers": PATHS}, "many"),
        ({"size": "+1k", "stat": SIZE_FIELDS, "producers": SIZES}, "single"),
        ({"empty": True, "producers": PATHS}, "many"),
        ({"empty": True, "max_depth": 3}, "single"),
        ({"newer": "@9223372036.854775805"}, "many"),
        ({"newer": "@9223372036.854775807"}, "single"),
        ({"older": "@9223372036.854775806"}, "many"),
        ({"older": "@9223372036.854775807"}, "single"),
        ({"newer": "@-9223372036.854775808"}, "single"),
        ({"prune": lambda _, names: names, "backend": "serial"}, "single"),
    ],
    ids=str,
)
def test_who_reads(keywords: dict[str, Any], reader: str) -> None:
    options = options_of(**keywords)
    assert reader_for(options) == reader
    assert (facts_of(options).native is None) == (reader == "python")


def test_depths_below_nested_roots_are_counted_in_python() -> None:
    assert reader_for(options_of("/a", "/a/b")) == "many"
    assert reader_for(options_of("/a", "/a/b", max_depth=3)) == "single"
    assert reader_for(options_of("/a", "/ab", max_depth=3)) == "many"


@pytest.mark.parametrize(
    ("keywords", "unlocked"),
    [({}, True), ({"max_depth": 3}, True), ({"types": "f", "hidden": False}, True), ({"exclude": "*.c"}, False),
     ({"gitignore": True}, False), ({"size": "1", "newer": "1d"}, True), ({"newer": "1d", "exclude": "*.c"}, False),
     ({"pure": True}, False)],
    ids=str,
)  # fmt: skip
def test_threads_do_not_wait_for_each_other_where_options_only_compare(
    keywords: dict[str, Any], unlocked: bool
) -> None:
    assert runs_unlocked(options_of(**keywords)) == unlocked


def test_every_row_has_a_reason() -> None:
    assert all(reason for _, _, reason in READERS)

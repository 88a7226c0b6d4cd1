"""The compiled reader of directories gives the same results as the one in Python."""

from __future__ import annotations

import marshal
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scanner
from scanner.kernel.facts import reader_name
from scanner.kernel.producers.base import apart
from scanner.kernel.producers.sizes import SIZE_FIELDS
from scanner.kernel.walk import Walker
from scanner.model import Chunk, Task, names
from scanner.options import ProducerSpec, ScanOptions
from tests.conformance.test_any_tree import TREES, build
from tests.conftest import use
from tests.support.faultfs import FaultFS, unavailable
from tests.support.pairwise import pairwise
from tests.support.trees import build as make_profile

PATHS = (ProducerSpec("paths", (b"\n",)),)
LINES = (ProducerSpec("text", ("ndjson", ("type", "size"))),)
PROFILES = tuple(ProducerSpec("profile", (most,)) for most in (3, 4))
SUMMARY: dict[str, Any] = {"stat": True, "producers": (ProducerSpec("summary", (0, 3)),)}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"followlinks": True, "detect_loops": True},
    {"producers": PATHS},
    {"producers": (ProducerSpec("paths", (b"\0",)),)},
    {"producers": ()},
    {"producers": (ProducerSpec("profile", (3,)),)},
    {"stat": ("size", "mode", "mtime_ns")},
    {"stat": True, "producers": (ProducerSpec("table", (("size", "ino"),)),)},
    {"stat": ("size", "mode"), "producers": LINES},
    {"stat": SIZE_FIELDS, "producers": (ProducerSpec("sizes", (None, False)),)},
    {"stat": SIZE_FIELDS, "producers": (ProducerSpec("sizes", (1, False)), *PROFILES)},
    {"stat": True, "producers": (ProducerSpec("ncdu"),)},
    SUMMARY,
    {"one_file_system": True},
    {"max_depth": 3},
    {"max_depth": 2, "stat": ("size",)},
    {"max_depth": 2, "producers": PATHS},
    {"max_depth": 1, "min_depth": 1, "producers": PATHS},
    {"max_depth": 2, "stat": SIZE_FIELDS, "producers": (ProducerSpec("sizes", (None, False)),)},
    {"max_depth": 2, "producers": (ProducerSpec("profile", (3,)),)},
    {"max_depth": 2, "stat": True, "producers": (ProducerSpec("ncdu"),)},
    {"max_depth": 3, "types": "f"},
    {"max_depth": 3, "types": "d", "stat": True, "producers": (ProducerSpec("table", (("size", "ino"),)),)},
    {"max_depth": 3, "min_depth": 2, "stat": ("size", "mode"), "producers": LINES},
    {"max_depth": 3, "types": "f,l", "hidden": False, "producers": ()},
    {"min_depth": 2},
    {"min_depth": 3, "types": "l,d", "stat": ("size",)},
    {"min_depth": 2, **SUMMARY},
    {"hidden": False},
    {"hidden": False, "max_depth": 3, "exclude": "*.py", "producers": (ProducerSpec("paths", (b"\0",)),)},
    {"hidden": False, "stat": True, "producers": (ProducerSpec("ncdu"),)},
    {"exclude": ("*.py", "/d1*", "*2", "!d12*")},
    {"exclude": ("no such name", "*.nothing", "nothing*", "a/b/c", "?no")},
    {"exclude": "*a*b*", "gitignore": True},
    {"hidden": False, "exclude_if_present": "f1", "exclude_caches": True, "producers": PATHS},
    {"exclude": "[!d]*", "stat": ("size",)},
    {"exclude": "D*", "ignore_case": True},
    {"include": "*.c"},
    {"types": "f"},
    {"types": "l,s", "stat": ("size",)},
    {"types": "f", "producers": PATHS},
    {"types": "d,l,p", "exclude": "d1*", "producers": PATHS},
    {"types": "f", "producers": ()},
    {"types": "f", "stat": True, "producers": (ProducerSpec("table", (("size", "ino"),)),)},
    {"types": "f", "stat": ("size", "mode"), "producers": LINES},
    {"size": "+1", "producers": PATHS},
    {"newer": "1d", "perm": "/022", "types": "f,d", "stat": ("size", "mode"), "producers": LINES},
    {"owner": "!0", "links": "+1"},
    {"empty": True, "producers": PATHS},
    {"links": "-3", "max_depth": 2, "producers": PATHS},
    {"older": "@0", "max_depth": 2},
    {"perm": "-u+s", "max_depth": 1, "stat": ("size",)},
    {"size": "0", "exclude": "f1*", "stat": True},
    {"types": "f", "stat": True, "producers": tuple(ProducerSpec("table", ((name,),)) for name in ("size", "ino"))},
]


NOT_COMPARED = (
    "seconds",
    "cpu",
    "opening",
    "slow",
    "listings",
    "output",
    "size",
    "requests",
)  # two estimates at the end
COMPARED = [name for name in Chunk.__slots__ if name not in NOT_COMPARED]
MARSHALLED = ("profile", "sizes", "summary")  # equal values may be written in two ways


def output_of(chunk: Chunk, options: dict[str, Any]) -> list[Any]:
    """Return the output of each producer."""
    kinds = [producer.kind for producer in options.get("producers") or ()]
    made = zip(kinds, apart(chunk.output, len(kinds)), strict=True) if kinds else ()
    return [marshal.loads(each) if kind in MARSHALLED else bytes(each) for kind, each in made]


def walked(top: Any, pure: bool, joined: bool, options: dict[str, Any], entries: int = 10_000) -> list[Any]:
    """Return the contents of all Chunks of a walk."""
    if options.get("followlinks"):
        options = {**options, "max_depth": 30}  # its links lead round in circles
    walker = Walker(ScanOptions(pure=pure, **options).starting_at([top]), joined=joined)
    found, todo, position, rules = list[Any](), [top], 0, dict[Any, Any]()
    try:
        while todo:
            chunk = walker.walk(Task(1, todo, position, entries, 60.0, rules=rules))
            rules = {**rules, **chunk.rules}
            found += [[(path, *map(names, packed)) for path, *packed in chunk], output_of(chunk, options)]
            found.append([getattr(chunk, name) for name in COMPARED])
            todo, position = chunk.leftovers, chunk.position
    finally:
        walker.close()
    return found


CAN_BUILD = (
    sys.platform == "linux"
    and shutil.which(sysconfig.get_config_var("CC").split()[0]) is not None
    and Path(sysconfig.get_path("include"), "Python.h").exists()
)


needs_compiler = pytest.mark.skipif(not CAN_BUILD, reason="needs Linux, a C compiler and the headers of Python")


@needs_compiler
def test_where_it_can_be_built_it_is_used(reader: str) -> None:
    assert reader_name(ScanOptions()) == {"compiled": "compiled", "pure": "python"}[reader]
    assert reader_name(ScanOptions(followlinks=True)) == "python", "opened by path, as os.walk does"


COLUMNS: list[list[Any]] = [OPTIONS, ["monorepo", "odd", "flat"], [True, False], [100, 1 << 20]]
FULL = "odd"
"""The profile with all combinations; on the others, which are larger, each pair of values occurs."""
CASES = [*product(OPTIONS, [FULL], *COLUMNS[2:]), *(row for row in pairwise(*COLUMNS) if row[1] != FULL)]


@pytest.fixture(scope="module")
def profiles(trees: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the trees, but a flat one whose huge directory is only 30 times as large as a Chunk of 100 entries."""
    flat = make_profile(tmp_path_factory, "flat", 30, 3_000)
    return {"monorepo": trees["monorepo"], "odd": trees["odd"], "flat": flat}


@pytest.mark.parametrize(("options", "profile", "joined", "entries"), CASES, ids=str)
def test_on_every_profile(
    options: dict[str, Any], profile: str, joined: bool, entries: int, profiles: dict[str, Path]
) -> None:
    if profile == "odd" and "followlinks" in options:
        pytest.skip("its symlinks lead through the whole machine")
    tops: list[Any] = [str(profiles[profile])]
    if options.get("producers") is None:
        tops.append(os.fsencode(tops[0]))
    for top in tops:
        compiled, pure = (walked(top, pure, joined, options, entries) for pure in (False, True))
        assert compiled == pure


@given(tree=TREES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_on_any_tree(tree: dict[bytes, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build(os.fsencode(folder), tree)
        for options in OPTIONS[::2]:
            assert walked(folder, False, True, options) == walked(folder, True, True, options)


COMPARISONS = st.fixed_dictionaries(
    {},
    optional={
        "max_depth": st.integers(1, 4), "min_depth": st.integers(0, 4), "hidden": st.just(False),
        "types": st.sampled_from(["f", "d", "l", "f,d", "l,p"]),
    },
)  # fmt: skip


@given(tree=TREES, options=COMPARISONS, number=st.integers(0, 99), entries=st.sampled_from([1, 3, 100, 1 << 20]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_options_that_only_compare_on_any_tree(
    tree: dict[bytes, Any], options: dict[str, Any], number: int, entries: int
) -> None:
    """With every kind of output, in Chunks of any size."""
    outputs = [{name: each[name] for name in ("stat", "producers") if name in each} for each in OPTIONS]
    options = {**options, **outputs[number % len(outputs)]}
    with tempfile.TemporaryDirectory() as folder:
        build(os.fsencode(folder), {b"a": {b".h": tree, b".f": None, b"b": {b"c": tree, b"d": {}}}})
        assert walked(folder, False, True, options, entries) == walked(folder, True, True, options, entries)


MOMENTS = st.sampled_from([f"@{1000 + day}.{rest:09}" for day in (0, 1, 2) for rest in (0, 1)])
STATUS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.sampled_from(["0", "+1", "-2", ("+1", "-1")]), "newer": MOMENTS, "older_atime": MOMENTS,
        "older_ctime": st.sampled_from(["1h", "0s"]), "links": st.sampled_from(["1", "+1", "-3"]),
        "owner": st.sampled_from(["0", "!0", "1,2", "!1,!2"]), "group": st.sampled_from(["0", "!0"]),
        "perm": st.sampled_from(["644", "-u+s", "/o+wX", "g+rX"]), "empty": st.just(True),
        "types": st.sampled_from(["f", "d", "l", "f,d"]), "min_depth": st.integers(0, 3),
        "max_depth": st.integers(1, 4), "hidden": st.just(False), "exclude": st.sampled_from(["*a*", "b"]),
    },
)  # fmt: skip


def vary(top: bytes, seed: int) -> None:
    """Give all entries of a tree a status that depends on the seed."""
    some = random.Random(seed)
    for folder, dirs, files in os.walk(top, topdown=False):
        for name in dirs + files:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                if name in files:
                    Path(os.fsdecode(path)).write_bytes(b"x" * some.randrange(3))
                if os.geteuid() == 0:
                    os.chown(path, some.randrange(3), some.randrange(2))
                os.chmod(path, 0o700 | some.choice([0o644, 0o755, 0o4722, 0o27, 0o70]))
            times = [(1000 + some.randrange(3)) * 10**9 + some.randrange(2) for _ in range(2)]
            os.utime(path, ns=(times[0], times[1]), follow_symlinks=False)


@given(
    tree=TREES, seed=st.integers(0, 99), options=STATUS, number=st.integers(0, 99),
    entries=st.sampled_from([3, 100, 1 << 20]),
)  # fmt: skip
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_selection_by_status_on_any_tree(
    tree: dict[bytes, Any], seed: int, options: dict[str, Any], number: int, entries: int
) -> None:
    """With every kind of output, in Chunks of any size."""
    outputs = [{name: each[name] for name in ("stat", "producers") if name in each} for each in OPTIONS]
    outputs = [each for each in outputs if each != SUMMARY]  # it numbers files of one size in two ways
    options = {**options, **outputs[number % len(outputs)]}
    with tempfile.TemporaryDirectory() as folder:
        build(os.fsencode(folder), {b"a": {b".h": tree, b".f": None, b"b": {b"c": tree, b"d": {}}}})
        vary(os.fsencode(folder), seed)
        assert walked(folder, False, True, options, entries) == walked(folder, True, True, options, entries)


@pytest.mark.parametrize(
    "options",
    [
        {"max_depth": 3},
        {"max_depth": 4, "types": "f,l", "hidden": False},
        {"min_depth": 2, "stat": ("size", "ino")},
        {"size": "+1", "perm": "/022", "stat": ("size",)},
    ],
    ids=str,
)
def test_options_that_only_compare_on_every_backend(
    backend: dict[str, Any], options: dict[str, Any], trees: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [scanner.scan(trees["odd"], **options, **backend)]
    with monkeypatch.context() as patch:
        use("pure", patch)
        results.append(scanner.scan(trees["odd"], **options, backend="serial"))
    compiled, pure = ([*result.entries()] if "stat" in options else list(result) for result in results)
    assert compiled == pure
    assert results[0].errors == results[1].errors


@pytest.mark.parametrize("count", [127, 999, 1000, 1001, 2000])
def test_names_that_fill_more_than_one_buffer(count: int, tmp_path: Path) -> None:
    for number in range(count):
        (tmp_path / f"{number:0255}").touch()
    for joined in (True, False):
        compiled, pure = (walked(str(tmp_path), pure, joined, {}, entries=1000) for pure in (False, True))
        assert compiled == pure


def test_ctrl_c_ends_a_directory_that_costs_a_round_trip_an_entry(tmp_path: Path) -> None:
    """Also where all of it is one call of the compiled reader."""
    if reason := unavailable():
        pytest.skip(reason)
    with FaultFS(
        tmp_path / "m", tree={f"f{i}": 1 for i in range(2000)}, rules=[{"path": "*", "dtype": "unknown"}]
    ) as fs:
        fs.latency({"lookup": 20, "getattr": 20})
        script = f"import scanner; list(scanner.walk({fs.mnt!r}, backend='serial'))"
        process = subprocess.Popen([sys.executable, "-P", "-c", script], stderr=subprocess.DEVNULL)
        while fs.stats()["ops"].get("lookup", 0) < 5:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
        assert fs.stats()["ops"]["lookup"] < 1000


def test_a_directory_that_is_removed_once_it_is_open_is_empty(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system says that it is not there; the C library, and so `os.walk`, that it has come to its end."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = scanner.scan(".")
    assert result == list(os.walk(".")) == [(".", [], [])]
    assert result.errors == []

"""Editors see every option: the stub is up to date, and jedi completes keywords and fields from it."""

from __future__ import annotations

import inspect
import os
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jedi
import pytest

import scanner
from scanner.options import PUBLIC

ROOT = Path(__file__).parents[2]
PROJECT = jedi.Project(ROOT)
CALLS = ["walk", "entries", "scan", "du", "why", "awalk", "aentries", "scan_parallel", "ParallelScanner", "ScanOptions"]


def script(code: str) -> Any:
    return jedi.Script(f"import scanner\n{code}", project=PROJECT, environment=jedi.InterpreterEnvironment())


def test_the_stub_is_up_to_date() -> None:
    subprocess.run([sys.executable, "tools/make_stub.py", "--check"], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", CALLS)
def test_jedi_completes_all_options(name: str) -> None:
    completed = {completion.name for completion in script(f"scanner.{name}(").complete()}
    assert {f"{option}=" for option in accepted_by(name)} <= completed


@pytest.mark.parametrize("name", CALLS)
def test_signature_help_describes_all_options(name: str) -> None:
    """Pyright shows the first line that begins with the name of a parameter, jedi the docstring."""
    (signature, *_) = script(f"scanner.{name}(").get_signatures()
    described = {line.strip().partition(": ")[0] for line in signature.docstring().splitlines()}
    assert accepted_by(name) <= described
    assert {parameter.name for parameter in signature.params} <= described | {"*"}


@pytest.mark.parametrize("name", CALLS)
def test_help_shows_all_options(name: str) -> None:
    called = getattr(scanner, name)
    parameters = inspect.signature(called).parameters
    assert accepted_by(name) <= set(parameters)
    described = {line.strip().partition(": ")[0] for line in (inspect.getdoc(called) or "").splitlines()}
    assert set(parameters) <= described


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("for entry in scanner.entries('x'):\n    entry.ctim", "ctime_ns"),
        ("scanner.scan('x').err", "errors"),
        ("scanner.scan('x').stats.lat", "latencies"),
        ("scanner.ParallelScanner().scan_", "scan_sync"),
    ],
)
def test_jedi_completes_results(code: str, name: str) -> None:
    assert [completion.name for completion in script(code).complete()] == [name]


def test_signatures_show_the_defaults_of_each_function() -> None:
    assert inspect.signature(scanner.walk).parameters["followlinks"].default is False
    assert inspect.signature(scanner.entries).parameters["stat"].default is True
    assert inspect.signature(scanner.scan_parallel).parameters["max_workers"].default == 4
    assert inspect.signature(scanner.ParallelScanner).parameters["timeout"].default == 300
    assert inspect.signature(scanner.ScanOptions).parameters["timeout"].default is None
    assert "def walk(" in inspect.getsource(scanner.walk)


def accepted_by(name: str) -> set[str]:
    of_walk = {"stat", "partial_listings"}
    refused = {"walk": of_walk, "awalk": of_walk, "du": {"stat"}, "why": {"stat"}}
    return set(PUBLIC) - refused.get(name, set())


@pytest.mark.parametrize("name", CALLS)
def test_help_begins_as_in_the_standard_library(name: str) -> None:
    """Names and defaults, no annotations; then a sentence on one line."""
    called = getattr(scanner, name)
    assert all(each.annotation is each.empty for each in inspect.signature(called).parameters.values())
    assert str(inspect.signature(called)) in pydoc.plain(pydoc.render_doc(called))
    assert (inspect.getdoc(called) or "").partition("\n")[0].endswith(".")


def test_help_of_walk_begins_with_the_parameters_of_os_walk() -> None:
    shown = str(inspect.signature(os.walk)).removesuffix(")")
    assert str(inspect.signature(scanner.walk)).startswith(f"{shown}, *, client=None, options=None, ")


def test_every_public_name_is_described() -> None:
    for name in scanner.__all__:
        assert inspect.getdoc(getattr(scanner, name)), name
        assert re.search(rf"\b{name}\b", scanner.__doc__ or ""), f"help(scanner) does not name {name}"

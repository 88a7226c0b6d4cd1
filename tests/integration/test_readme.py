"""Every code block of the README runs, every command in it exists, its figures stand in the results."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import PAGES, filled
from tests.support.shell import ROOT

README = (ROOT / "README.md").read_text()
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^\$ (scanner .*)$", README, re.MULTILINE)


def test_there_are_blocks_and_commands() -> None:
    assert len(PYTHON_BLOCKS) >= 3
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=range(len(PYTHON_BLOCKS)))
def test_a_python_block_runs(block: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", block],
        capture_output=True, text=True, timeout=50, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str, tmp_path: Path) -> None:
    """With this checkout behind the name `scanner`."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "scanner"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m scanner "$@"\n')
    script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True, text=True, timeout=50, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_figures_are_those_of_the_results(page: Path) -> None:
    assert filled(page.read_text()) == page.read_text(), "python benchmarks/figures.py writes them anew"


def test_the_options_are_all_there() -> None:
    from scanner.options import PUBLIC

    for name in PUBLIC:
        assert f"| `{name}` |" in README

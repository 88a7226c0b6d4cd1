"""On a terminal: no line of output ever has progress in it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

import scanner
from tests.support.faultfs import FaultFS, unavailable
from tests.support.shell import SCANNER, call

SLOW = ["--max-rate", "750"]  # requests a second: there is time for progress


def on_terminal(*arguments: str | Path, stdout: int | None = None) -> str:
    """Return what a terminal receives as both streams, or as standard error only."""
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*SCANNER, *map(str, arguments)], stdout=slave if stdout is None else stdout, stderr=slave, stdin=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"}, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    seen = b""
    try:
        while piece := os.read(master, 65536):
            seen += piece
    except OSError:  # the other side is closed
        pass
    process.wait(timeout=60)
    os.close(master)
    return seen.decode(errors="surrogateescape")


WRITING = {
    "list": ["list"],
    "list to standard output": ["list", "-o", "-"],
    "list to the terminal by name": ["list", "-o", "/dev/stdout"],
    "list with --progress": ["list", "--progress"],
    "du": ["du"],
    "du with --progress": ["du", "--progress"],
}


@pytest.mark.parametrize("command", WRITING)
def test_lines_written_while_the_scan_runs_are_whole(command: str, trees: dict[str, Path]) -> None:
    top = trees["monorepo"]
    seen = on_terminal(*WRITING[command], *SLOW, top)
    plain = subprocess.run([*SCANNER, *WRITING[command][:1], top], capture_output=True, check=True).stdout.decode()
    assert seen.replace("\r\n", "\n") == plain
    assert "\x1b" not in seen


@pytest.mark.parametrize("command", [["scan"], ["treemap", "-o", "{}/x.svg"], ["list", "-o", "{}/x.txt"]])
def test_progress_is_gone_before_the_report_is_written(
    command: list[str], trees: dict[str, Path], tmp_path: Path
) -> None:
    seen = on_terminal(*(argument.format(tmp_path) for argument in command), *SLOW, trees["monorepo"])
    assert re.search(r"[0-9] of [0-9,]+\+ directories", seen), "shown while nothing else is written"
    after = seen.rpartition("\x1b[2K")[2]  # the last erased line
    assert "+ directories" not in after
    if command[0] == "scan":
        assert "Outcome             complete" in after


def test_progress_is_shown_where_the_list_goes_elsewhere(trees: dict[str, Path]) -> None:
    assert "+ directories" in on_terminal("list", *SLOW, trees["monorepo"], stdout=subprocess.DEVNULL)


def test_a_pipe_may_end_on_the_same_terminal(trees: dict[str, Path]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert "directories" not in on_terminal("list", *SLOW, trees["odd"], stdout=writer)
    finally:
        os.close(writer)


def test_an_earlier_snapshot_tells_how_much_is_left(trees: dict[str, Path], tmp_path: Path) -> None:
    store = tmp_path / "s.snap"
    call("scan", "--store", store, trees["monorepo"])
    seen = on_terminal("scan", *SLOW, "--trust", "nothing", "--store", store, trees["monorepo"])
    entries = scanner.Store(store).snapshots[0].entries
    assert re.search(rf"[0-9]+ % of snapshot 1's {entries:,} entries, [0-9]+ s left", seen)


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_a_directory_that_does_not_answer_is_named(tmp_path: Path) -> None:
    tree = {"stuck": {"f": 1}, **{f"d{number}": {"f": 1} for number in range(20)}}
    with FaultFS(tmp_path / "m", tree=tree, rules=[{"path": "/stuck", "op": "opendir", "hang": "killable"}]) as fs:
        seen = on_terminal("scan", "--dir-timeout", "4s", fs.mnt)
    assert re.search(rf"waiting [2-5] s for {fs.mnt}/stuck", seen)
    assert "timeout" in seen

"""Names with control characters are escaped on a terminal, and unchanged in files and pipes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.shell import SCANNER, run

NAMES = [
    b"red\x1b[31m", b"csi\xc2\x9b31m", b"bell\x07", b"back\x08\x08", b"two\nlines", b"tab\there", b"return\rto",
    b"del\x7f", b"bytes\x9b31m\xff", b"turned\xe2\x80\xaeback", b"osc\x1b]0;title\x07", b"plain  name", "日本".encode(),
]  # fmt: skip
WAYS = {"serial": ["--backend", "serial"], "pool": ["--backend", "pool", "--workers", "2"]}
COMMANDS = {
    "paths": ["list"],
    "template": ["list", "--template", "{path} {name:>40} {size} {parent}"],
    "repr": ["list", "--template", "{path!r} {name!a}"],
    "csv": ["list", "--format", "csv", "--fields", "type,size"],
    "ndjson": ["list", "--format", "ndjson", "--fields", "type,size"],
    "ncdu": ["list", "--format", "ncdu"],
    "folded": ["list", "--format", "folded"],
    "to /dev/tty": ["list", "-o", "/dev/tty"],
    "to /dev/stdout": ["list", "--template", "{name}", "-o", "/dev/stdout"],
    "du": ["du"],
    "du --top": ["du", "--top", "5"],
    "report": ["scan", "--sizes", "-v"],
    "json": ["scan", "--sizes", "--json"],
}
COMMANDS_IN_IT = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae")


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("names") / "top"
    top.mkdir()
    for name in NAMES:
        place = os.path.join(os.fsencode(top), name)
        os.mkdir(place)
        os.mknod(os.path.join(place, name))
    return top


def on_a_terminal(*arguments: Any) -> bytes:
    """Return what the terminal receives by standard output and /dev/tty; standard error is a pipe."""
    master, slave = pty.openpty()
    received = b""
    try:
        process = subprocess.Popen(
            ["setsid", "--ctty", *SCANNER, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1"},
        )
        os.close(slave)
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # it is closed at the other end
                break
            if not piece:
                break
            received += piece
        _, errors = process.communicate(timeout=60)
    finally:
        os.close(master)
    assert (process.returncode, errors) == (0, b"")
    return re.sub(rb"\r+\n", b"\n", received)  # CSV has one of its own, the terminal adds another


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_name_commands_the_terminal(command: str, way: str, top: Path) -> None:
    shown = on_a_terminal(COMMANDS[command][0], *WAYS[way], *COMMANDS[command][1:], top)
    assert COMMANDS_IN_IT.search(shown.replace(b"\t", b"") if command.startswith("du") else shown) is None
    if command not in ("du", "du --top", "report", "repr"):
        assert b"plain  name" in shown
        assert "日本".encode() in shown


@pytest.mark.parametrize("way", WAYS)
def test_a_line_on_the_terminal_is_one_entry(way: str, top: Path) -> None:
    lines = on_a_terminal("list", *WAYS[way], top).splitlines()
    assert len(lines) == 1 + 2 * len(NAMES)
    assert rb"red\x1b[31m" in b"".join(lines)
    assert os.fsencode(top) + rb"/two\nlines/two\nlines" in lines
    assert os.fsencode(top) + rb"/bytes\x9b31m\xff" in lines


def test_names_are_as_they_are_in_pipes_and_files_and_between_nuls(top: Path, tmp_path: Path) -> None:
    everything = sorted([os.fsencode(top), *(os.fsencode(top) + b"/" + n for n in NAMES),
                         *(os.fsencode(top) + b"/" + n + b"/" + n for n in NAMES)])  # fmt: skip
    assert sorted(run("list", "-0", top).stdout.split(b"\0")[:-1]) == everything
    assert sorted((run("list", top).stdout).splitlines(keepends=True)) == sorted(
        b"".join(path + b"\n" for path in everything).splitlines(keepends=True)
    )
    assert on_a_terminal("list", "-o", tmp_path / "paths", top) == b""
    assert (tmp_path / "paths").read_bytes() == run("list", top).stdout
    shown = on_a_terminal("list", "-0", top)
    assert b"red\x1b[31m\0" in shown
    assert b"\tosc" not in run("du", top).stdout
    assert b"osc\x1b]0;title\x07\n" in run("du", top).stdout


def test_json_has_no_control_character_anywhere(top: Path, tmp_path: Path) -> None:
    for arguments in (["list", "--format", "ndjson"], ["scan", "--json"]):
        text = run(*arguments, top).stdout
        assert COMMANDS_IN_IT.search(text.replace(b"\xe2\x80\xae", b"")) is None
        for line in text.splitlines() if arguments[0] == "list" else [text]:
            json.loads(line)
    paths = [json.loads(line)["path"] for line in run("list", "--format", "ndjson", top).stdout.splitlines()]
    assert f"{top}/csi\x9b31m" in paths
    assert f"{top}/del\x7f" in paths

"""A wrong command line: one sentence that names what is wrong, and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shell import call

COMMANDS = ("scan", "list", "du", "treemap", "estimate", "why")


def refused(*arguments: str | Path) -> list[str]:
    result = call(*arguments)
    assert result.returncode == 2
    assert result.stdout == b""
    return result.stderr.decode().splitlines()


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        (["lst", "."], "unknown command 'lst' (did you mean list?)", "scanner"),
        (
            ["xyzzy"],
            "unknown command 'xyzzy'; the commands are scan, list, du, treemap, snapshots, diff, nightly, estimate, "
            "why",
            "scanner",
        ),
        (["list", "--exlude", "x", "."], "unrecognized arguments: --exlude (did you mean --exclude?)", "scanner list"),
        (["list", "--formt=csv", "."], "unrecognized arguments: --formt=csv (did you mean --format?)", "scanner list"),
        (["du", "--zzz", "."], "unrecognized arguments: --zzz", "scanner du"),
        (["scan"], "the following arguments are required: ROOT", "scanner scan"),
        (["scan", "--backend", "gpu", "."], None, "scanner scan"),
        ([], "the following arguments are required: COMMAND", "scanner"),
        (["--verson"], "unknown option '--verson' (did you mean --version?)", "scanner"),
        (["--exclude", "x", "list", "."], "unknown option '--exclude'; options of a command come after it", "scanner"),
        (["scan", "--top", "3", "."], "unrecognized arguments: --top (an option of du, diff)", "scanner scan"),
    ],
)
def test_wrong_usage_is_one_sentence_and_a_hint(arguments: list[str], sentence: str | None, hint: str) -> None:
    lines = refused(*arguments)
    assert len(lines) == 2
    assert sentence is None or lines[0] == f"scanner: {sentence}"
    assert lines[1] == f"Try '{hint} --help'."


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_may_be_abbreviated(command: str) -> None:
    """A new option would change the meaning of an abbreviation."""
    output = ["-o", "x.svg"] if command == "treemap" else []
    assert "unrecognized arguments: --exclud" in refused(command, "--exclud=x", *output, ".", ".")[0]
    assert "unrecognized arguments: --one-file" in refused(command, "--one-file", *output, ".", ".")[0]


@pytest.mark.parametrize("time", ["1h", "90", "1.5h", "2h30m", "1d", "500ms"])
@pytest.mark.parametrize("option", ["--timeout", "--dir-timeout"])
def test_times_have_units(option: str, time: str, tmp_path: Path) -> None:
    assert call("list", option, time, tmp_path).returncode == 0


@pytest.mark.parametrize("option", ["--timeout", "--dir-timeout"])
@pytest.mark.parametrize("time", ["soon", "1 h", "1h30", "", "1e"])
def test_invalid_durations_are_refused(option: str, time: str, tmp_path: Path) -> None:
    assert f"argument {option}: {time!r} is not a duration like" in refused("list", f"{option}={time}", tmp_path)[0]


@pytest.mark.parametrize("option", ["--newer", "--older"])
def test_filters_take_the_same_durations(option: str, tmp_path: Path) -> None:
    for time in ("1y", "1d12h", "2w", "30min", "90m"):
        assert call("list", option, time, tmp_path).returncode == 0
    assert option in refused("list", option, "1q", tmp_path)[0]


def test_a_rate_beyond_all_limits(tmp_path: Path) -> None:
    for backend in ("serial", "auto", "pool"):
        assert call("list", "--max-rate", "1e300", "--backend", backend, tmp_path).returncode == 0


def test_names_in_messages_are_escaped(tmp_path: Path) -> None:
    rules = tmp_path / "pat\x1b[31m"
    rules.write_text("[\n")
    assert b"\x1b" not in call("list", "--exclude-from", rules, tmp_path).stderr
    assert b"\x1b" not in call("list", "x\x1b[31m", "--nonsense\x1b[31m").stderr

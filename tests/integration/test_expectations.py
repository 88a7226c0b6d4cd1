"""--expect-fs and --min-entries find roots that are empty or not mounted, which are readable."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from scanner.mounts import filesystem_type
from tests.support.shell import SCANNER, call

COMMANDS = {"scan": [], "list": [], "du": [], "treemap": ["-o", "{}/x.svg"]}


def with_output(command: str, tmp_path: Path) -> list[str]:
    return [command, *(argument.format(tmp_path) for argument in COMMANDS[command])]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_root_has_fewer_entries_than_expected(command: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = call(*with_output(command, tmp_path), "--min-entries", "1", tmp_path / "empty")
    assert result.returncode == 1
    assert b"0 entries were found in all, fewer than 1" in result.stdout + result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_root_on_another_file_system_than_expected(command: str, tmp_path: Path) -> None:
    kind = filesystem_type(str(tmp_path))
    result = call(*with_output(command, tmp_path), "--expect-fs", "nfs4,cifs", tmp_path)
    assert result.returncode == 1
    assert (
        f"its file system is {kind}, not nfs4 or cifs: is it mounted?"
        in result.stdout.decode() + result.stderr.decode()
    )
    assert call(*with_output(command, tmp_path), "--expect-fs", f"nfs4,{kind}", tmp_path).returncode == 0


def test_a_mount_point_where_nothing_is_mounted(tmp_path: Path) -> None:
    """With the file system mounted the same command is complete."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("no mounts here")
    (tmp_path / "mnt").mkdir()
    command = [*SCANNER, "scan", "--expect-fs", "tmpfs", "--min-entries", "2", f"{tmp_path}/mnt"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    mounted = f'mount -t tmpfs none {tmp_path}/mnt && touch {tmp_path}/mnt/a {tmp_path}/mnt/b && exec "$@"'
    result = subprocess.run(["unshare", "-m", "sh", "-c", mounted, "sh", *command], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_the_reason_is_in_reports_and_in_the_errors(tmp_path: Path) -> None:
    report, errors = tmp_path / "r.json", tmp_path / "e.ndjson"
    (tmp_path / "empty").mkdir()
    result = call("scan", "--min-entries", "5", "--report", report, "--errors", errors, tmp_path / "empty")
    assert result.returncode == 1
    assert "unexpected" in result.stdout.decode()
    data = json.loads(report.read_text())
    assert (data["outcome"], data["errors"]) == ("incomplete", {"unexpected": 1})
    (fault,) = map(json.loads, errors.read_text().splitlines())
    assert fault == data["faults"][0]
    assert (fault["operation"], fault["kind"]) == ("expect", "unexpected")


def test_a_root_that_is_missing_stays_a_failure(tmp_path: Path) -> None:
    assert call("scan", "--min-entries", "5", "--expect-fs", "ext4", tmp_path / "missing").returncode == 3


def test_du_of_files_only(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    assert call("du", "--min-entries", "5", tmp_path / "f").returncode == 1


def test_one_of_several_roots_is_empty(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "f").touch()
    (tmp_path / "empty").mkdir()
    result = call("list", "--min-entries", "1", tmp_path / "full", tmp_path / "empty")
    assert result.returncode == 1
    assert f"in '{tmp_path}/empty': it is empty" in result.stderr.decode()
    assert call("list", tmp_path / "full", tmp_path / "empty").returncode == 0


def test_an_unmet_expectation_is_in_the_record(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = call("list", "--format", "ndjson", "--trailer", "--min-entries", "1", tmp_path / "empty")
    (unreadable,) = json.loads(result.stdout.splitlines()[-1])["scan"]["unreadable"]
    assert unreadable["kind"] == "unexpected"


def test_a_number_below_zero_is_refused(tmp_path: Path) -> None:
    assert call("list", "--min-entries", "-5", tmp_path).returncode == 2

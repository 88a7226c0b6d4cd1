"""Output files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scanner.errors import OutputError
from scanner.export.output import Output


def test_a_file_appears_when_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with Output(str(target)) as output:
        output.write(b"one")
        output.write(memoryview(b"two"))
        assert not target.exists()
    assert target.read_bytes() == b"onetwo"
    assert os.listdir(tmp_path) == ["out"]


def test_after_an_error_the_old_file_is_still_there(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")
    with pytest.raises(KeyError), Output(str(target)) as output:
        output.write(b"new")
        raise KeyError
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_stays_a_link_and_a_mode_stays_a_mode(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.touch(0o600)
    (tmp_path / "link").symlink_to("real")
    with Output(str(tmp_path / "link")) as output:
        output.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_device_is_written_to_as_it_is() -> None:
    with Output("/dev/null") as output:
        output.write(b"x")
    assert os.path.exists("/dev/null")
    assert not os.path.isfile("/dev/null")


@pytest.mark.parametrize(
    ("target", "reason"),
    [("no/such/folder/out", "No such file or directory"), (".", "it is a directory")],
)
def test_a_target_that_cannot_be_is_one_sentence(
    target: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError) as caught, Output(target):
        pass
    assert str(caught.value) == f"cannot write '{target}': {reason}"


def test_a_full_disk_is_one_sentence() -> None:
    with (
        pytest.raises(OutputError, match="cannot write '/dev/full': No space left on device"),
        Output("/dev/full") as out,
    ):
        out.write(b"x")


def test_standard_streams_by_their_names_are_written_to_as_they_are(tmp_path: Path) -> None:
    """A log that the shell has opened for appending is not replaced."""
    log = tmp_path / "log"
    log.write_bytes(b"first\n")
    with log.open("ab") as target:
        with Output(f"/dev/fd/{target.fileno()}") as output:
            output.write(b"second\n")
        target.write(b"third\n")
    assert log.read_bytes() == b"first\nsecond\nthird\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_what_is_replaced_stays(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.touch(0o640)
    os.chown(target, 65534, 65534)
    with Output(str(target)) as output:
        output.write(b"new")
    status = target.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (65534, 65534, 0o640)

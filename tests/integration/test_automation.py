"""The examples for cron, systemd and CI work as documented."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.shell import ROOT, SCANNER
from tests.support.trees import make

EXAMPLES = ROOT / "docs" / "examples"
WORKFLOWS = ROOT / ".github" / "workflows"


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Make a tree, and an environment in which `scanner` is this checkout and `logger` writes to a file."""
    make(tmp_path / "srv", {"a": {"b": None}, "c": None})
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "scanner", f'PYTHONPATH={ROOT} exec {" ".join(SCANNER)} "$@"')
    script(tmp_path / "bin" / "logger", f'echo "$*" >> {tmp_path}/log')
    return {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def placed(text: str, tmp_path: Path) -> str:
    """Replace system directories by temporary ones."""
    (tmp_path / "state").mkdir(exist_ok=True)
    for theirs, ours in (
        ("/run/lock/scan", tmp_path / "lock"), ("/var/lib/scan", tmp_path / "state"),
        ("${STATE_DIRECTORY}", tmp_path / "state"),
    ):  # fmt: skip
        text = text.replace(theirs, str(ours))
    return re.sub(r"(?<!\S)/srv(?!\S)", str(tmp_path / "srv"), text)


def cron_command(tmp_path: Path) -> str:
    (line,) = (line for line in (EXAMPLES / "scan.cron").read_text().splitlines() if not line.startswith("#"))
    minute, hour, *_, user, command = line.split(maxsplit=6)
    assert (minute, hour, user) == ("10", "2", "root")
    assert "%" not in command, "cron treats it as a line break"
    return placed(command, tmp_path)


@pytest.mark.skipif(shutil.which("flock") is None, reason="util-linux")
def test_the_cron_line(tmp_path: Path, machine: dict[str, str]) -> None:
    done = subprocess.run(["sh", "-c", cron_command(tmp_path)], env=machine, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b""), "cron sends mail for any output"
    assert json.loads((tmp_path / "state" / "report.json").read_text())["outcome"] == "complete"
    assert (tmp_path / "state" / "report.html").exists()
    assert not (tmp_path / "log").exists()


@pytest.mark.skipif(shutil.which("flock") is None, reason="util-linux")
def test_the_cron_line_logs_failures_and_never_runs_twice(tmp_path: Path, machine: dict[str, str]) -> None:
    command = cron_command(tmp_path)
    held = f"flock {tmp_path}/lock sh -c '{command}'"
    subprocess.run(["sh", "-c", held], env=machine, capture_output=True, check=True)
    shutil.rmtree(tmp_path / "srv")
    subprocess.run(["sh", "-c", command], env=machine, capture_output=True, check=True)
    assert (tmp_path / "log").read_text() == "-t scan exit code 75\n-t scan exit code 3\n"


def test_the_service_runs(tmp_path: Path, machine: dict[str, str]) -> None:
    unit = (EXAMPLES / "scan.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    subprocess.run(["sh", "-c", placed(command, tmp_path)], env=machine, capture_output=True, check=True)
    assert json.loads((tmp_path / "state" / "report.json").read_text())["files"] == 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd")
@pytest.mark.parametrize("unit", ["scan.service", "scan.timer"])
def test_systemd_accepts_the_units(unit: str, tmp_path: Path) -> None:
    for name in ("scan.service", "scan.timer"):
        text = (EXAMPLES / name).read_text().replace("ExecStart=scanner", f"ExecStart={shutil.which('true')}")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "scan." in line] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd")
def test_systemd_accepts_the_schedule() -> None:
    (when,) = re.findall(r"^OnCalendar=(.*)$", (EXAMPLES / "scan.timer").read_text(), re.MULTILINE)
    subprocess.run(["systemd-analyze", "calendar", when], check=True, capture_output=True)


def steps(name: str) -> list[dict[str, Any]]:
    workflow = yaml.safe_load((WORKFLOWS / name).read_text())
    return [step for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_scripts_called_by_workflows_exist() -> None:
    """Every script of this repository that they call exists and is executable."""
    texts = [step["run"] for name in ("tests.yml", "benchmarks.yml") for step in steps(name)]
    texts += [
        line for job in yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text()).values() for line in job["script"]
    ]
    called = {word for text in texts for word in re.findall(r"(?:^|\s)((?:tools|\.ci)/\w+)", text)}
    assert called == {"tools/test", "tools/bench", ".ci/lint"}
    assert all(os.access(ROOT / path, os.X_OK) for path in called)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_benchmark_workflow_runs(tmp_path: Path) -> None:
    """Run its steps as for a pull request, in a clone with a branch."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    subprocess.run(["git", "checkout", "-q", "-b", "change"], cwd=clone, check=True)
    summary = tmp_path / "summary.md"
    for step in steps("benchmarks.yml"):
        if "apt-get" not in step["run"]:
            environment = {**os.environ, "GITHUB_STEP_SUMMARY": str(summary)}
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            subprocess.run(command, cwd=clone, env=environment, check=True, timeout=1500)
    assert "## Benchmarks" in summary.read_text()
    assert "cases more than 1.3 times slower" in summary.read_text()
    assert (clone / "report" / "junit.xml").exists()

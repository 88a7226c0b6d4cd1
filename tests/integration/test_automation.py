"""The examples for cron, systemd and CI work as documented."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

import scanner
from tests.support.shell import ROOT, SCANNER, call
from tests.support.trees import make

EXAMPLES = ROOT / "docs" / "examples"
WORKFLOWS = ROOT / ".github" / "workflows"


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Make a tree, and an environment in which `scanner` is this checkout, and a crontab and systemd are files."""
    make(tmp_path / "srv", {"a": {"b": None}, "c": None})
    scripts = {
        "scanner": f'PYTHONPATH={ROOT} exec {" ".join(SCANNER)} "$@"',
        "crontab": f'cd {tmp_path}; if [ "$1" = -l ]; then cat crontab; else cat > new && mv new crontab; fi',
        "sudo": 'exec "$@"',
        "systemctl": f'echo "$@" >> {tmp_path}/systemctl',
    }
    (tmp_path / "bin").mkdir()
    for name, text in scripts.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "crontab").write_text("0 4 * * * true\n")
    return {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def commands_of(heading: str, tmp_path: Path) -> str:
    """Return the commands of the first block below a heading of automation.md, but those that install the package."""
    text = (ROOT / "docs" / "automation.md").read_text()
    block = re.search(rf"^#+ {heading}$.*?^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    lines = [line for line in re.findall(r"^\$ (.*)$", block[1], re.MULTILINE) if not line.startswith("pipx")]
    return re.sub(r"(?<!\S)/srv(?!\S)", str(tmp_path / "srv"), "\n".join(lines))


def test_the_commands_install_a_nightly_job_of_cron(tmp_path: Path, machine: dict[str, str]) -> None:
    script = commands_of("A nightly job", tmp_path)
    subprocess.run(["sh", "-e", "-c", script], env=machine, cwd=tmp_path, check=True, capture_output=True)
    assert len(scanner.Store(tmp_path / "scan" / "srv.snap").snapshots) == 1
    before, line = (tmp_path / "crontab").read_text().splitlines()
    assert before == "0 4 * * * true", "other jobs stay"
    command = line.split(maxsplit=5)[5].replace("\\%", "%")
    done = subprocess.run(["sh", "-c", command], env=machine, cwd="/", check=True, capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b""), "cron sends mail for any output"
    assert len(scanner.Store(tmp_path / "scan" / "srv.snap").snapshots) == 2


def in_a_namespace(*mounts: str) -> list[str]:
    """Return the beginning of a command that runs with mounts of its own."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    return ["unshare", "-m", "sh", "-e", "-c", f'{" && ".join(mounts)} && exec "$@"', "sh"]


def test_the_script_installs_a_timer_of_systemd(tmp_path: Path, machine: dict[str, str]) -> None:
    units = tmp_path / "units"
    units.mkdir()
    place = "/etc/systemd/system"
    if not os.path.isdir(place):
        pytest.skip("systemd is not installed")
    script = commands_of("systemd", tmp_path).replace("/var/lib/scan", str(tmp_path / "scan"))
    command = [*in_a_namespace(f"mount --bind {units} {place}"), "sh", "-e", "-c", script]
    subprocess.run(command, env=machine, cwd=tmp_path, check=True, capture_output=True)
    assert sorted(path.name for path in units.iterdir()) == ["scanner-srv.service", "scanner-srv.timer"]
    assert (tmp_path / "systemctl").read_text() == "daemon-reload\nenable --now scanner-srv.timer\n"
    assert (tmp_path / "scan").is_dir()


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.skipif(shutil.which("cron") is None, reason="cron")
def test_cron_runs_the_job_and_mails_its_line(tmp_path: Path, machine: dict[str, str]) -> None:
    """The real daemon, with a crontab and a sendmail of its own."""
    spool, changes, work = (tmp_path / name for name in ("spool", "sbin", "work"))
    for folder in (spool, changes, work):
        folder.mkdir()
    mail = changes / "sendmail"
    mail.write_text(f"#!/bin/sh\ncat >> {tmp_path}/mail\n")
    mail.chmod(0o755)
    environment = {name: machine[name] for name in ("PATH", "PYTHONPATH")}
    arguments = [tmp_path / "bin" / "scanner", "nightly", tmp_path / "srv", "--store", tmp_path / "scan" / "srv.snap"]
    done = subprocess.run([*arguments, "--install-cron"], env=machine, capture_output=True, text=True, check=True)
    job = "* * * * * " + done.stdout.split(maxsplit=5)[5]
    (spool / "root").write_text("".join(f"{name}={value}\n" for name, value in environment.items()) + job)
    (spool / "root").chmod(0o600)
    overlay = f"lowerdir=/usr/sbin,upperdir={changes},workdir={work}"
    command = in_a_namespace(
        f"mount --bind {spool} /var/spool/cron/crontabs", f"mount -t overlay -o {overlay} none /usr/sbin"
    )
    daemon = subprocess.Popen([*command, "cron", "-f"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 130
        while not (tmp_path / "mail").exists() or b"page:" not in (tmp_path / "mail").read_bytes():
            assert time.monotonic() < deadline, daemon.poll()
            time.sleep(0.5)
    finally:
        daemon.terminate()
        daemon.communicate()
    text = (tmp_path / "mail").read_text()
    assert re.search(rf"^srv: OK 2 files, 0 B, \d+ s; page: {tmp_path}/scan/latest.html$", text, re.MULTILINE), text
    assert (tmp_path / "scan" / "latest.html").exists()


@pytest.mark.usefixtures("fonts")
def test_the_example_of_a_configuration_is_valid(tmp_path: Path) -> None:
    """With other places for its trees and pages."""
    make(tmp_path / "srv", {str(n): None for n in range(1000)})
    make(tmp_path / "home", {"a.o": None, "b": None})
    text = (EXAMPLES / "scan.toml").read_text()
    for name, place in (("/srv", "srv"), ("/home", "home"), ("/var/lib/scan", "pages")):
        text = text.replace(f'"{name}"', f'"{tmp_path}/{place}"')
    (tmp_path / "scan.toml").write_text(text)
    done = call("nightly", "--config", tmp_path / "scan.toml")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["home", "srv"]


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
    assert called == {"tools/test", "tools/bench", "tools/site", ".ci/lint"}
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

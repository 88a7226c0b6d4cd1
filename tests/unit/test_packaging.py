"""The metadata, the tags of wheels, and the release workflow agree with each other and with the files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from typing import Any

import pytest
import yaml

from tests.support.shell import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RELEASE = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())


def steps() -> list[dict[str, Any]]:
    return [step for job in RELEASE["jobs"].values() for step in job["steps"]]


def wheel_command(monkeypatch: pytest.MonkeyPatch, *, platform: str, free_threaded: bool) -> Any:
    """Return the finalized `bdist_wheel` command of a distribution with an extension."""
    pytest.importorskip("setuptools.command.bdist_wheel", reason="setuptools 70.1 or newer")
    from setuptools import Distribution, Extension

    from tools.wheel import tagged_wheel

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sysconfig, "get_config_var", {"Py_GIL_DISABLED": int(free_threaded)}.get)
    monkeypatch.setattr("setuptools.command.bdist_wheel.bdist_wheel.finalize_options", lambda self: None)
    command = tagged_wheel(Distribution({"name": "x", "ext_modules": [Extension("x", ["x.c"])]}))
    command.finalize_options()
    return command


@pytest.mark.parametrize(
    ("platform", "free_threaded", "limited", "extensions"),
    [("linux", False, "cp311", 1), ("linux", True, False, 1), ("darwin", False, False, 0)],
)
def test_the_kind_of_wheel(
    monkeypatch: pytest.MonkeyPatch, platform: str, free_threaded: bool, limited: str | bool, extensions: int
) -> None:
    monkeypatch.delenv("SCANNER_PURE", raising=False)
    command = wheel_command(monkeypatch, platform=platform, free_threaded=free_threaded)
    assert (command.py_limited_api, len(command.distribution.ext_modules)) == (limited, extensions)


def test_a_pure_wheel_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANNER_PURE", "1")
    command = wheel_command(monkeypatch, platform="linux", free_threaded=False)
    assert (command.py_limited_api, command.distribution.ext_modules) == (False, [])


def test_the_wheel_class_is_the_one_named() -> None:
    assert PYPROJECT["tool"]["setuptools"]["cmdclass"] == {"bdist_wheel": "tools.wheel.tagged_wheel"}
    assert "class tagged_wheel" in (ROOT / "tools" / "wheel.py").read_text()


def test_classifiers_name_posix_and_no_version_below_the_lowest() -> None:
    classifiers = PYPROJECT["project"]["classifiers"]
    assert "Operating System :: POSIX" in classifiers
    assert not any("Windows" in classifier or "OS Independent" in classifier for classifier in classifiers)
    minors = sorted(int(name.rpartition(".")[2]) for name in classifiers if re.search(r":: 3\.\d+$", name))
    assert PYPROJECT["project"]["requires-python"] == f">=3.{minors[0]}"


def test_the_tests_of_wheels_exist() -> None:
    settings = PYPROJECT["tool"]["cibuildwheel"]
    assert "scanner" not in settings["test-sources"], "the checkout would be tested, not the wheel"
    for path in (*settings["test-sources"], *re.findall(r"\S+\.py", settings["test-command"])):
        assert (ROOT / path).exists(), path


def test_the_release_runs_tools_that_exist() -> None:
    called = {word for step in steps() for word in re.findall(r"\btools/\S+", step.get("run", ""))}
    assert called == {"tools/build", "tools/smoke.py"}
    assert all(os.access(ROOT / path, os.X_OK) for path in called)


def test_only_the_publishing_job_may_sign_and_publish() -> None:
    assert RELEASE["permissions"] == {"contents": "read"}
    assert [name for name, job in RELEASE["jobs"].items() if "permissions" in job] == ["publish"]
    publish = RELEASE["jobs"]["publish"]
    assert set(publish["needs"]) == set(RELEASE["jobs"]) - {"publish"}
    assert publish["permissions"]["id-token"] == "write"
    assert publish["if"] == "github.ref_type == 'tag'"


def test_the_release_finds_the_version() -> None:
    from scanner import __version__

    (check,) = (step["run"] for step in steps() if "__version__" in step.get("run", ""))
    first, *_ = check.splitlines()
    found = subprocess.run(["sh", "-c", f"{first}; echo $version"], capture_output=True, check=True, cwd=ROOT).stdout
    assert found.decode() == f"{__version__}\n"


def test_the_version_is_the_same_everywhere() -> None:
    from scanner import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[?([^]\n]+)\]?", changelog, re.M)
    assert next(heading for heading in headings if heading != "Unreleased") == __version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    assert f"Version {__version__} " in (ROOT / "README.md").read_text()


def test_the_changelog_has_the_sections_of_keep_a_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", changelog, re.M)) <= kinds

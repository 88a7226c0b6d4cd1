"""The user's excludes equal those of git in the root, also if they apply to some repositories only.

The configuration of a repository does not decide which files are read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import scanner
from tests.conftest import FULL, OTHERS
from tests.support.pairwise import in_turn
from tests.support.shell import call
from tests.support.trees import make

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

FILES = [f"{name}.{suffix}" for name in ("a", "sub/b") for suffix in ("always", "dir", "branch", "remote", "c")]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository of a user with conditional excludes."""
    home = make(tmp_path / "home", {})
    for name, value in (("HOME", home), ("XDG_CONFIG_HOME", home / ".config"), ("GIT_CONFIG_SYSTEM", os.devnull)):
        monkeypatch.setenv(name, os.fspath(value))
    for name in ("always", "dir", "branch", "remote"):
        (home / name).write_text(f"*.{name}\n")
        (home / f"{name}.inc").write_text(f"[core]\n  excludesFile = ~/{name}\n")
    repository = make(tmp_path / "work" / "repository", {"sub": {}})
    subprocess.run(["git", "init", "-q", "-b", "main", repository], check=True)
    for file in FILES:
        (repository / file).touch()
    return repository


def configure(home: Path, text: str) -> None:
    (home / ".gitconfig").write_text(text)


def ignored(root: Path) -> set[str]:
    command = ["git", "-C", root, "ls-files", "-o", "-i", "--exclude-standard", "-z"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split("\0")[:-1])


def excluded(root: Path, **options: Any) -> set[str]:
    shown = scanner.scan(root, gitignore=True, **options)
    kept = {os.path.relpath(os.path.join(path, name), root) for path, _, names in shown for name in names}
    return {os.path.relpath(root / file, root) for file in all_files(root)} - kept


def all_files(root: Path) -> list[str]:
    return [os.path.relpath(os.path.join(path, name), root) for path, _, names in os.walk(root) for name in names
            if "/.git" not in path]  # fmt: skip


CONDITIONS = {
    "gitdir:{work}/": "dir",
    "gitdir:repository/": "dir",
    "gitdir/i:{work}/REPOSITORY/.git": "dir",
    "onbranch:main": "branch",
    "hasconfig:remote.*.url:https://example.com/**": "remote",
    "gitdir:{work}/other/": None,
    "onbranch:other": None,
    "hasconfig:remote.*.url:https://example.org/**": None,
}


@pytest.mark.parametrize(("condition", "backend"), in_turn([*CONDITIONS], FULL, OTHERS), indirect=["backend"])
def test_conditional_excludes(condition: str, repository: Path, backend: dict[str, Any]) -> None:
    work, home = repository.parent, repository.parent.parent / "home"
    name = CONDITIONS[condition]
    config = f'[includeIf "{condition.format(work=work)}"]\n  path = {name or "dir"}.inc\n'
    configure(home, f"[core]\n  excludesFile = ~/always\n{config}")
    subprocess.run(["git", "-C", repository, "remote", "add", "x", "https://example.com/x"], check=True)
    expected = {f"{each}.{name or 'always'}" for each in ("a", "sub/b")}
    assert excluded(repository, **backend) == ignored(repository) == expected
    assert excluded(repository / "sub", **backend) == ignored(repository / "sub") == {f"b.{name or 'always'}"}


def test_each_root_has_the_excludes_of_its_repository(repository: Path) -> None:
    work, home = repository.parent, repository.parent.parent / "home"
    plain = make(work.parent / "plain", {"x.dir": None, "x.always": None})
    configure(home, f'[core]\n excludesFile = ~/always\n[includeIf "gitdir:{work}/"]\n path = dir.inc\n')
    listed = call("list", "--gitignore", "--type", "f", repository, plain).stdout.decode().splitlines()
    names = {os.path.basename(path) for path in listed}
    assert {"a.always", "a.c", "x.dir"} <= names
    assert names.isdisjoint({"a.dir", "b.dir", "x.always"})


@pytest.mark.parametrize("value", ["", "always", "~/dir", "{home}/branch"])
def test_forms_of_the_path_of_the_excludes_file(value: str, repository: Path) -> None:
    """As in git, a path is relative to the top directory of the repository."""
    home = repository.parent.parent / "home"
    (repository / "always").write_text("*.c\n")
    configure(home, f"[core]\n  excludesFile = {value.format(home=home)}\n")
    for root in (repository, repository / "sub"):
        assert excluded(root) == ignored(root)


def test_variables_that_configure_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = repository.parent.parent / "home"
    for name, value in (("COUNT", "1"), ("KEY_0", "core.excludesFile"), ("VALUE_0", f"{home}/remote")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    assert excluded(repository) == ignored(repository) == {"a.remote", "sub/b.remote"}
    monkeypatch.setenv("GIT_DIR", os.fspath(home))  # another repository than that of the root
    assert excluded(repository) == {"a.remote", "sub/b.remote"}


def test_a_repository_does_not_decide_which_files_are_read(repository: Path) -> None:
    home = repository.parent.parent / "home"
    configure(home, "[core]\n  excludesFile = ~/always\n")
    (home / "secret.inc").write_text("[core]\n  excludesFile = ~/branch\n")
    ran = home / "ran"
    for name, value in (
        ("core.excludesFile", f"{home}/dir"), ("include.path", f"{home}/secret.inc"), ("alias.config", f"!touch {ran}"),
        ("core.fsmonitor", f"touch {ran}"), ("core.pager", f"touch {ran}"), ("pager.config", "true"),
        ("core.sshCommand", f"touch {ran}"),
    ):  # fmt: skip
        subprocess.run(["git", "-C", repository, "config", name, value], check=True)
    assert excluded(repository) == {"a.always", "sub/b.always"}
    assert not ran.exists()


@pytest.mark.parametrize("place", ["config", "include", "garbage"])
def test_an_unreadable_configuration_of_the_repository(
    place: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's excludes without a condition apply nevertheless."""
    home = repository.parent.parent / "home"
    monkeypatch.setattr("scanner.filters.git.GIT_SECONDS", 1)
    configure(home, "[core]\n  excludesFile = ~/always\n")
    config = repository / ".git" / "config"
    if place == "garbage":
        config.write_text("[core\n")
    elif place == "config":
        config.unlink()
        os.mkfifo(config)
    else:
        os.mkfifo(home / "pipe")
        config.write_text(config.read_text() + f"[include]\n  path = {home}/pipe\n")
    assert excluded(repository) == {"a.always", "sub/b.always"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_owner(repository: Path) -> None:
    """git ignores such a repository, so no condition matches it."""
    work, home = repository.parent, repository.parent.parent / "home"
    configure(home, f'[core]\n excludesFile = ~/always\n[includeIf "gitdir:{work}/"]\n path = dir.inc\n')
    for path in (repository, repository / ".git"):
        os.chown(path, 65534, 65534)
    assert excluded(repository) == {"a.always", "sub/b.always"}
    with (home / ".gitconfig").open("a") as config:
        config.write("[safe]\n directory = *\n")
    assert excluded(repository) == ignored(repository) == {"a.dir", "sub/b.dir"}

"""Files in which git keeps rules outside the scanned tree, and reading of rule files."""

from __future__ import annotations

import os
import stat
from typing import Any

from scanner.filters.wildmatch import text_of

MOST_BYTES = 16 << 20  # of a rule file
GIT_SECONDS = 5  # for `git config`
NOT_SET = 1  # exit code of `git config`
OF_A_REPOSITORY = {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"}
"""Variables that would make git use another repository than the scanned one."""
TRUSTED_SCOPES = {b"system", b"global", b"command"}
"""Scopes of configuration that a repository cannot set."""


def read_rules(name: Any, directory: int | None = None, *, follow: bool = False) -> bytes | None:
    """Return the content of a rule file; None if there is no such file. Raises OSError.

    `directory`: file descriptor to which `name` is relative. `follow`: follow symbolic links. As in git, they are
    followed for the files of a repository or a user, not for those of a tree. Never blocks on a pipe or a device.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file")
        if status.st_size > MOST_BYTES:
            raise OSError(0, f"larger than {MOST_BYTES >> 20} MiB")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_BYTES)
    finally:
        os.close(descriptor)


def git_directory(top: Any) -> str | None:
    """Return the git directory of the repository with the top directory `top`; None if it is not a repository."""
    git = os.path.join(os.fsdecode(top), ".git")
    try:
        if stat.S_ISREG(os.lstat(git).st_mode):
            git = _target(git)
        common = common_directory(git)
    except OSError:
        return None
    is_complete = os.path.lexists(os.path.join(git, "HEAD")) and all(
        os.path.isdir(os.path.join(common, name)) for name in ("objects", "refs")
    )
    return git if is_complete else None


def _target(file: str) -> str:
    """Return the git directory that a file `.git` names, as worktrees and submodules have one."""
    content = read_rules(file) or b""
    if not content.startswith(b"gitdir:"):
        return os.devnull
    target = content[7:].strip()
    return os.path.join(os.path.dirname(file), os.fsdecode(target)) if b"\0" not in target else os.devnull


def common_directory(git: str) -> str:
    """Return the directory that all worktrees of a repository share. An invalid file `commondir` is ignored."""
    try:
        common = read_rules(os.path.join(git, "commondir")) or b""
    except OSError:
        common = b""
    common = common.strip()
    return git if not common or b"\0" in common else os.path.join(git, os.fsdecode(common))


def info_exclude(git: str) -> str:
    """Return the rule file of a repository that is not part of its tree. Worktrees share it."""
    return os.path.join(common_directory(git), "info", "exclude")


def repository_above(root: Any) -> tuple[str, str] | None:
    """Return the top directory and the git directory of the repository that contains `root`; None without one."""
    top = os.path.realpath(os.fsdecode(root))
    while True:
        git = git_directory(top)
        if git is not None:
            return top, git
        above = os.path.dirname(top)
        if above == top:
            return None
        top = above


def users_excludes(top: str | None) -> str | None:
    """Return the user's excludes file, as git uses it in the repository with the top directory `top`; None without one.

    The user's configuration may include files for some repositories only. The configuration of the repository itself is
    not used, so that no scanned tree decides which files are read.
    """
    found = None
    if top is not None and (fields := _configured(top, "--show-scope")) is not None:
        scopes = zip(fields[::2], fields[1::2], strict=True)
        found = [value for scope, value in scopes if scope in TRUSTED_SCOPES]
    if found is None:  # no repository, an unreadable configuration, or a git before 2.26
        found = _configured(os.sep) or []
    if found:  # the last value counts; an empty one means no file
        return os.path.join(top or os.sep, os.fsdecode(found[-1])) if found[-1] else None
    configuration, home = os.environ.get("XDG_CONFIG_HOME"), os.environ.get("HOME")
    if not configuration and not home:  # as in a service: no user for git
        return None
    return os.path.join(top or os.sep, configuration or os.path.join(home or "", ".config"), "git", "ignore")


def _configured(directory: str, *options: str) -> list[bytes] | None:
    """Return the fields that `git config` prints for core.excludesFile in a directory; None if it fails.

    It runs no command of a repository, and ignores repositories of other owners unless safe.directory lists them.
    """
    import subprocess  # only in the coordinator

    command = ["git", "-C", directory, "config", "-z", *options, "--includes", "--type=path", "--get-all"]
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY}
    try:
        done = subprocess.run(
            [*command, "core.excludesFile"], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=GIT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):  # git is not installed, or waits for a pipe
        return None
    return done.stdout.split(b"\0")[:-1] if done.returncode in (0, NOT_SET) else None


def above_root(root: Any, top: str) -> list[tuple[str, str]]:
    """Return the directories from the top of a repository to the parent of `root`, each with its path to the root."""
    real = os.path.realpath(os.fsdecode(root))
    names = [name for name in os.path.relpath(real, top).split(os.sep) if name != "."]
    found = []
    for count in range(len(names)):
        directory = os.path.join(top, *names[:count])
        found.append((directory, text_of("".join(f"{name}/" for name in names[count:]))))
    return found

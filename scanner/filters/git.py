"""Where git keeps rules, besides the files that are met on the way down."""

from __future__ import annotations

import os
import stat
from typing import Any

from scanner.filters.wildmatch import text_of

MOST_BYTES = 16 << 20  # of a file of rules
GIT_SECONDS = 5


def read_rules(name: Any, directory: int | None = None, *, follow: bool = False) -> bytes | None:
    """The content of a file of rules; None if there is none. Raises OSError. As git does it, links are followed to the
    rules of a repository or a user, not to those of a tree.

    A pipe or a device in its place is no file of rules either: nothing is waited for.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no regular file")
        if status.st_size > MOST_BYTES:
            raise OSError(0, f"it is larger than {MOST_BYTES >> 20} MiB")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_BYTES)
    finally:
        os.close(descriptor)


def read_given(name: Any) -> bytes:
    """The content of a file that a caller names: a pipe as well. Raises OSError."""
    with open(name, "rb") as file:
        return file.read(MOST_BYTES)


def git_directory(top: Any) -> str | None:
    """The directory of the repository that begins at `top`; None if there is none."""
    place = os.path.join(os.fsdecode(top), ".git")
    try:
        if stat.S_ISREG(os.lstat(place).st_mode):
            place = _pointed_to(place)
        common = common_directory(place)
    except OSError:
        return None
    there = [os.path.lexists(os.path.join(place, "HEAD")), *(
        os.path.isdir(os.path.join(common, name)) for name in ("objects", "refs")
    )]  # fmt: skip
    return place if all(there) else None


def _pointed_to(file: str) -> str:
    """Where a file `.git` says that the repository is: a worktree's, or a submodule's."""
    content = read_rules(file) or b""
    if not content.startswith(b"gitdir:"):
        return os.devnull
    place = content[7:].strip()
    return os.path.join(os.path.dirname(file), os.fsdecode(place)) if b"\0" not in place else os.devnull


def common_directory(git: str) -> str:
    """What the worktrees of a repository share; what a file `commondir` says that is none is of no use."""
    try:
        common = read_rules(os.path.join(git, "commondir")) or b""
    except OSError:
        common = b""
    common = common.strip()
    return git if not common or b"\0" in common else os.path.join(git, os.fsdecode(common))


def info_exclude(git: str) -> str:
    """The file of rules of a repository that its tree does not hold; worktrees share it."""
    return os.path.join(common_directory(git), "info", "exclude")


def repository_above(root: Any) -> tuple[str, str] | None:
    """The top of the repository that `root` lies in, or is, and its git directory."""
    top = os.path.realpath(os.fsdecode(root))
    while True:
        git = git_directory(top)
        if git is not None:
            return top, git
        above = os.path.dirname(top)
        if above == top:
            return None
        top = above


def users_excludes() -> str | None:
    """The user's own file of rules: what their git is configured to, never what a tree says."""
    import subprocess  # not needed in workers

    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    command = ["git", "config", "--includes", "--type=path", "--get", "core.excludesFile"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
    try:
        answer = subprocess.run(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=GIT_SECONDS,
            check=False,
        ).stdout  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):  # there is no git
        answer = b""
    if not answer:
        return os.path.join(home, "git", "ignore")
    return os.fsdecode(answer.removesuffix(b"\n")) or None  # configured to be none


def above_root(root: Any, top: str) -> list[tuple[str, str]]:
    """The directories from the top of a repository down to above `root`, and what lies between each and the root."""
    real = os.path.realpath(os.fsdecode(root))
    names = [name for name in os.path.relpath(real, top).split(os.sep) if name != "."]
    found = []
    for count in range(len(names)):
        directory = os.path.join(top, *names[:count])
        found.append((directory, text_of("".join(f"{name}/" for name in names[count:]))))
    return found

"""Where git keeps rules, besides the files that are met on the way down."""

from __future__ import annotations

import os
import stat
from typing import Any

from scanner.filters.wildmatch import text_of

MOST_BYTES = 16 << 20  # of a file of rules
GIT_SECONDS = 5
NOT_SET = 1  # exit code of `git config`
OF_A_REPOSITORY = {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"}
"""Variables that would have git look at another repository than the one that is scanned."""
TRUSTED_SCOPES = {b"system", b"global", b"command"}
"""Where configuration comes from that is the user's own."""


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


def users_excludes(top: str | None) -> str | None:
    """Return the user's own file of rules, as git has it in the repository that begins at `top`; None if there is none.

    The user's configuration may include files for some repositories only. What the repository itself is configured to
    is not used: no tree says which files are read.
    """
    found = None
    if top is not None and (fields := _configured(top, "--show-scope")) is not None:
        scopes = zip(fields[::2], fields[1::2], strict=True)
        found = [value for scope, value in scopes if scope in TRUSTED_SCOPES]
    if found is None:  # no repository, one whose configuration cannot be read, or a git before 2.26
        found = _configured(os.sep) or []
    if found:  # the last one holds; an empty one: there is to be none
        return os.path.join(top or os.sep, os.fsdecode(found[-1])) if found[-1] else None
    configuration, home = os.environ.get("XDG_CONFIG_HOME"), os.environ.get("HOME")
    if not configuration and not home:  # as for a service: git has no user then
        return None
    return os.path.join(top or os.sep, configuration or os.path.join(home or "", ".config"), "git", "ignore")


def _configured(directory: str, *options: str) -> list[bytes] | None:
    """Return the fields that `git config` prints of core.excludesFile in a directory; None if it fails.

    It runs nothing that a repository names, and ignores repositories of other owners unless they are a safe.directory.
    """
    import subprocess  # not needed in workers

    command = ["git", "-C", directory, "config", "-z", *options, "--includes", "--type=path", "--get-all"]
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY}
    try:
        done = subprocess.run(
            [*command, "core.excludesFile"], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=GIT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):  # there is no git, or a pipe in the place of a configuration
        return None
    return done.stdout.split(b"\0")[:-1] if done.returncode in (0, NOT_SET) else None


def above_root(root: Any, top: str) -> list[tuple[str, str]]:
    """The directories from the top of a repository down to above `root`, and what lies between each and the root."""
    real = os.path.realpath(os.fsdecode(root))
    names = [name for name in os.path.relpath(real, top).split(os.sep) if name != "."]
    found = []
    for count in range(len(names)):
        directory = os.path.join(top, *names[:count])
        found.append((directory, text_of("".join(f"{name}/" for name in names[count:]))))
    return found

"""Changes of a tree between two scans, made at random from a seed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil

NAMES = ("a", "a0", "a-", "a b", "ü", "line\nbreak", ".hidden", "z")
TARGETS = (".", "..", "missing", "a", "z0", "/usr")


class Changes:
    """Makes changes below `top`."""

    def __init__(self, top: str, seed: int) -> None:
        self.top = top
        self.random = random.Random(seed)

    def make(self, count: int, *, only_growth: bool = False) -> None:
        for _ in range(count):
            with contextlib.suppress(OSError):  # one that makes no sense, such as a directory moved into itself
                self.random.choice(self.GROWTH if only_growth else self.ALL)(self, *self._place())

    def _place(self) -> tuple[str, str]:
        """Return a directory, and the path of an entry in it that may or may not exist."""
        folder = self.random.choice([path for path, _, _ in os.walk(self.top)])
        return folder, os.path.join(folder, self.random.choice(NAMES) + self.random.choice("0123"))

    def _is_top(self, folder: str) -> bool:
        return os.path.samefile(folder, self.top)

    def make_file(self, _: str, path: str) -> None:
        with open(path, "x"):
            pass

    def make_directory(self, _: str, path: str) -> None:
        os.mkdir(path)

    def make_link(self, _: str, path: str) -> None:
        os.symlink(self.random.choice(TARGETS), path)

    def make_pipe(self, _: str, path: str) -> None:
        os.mkfifo(path)

    def remove_entry(self, folder: str, _: str) -> None:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                return

    def remove_directory(self, folder: str, _: str) -> None:
        if not self._is_top(folder):
            shutil.rmtree(folder)

    def replace_directory(self, folder: str, _: str) -> None:
        """Replace a directory by a file, or by a symlink."""
        if not self._is_top(folder):
            shutil.rmtree(folder)
            self.random.choice((self.make_file, self.make_link))("", folder)

    def make_again(self, folder: str, _: str) -> None:
        """Replace a directory by an empty one of the same name."""
        if not self._is_top(folder):
            shutil.rmtree(folder)
            os.mkdir(folder)

    def move(self, folder: str, _: str) -> None:
        """Move a directory, within its own or into another."""
        if not self._is_top(folder):
            os.rename(folder, self._place()[1])

    def exchange_times(self, folder: str, _: str) -> None:
        """Set the times of a directory to those of long ago, as `cp -a`, `rsync` and `touch -d` do."""
        moment = self.random.randrange(10**9)
        os.utime(folder, (moment, moment))

    def change_mode(self, folder: str, _: str) -> None:
        os.chmod(folder, self.random.choice((0o755, 0o700)))

    def copy_as_links(self, folder: str, path: str) -> None:
        """Copy a directory with hard links, as `cp -al` does."""
        if not path.startswith(folder + "/"):
            shutil.copytree(folder, path, symlinks=True, copy_function=os.link)

    def grow_file(self, folder: str, _: str) -> None:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.is_file(follow_symlinks=False):
                with open(entry.path, "a") as file:
                    file.write("more")
                return

    GROWTH = make_file, make_file, make_directory, make_directory, make_directory, make_link, make_pipe
    ALL = (
        *GROWTH, remove_entry, remove_directory, replace_directory, make_again, move, move, exchange_times,
        change_mode, copy_as_links, grow_file,
    )  # fmt: skip

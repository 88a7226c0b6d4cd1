"""The output files of one command: each is published by itself, and one that fails does not cost another."""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence

from scanner.cli import exits
from scanner.cli.roots import file_id
from scanner.errors import OptionError, OutputError
from scanner.export.output import STDOUT, Output
from scanner.export.part import own_parts
from scanner.model import directories_above
from scanner.mounts import LOCAL, filesystem_type, mounted_below

STORE = "the snapshot store"
STDOUT_NAMES = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class Outputs(contextlib.ExitStack):
    """A context manager that opens outputs and closes them at its end, published or not.

    `failures` are the errors of outputs that do not appear. A closed pipe is no failure.
    """

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self.failures: list[OutputError] = []
        self._quiet = quiet

    def open(self, path: str | None, *, named: bool = False) -> Output:
        """Open `path` (None: stdout). Raises OutputError, also for a file that can be written but not replaced."""
        output = self.enter_context(Output(path, named=named, notify=self._notify))
        self.callback(output.discard)  # runs before the output is closed
        return output

    @contextlib.contextmanager
    def attempt(self, output: Output) -> Iterator[None]:
        """Discard `output`, and no other, if it fails in this context."""
        try:
            yield
        except (OutputError, BrokenPipeError) as error:
            self.discard(output, error)

    def discard(self, output: Output, error: OutputError | BrokenPipeError) -> None:
        """Discard an output that failed with `error`."""
        output.discard()
        if isinstance(error, OutputError):
            self.failures.append(error)

    def _notify(self, message: str) -> None:
        if not self._quiet:
            exits.print_message(message)


def refuse_shared_outputs(args: argparse.Namespace) -> None:
    """Raise OptionError if two outputs of the command go to one file, or to stdout."""
    output = getattr(args, "output", None) or []
    named = {"-o": [output] if isinstance(output, str) else output, "--report": args.report, "--errors": [args.errors]}
    stores = [args.store] if args.store else []
    if args.source:
        from scanner.snapshot.moments import split_store

        stores.append(split_store(args.source)[0])
    refuse_same_files(named, {} if output else {"-": f"the output of {args.command}"}, stores)


def refuse_same_files(
    named: Mapping[str, Iterable[str | None]], used: Mapping[str, str], stores: Sequence[str]
) -> None:
    """Raise OptionError if two outputs go to one file, or one to a store or a file beside it.

    `named`: outputs by flag. `used`: what goes to other files.
    """
    used = {**used, **dict.fromkeys(files_of(stores), STORE)}
    for flag, paths in named.items():
        for path in filter(None, paths):
            target = "-" if _is_stdout(path) else os.path.realpath(path)
            if used.get(target) == STORE or any(is_same_file(target, store) for store in stores):
                raise OptionError(f"{flag} {path!r} is {STORE}, or a file beside it")
            if target in used:
                raise OptionError(f"{flag} {path!r} and {used[target]}: two outputs cannot go to one file")
            used[target] = f"{flag} {path!r}"


def files_of(stores: Sequence[str]) -> list[str]:
    """Return the files of stores."""
    if not stores:
        return []
    from scanner.snapshot.settings import BESIDE

    return [os.path.realpath(store) + suffix for store in stores for suffix in ("", ".lock", *BESIDE)]


def is_same_file(path: str, other: str) -> bool:
    """Return whether two paths lead to one file, which may have several names."""
    return file_id(path) is not None and file_id(path) == file_id(other)


def _is_stdout(path: str) -> bool:
    """Return whether `path` names stdout, or is the file to which stdout was redirected."""
    if path in STDOUT_NAMES:
        return True
    try:
        status = os.stat(path)
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.fstat(STDOUT))
    except OSError:
        return False


def names_to_hide(roots: Sequence[str], *, follow: bool) -> tuple[str, ...]:
    """Return the names of our own temporary files, if a scan of `roots` may reach the directories that hold them.

    Each name is used once, so it identifies the file even below another mount of the same directory. Comparing names
    costs time, so none is returned where no path leads there.
    """
    if not own_parts:
        return ()
    may_meet = follow or any(mounted_below(roots)) or any(filesystem_type(root) not in LOCAL for root in roots)
    above = {file_id(directory) for path in own_parts for directory in directories_above(path)} - {None}
    if may_meet or not above.isdisjoint(map(file_id, roots)):
        return tuple(os.path.basename(path) for path in own_parts)
    return ()

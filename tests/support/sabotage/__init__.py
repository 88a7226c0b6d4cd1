"""Cause faults inside worker processes of any start method: exceptions and deaths that no file system can cause.

`sabotage` sets environment variables; the `sitecustomize` of this directory acts on them in each new interpreter, and
forked workers have what `sabotage` has changed here. The process that calls it is spared.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def sabotage(monkeypatch: pytest.MonkeyPatch, how: str, argument: str = "") -> None:
    """Replace code in workers by the function `_how` of this module, which gets `argument`."""
    monkeypatch.setenv("SABOTAGE", how)
    monkeypatch.setenv("SABOTAGE_ARGUMENT", argument)
    monkeypatch.setenv("SABOTAGE_SPARES", str(os.getpid()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parents[2])]))
    monkeypatch.setenv("SCANNER_PURE", "1")  # each directory is read by `Reader.read`
    for target, name, replacement in changes(how, argument):
        monkeypatch.setattr(target, name, replacement)


def changes(how: str, argument: str) -> list[tuple[Any, str, Any]]:
    """Return modules or classes, names in these, and their replacements."""
    made: list[tuple[Any, str, Any]] = {"killed": _killed, "mistaken": _mistaken, "ends_at_task": _ends_at_task}[how](
        argument
    )
    return made


def _is_worker() -> bool:
    return os.environ["SABOTAGE_SPARES"] != str(os.getpid())


def _names(path: Any) -> tuple[str, str]:
    """Return the two names that a test may use for a directory: its path and its last name."""
    return os.fsdecode(path), os.path.basename(os.fsdecode(path))


def _killed(argument: str) -> list[tuple[Any, str, Any]]:
    """`SIGNAL DIRECTORY`: a worker that reads a directory of this name dies of the signal."""
    from scanner.kernel.read import Reader

    number, _, name = argument.partition(" ")
    original = Reader.read

    def read(self: Reader, path: Any, *how_much: int) -> Any:
        if _is_worker() and name in _names(path):
            faulthandler.disable()  # pytest's would report at length
            signal.raise_signal(int(number))  # in this thread, before it goes on
        return original(self, path, *how_much)

    return [(Reader, "read", read)]


def _mistaken(name: str) -> list[tuple[Any, str, Any]]:
    """A worker that reads a directory of this name raises an unexpected exception."""
    from scanner.kernel.read import Reader

    original = Reader.read

    def read(self: Reader, path: Any, *how_much: int) -> Any:
        if _is_worker() and name in _names(path):
            raise AssertionError("an unexpected error")
        return original(self, path, *how_much)

    return [(Reader, "read", read)]


def _ends_at_task(_: str) -> list[tuple[Any, str, Any]]:
    """A worker that gets a Task exits before it reads a directory."""
    from scanner.backends import wire

    original = wire.unpack

    def unpack(body: bytes) -> Any:
        message = original(body)
        if _is_worker() and isinstance(message, tuple):
            os._exit(1)
        return message

    return [(wire, "unpack", unpack)]

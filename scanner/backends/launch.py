"""Start interpreters by `multiprocessing`, with two changes.

* Workers never import the caller's main module, so a script may call `walk` without a `__main__` guard.
* Helper interpreters do not have the working directory on `sys.path`: it may well be the tree to scan.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker, spawn, util
from typing import Any

_launch_lock = threading.Lock()


# A process forked meanwhile has no thread that could release the lock.
os.register_at_fork(after_in_child=_launch_lock._at_fork_reinit)  # type: ignore[attr-defined]  # threading's own way


def start_resource_tracker() -> None:
    """Start Python's tracker of semaphores, if it does not run yet.

    Called before any code that starts it implicitly: like all helper interpreters it must not have the working
    directory on `sys.path`, and its start unblocks signals.
    """
    with _launch_lock, _safe_path():
        resource_tracker.ensure_running()


@contextlib.contextmanager
def launching(fork_server: Any = None) -> Iterator[None]:
    """Replace functions of `multiprocessing` in this thread, while it starts a process.

    `fork_server`: the fork server that starts it, if any.
    """
    replacements: list[tuple[Any, str, Any]] = [
        (spawn, "get_preparation_data", _without_main_module(spawn.get_preparation_data)),
    ]
    if fork_server is not None:
        from multiprocessing import forkserver

        replacements.append((forkserver, "connect_to_new_process", fork_server.connect_to_new_process))
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with _launch_lock, _safe_path(), contextlib.ExitStack() as stack:
        for module, name, replacement in replacements:
            stack.enter_context(_replaced(module, name, replacement))
        try:
            yield
        finally:  # the start of the resource tracker unblocks some
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


@contextlib.contextmanager
def _replaced(module: Any, name: str, replacement: Any) -> Iterator[None]:
    original, mine = getattr(module, name), threading.get_ident()

    def choose(*args: Any) -> Any:
        return (replacement if threading.get_ident() == mine else original)(*args)

    setattr(module, name, choose)
    try:
        yield
    finally:
        setattr(module, name, original)


def _without_main_module(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def preparation_data(name: str) -> dict[str, Any]:
        data = original(name)
        data.pop("init_main_from_path", None)
        data.pop("init_main_from_name", None)
        return data

    return preparation_data


def _safe_path() -> contextlib.AbstractContextManager[None]:
    """Keep the working directory off the `sys.path` of helper interpreters."""
    private: Any = util  # there is no public way
    original = private._args_from_interpreter_flags

    def arguments() -> list[str]:
        flags: list[str] = original()
        return flags if "-P" in flags else [*flags, "-P"]

    return _replaced(util, "_args_from_interpreter_flags", arguments)

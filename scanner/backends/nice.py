"""Low priority for processor and disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import psutil

NICE = 10
FAILURES = psutil.Error, OSError
"""The system refuses it: seccomp, gVisor."""


def lower_priority() -> None:
    """Lower the priority of this process, where the system permits. A refusal is logged once a process."""
    _attempt(processor=_lower_nice, disk=_lower_io)


def log_refusals() -> None:
    """Log refusals that workers will meet, because their own messages are not visible. Changes nothing."""
    _attempt(processor=_keep_nice, disk=_keep_io)


def _attempt(**actions: Callable[[psutil.Process], object]) -> None:
    refused = {}
    for what, act in actions.items():
        try:
            act(psutil.Process())
        except FAILURES as error:
            refused[what] = getattr(error.__cause__ or error, "strerror", None) or type(error).__name__
    if refused:
        reasons = ", ".join(sorted(set(refused.values())))
        _log_once(f"nice: cannot lower the priority for the {' and the '.join(refused)} ({reasons}): it stays as it is")


@cache
def _log_once(text: str) -> None:
    logging.getLogger("scanner").warning(text)


def _lower_nice(process: psutil.Process) -> None:
    process.nice(max(process.nice(), NICE))


def _lower_io(process: psutil.Process) -> None:
    if hasattr(process, "ionice"):  # not on macOS
        process.ionice(psutil.IOPRIO_CLASS_IDLE)


def _keep_nice(process: psutil.Process) -> None:
    process.nice(process.nice())


def _keep_io(process: psutil.Process) -> None:
    if hasattr(process, "ionice"):
        now = process.ionice()
        has_level = now.ioclass in (psutil.IOPRIO_CLASS_RT, psutil.IOPRIO_CLASS_BE)
        process.ionice(now.ioclass, now.value if has_level else None)

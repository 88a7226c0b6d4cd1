"""Letting everybody else have the processor and the disk first."""

from __future__ import annotations

import contextlib

import psutil

NICE = 10


def lower_priority() -> None:
    """Of this process, as far as the system can."""
    process = psutil.Process()
    with contextlib.suppress(psutil.Error, AttributeError):  # not every system has both
        process.nice(max(process.nice(), NICE))
        process.ionice(psutil.IOPRIO_CLASS_IDLE)

"""What can be raised at the edges. Inside a walk an error is a `Fault` (see `model`) and the walk goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.run import ScanResult
    from scanner.stats import ScanStats


class ScanError(Exception):
    """Base of everything this package raises on its own account."""


class OptionError(ScanError, ValueError):
    """An option has a value that cannot be used; the message names the option and what to do."""


class ScanTimeout(ScanError, TimeoutError):
    """The allowed time is over with directories left.

    `result` holds what was found until then: in walk order, with gaps where workers had not come yet, and the directory
    that was being read perhaps in part; `stats` what it cost. Both are None from `walk`, which has given it all away.
    """

    def __init__(self, message: str, result: ScanResult | None = None, stats: ScanStats | None = None) -> None:
        super().__init__(message)
        self.result = result
        self.stats = stats


class ScanCancelled(ScanError):
    """The scan was stopped from another thread or task; never seen by the caller of a scan that ran to its end."""


class ScanForked(ScanError, RuntimeError):
    """The scan belongs to the process that this one was forked from; start another one here."""


class OutputError(ScanError):
    """An output file cannot be written; the message names it and says why."""

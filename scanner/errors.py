"""The exceptions of the public functions. Inside a walk an error is a `Fault` (see `model`) and the walk goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from scanner.model import Fault
    from scanner.run import ScanResult
    from scanner.stats import ScanStats

ClusterReason = Literal["unreachable", "different", "no workers", "lost"]
StoreReason = Literal["usage", "missing", "unusable", "unmounted", "busy"]
ErrorMode = Literal["raise", "collect"]
NAMED = 3  # errors that the message of ScanIncomplete names


class ScanError(Exception):
    """Base class of the exceptions of this package."""


class OptionError(ScanError, ValueError):
    """An option has an invalid value. The message names the option and the accepted values."""


class ScanTimeout(ScanError, TimeoutError):
    """The time limit of a scan is over and directories are left.

    result  the tuples found until then, in walk order. Directories that workers have not finished are missing, and
            the last one may be incomplete. None from `walk` and `entries`, which have yielded it all.
    stats   the statistics of the scan; None from `walk`
    """

    def __init__(self, message: str, result: ScanResult[Any] | None = None, stats: ScanStats | None = None) -> None:
        super().__init__(message)
        self.result = result
        self.stats = stats


class ScanIncomplete(ScanError, OSError):
    """Directories or entries are missing in a result. The message has the number of errors, and names the first ones.

    errors      all of them, as Faults
    exceptions  the same as OSErrors, like those of an ExceptionGroup
    result      what was found
    errno, filename
                those of the first error
    """

    def __init__(self, errors: list[Fault[Any]], result: ScanResult[Any] | None = None) -> None:
        named = "; ".join(f"{fault.message}: {fault.path!r}" for fault in errors[:NAMED])
        more = f"; and {len(errors) - NAMED} more" if len(errors) > NAMED else ""
        super().__init__(errors[0].errno, f"{len(errors)} error{'s'[: len(errors) > 1]}: {named}{more}", errors[0].path)
        self.errors = errors
        self.result = result

    @property
    def exceptions(self) -> tuple[OSError, ...]:
        return tuple(fault.as_error() for fault in self.errors)

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errors, self.result)


class PruneError(ScanError):
    """The function of the option `prune` failed. The message names its exception and the directory."""


class ScanWarning(UserWarning):
    """A result lacks more than single directories: its root is unreadable, or the option `prune` had no effect."""


class ScanCancelled(ScanError):
    """The scan was cancelled by another thread or task."""


class ScanForked(ScanError, RuntimeError):
    """The scan belongs to the parent process of this forked one. Start a new scan here."""


class StoreError(ScanError):
    """A snapshot store cannot be used. The message names it, and says what to do.

    reason  "usage" (it is no store, or belongs to another scan), "missing", "unusable" (damaged, unreadable, full),
            "unmounted" (the root is not the directory that it was), or "busy" (another scan writes it)
    result  of `scan`: what was found, although it could not be stored; otherwise None
    """

    def __init__(self, message: str, reason: StoreReason = "unusable", result: ScanResult[Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.result = result


class ClusterError(ScanError):
    """A scan on a cluster cannot begin, or cannot be finished. The message says why, and what to do.

    reason  "unreachable" (the scheduler or a worker), "different" (workers see other trees or have other versions, or
            lack the package), "no workers", or "lost" (all workers or the scheduler, after the scan had begun)
    result  of `scan`: the tuples found until then, as of ScanTimeout; otherwise None
    stats   the statistics of the scan, as of ScanTimeout
    """

    def __init__(
        self,
        message: str,
        reason: ClusterReason,
        result: ScanResult[Any] | None = None,
        stats: ScanStats | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.result = result
        self.stats = stats

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.reason, self.result, self.stats)


class OutputError(ScanError):
    """An output file cannot be written. The message names the file and the reason."""

"""The pages of nights in one directory: `latest.html`, `.json`, `.md`, and a dated copy of each."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

from scanner.errors import OptionError, OutputError, StoreError
from scanner.export.output import Output
from scanner.report.formats import FORMATS, report_function
from scanner.snapshot.lock import Lock

LATEST = "latest"
SUFFIXES = sorted(FORMATS, reverse=True)
COPY = re.compile(r"night-\d{4}-\d{2}-\d{2}T\d{6}\.(html|json|md)")
"""Names of dated copies. No other file is ever removed."""


class Pages:
    """The directory of the pages of one store, locked for one night at a time. It is made if need be.

    `earlier`: the report of the last good night; None if there is none, or if it is damaged. Raises OutputError;
    StoreError (busy) while another night writes there; OptionError if the pages are those of another store.
    """

    def __init__(self, directory: str, store: str) -> None:
        self.directory = directory
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the directory {error.filename!r} of the pages: {error.strerror}") from error
        try:
            self._lock = Lock(os.path.join(directory, LATEST))
        except StoreError as error:
            if error.reason != "busy":
                raise
            raise StoreError(f"another night writes to {directory!r}: wait for its end (--lock-wait)", "busy") from None
        self.earlier = self._read_latest()
        found = None if self.earlier is None else self.earlier["night"].get("store")
        if isinstance(found, str) and found != store:
            self.close()
            raise OptionError(
                f"{directory!r} has the pages of another store, {found!r}: give --to with another directory"
            )

    def close(self) -> None:
        self._lock.release()

    def _read_latest(self) -> dict[str, Any] | None:
        try:
            with open(os.path.join(self.directory, f"{LATEST}.json"), encoding="utf-8") as file:
                report: dict[str, Any] = json.load(file)
            return report if isinstance(report["night"], dict) else None
        except Exception:  # whatever the file holds: it may have been damaged, or is not ours
            return None

    def copies(self) -> list[str]:
        """Return the names of the dated pages, the newest first."""
        return sorted((name for name in os.listdir(self.directory) if COPY.fullmatch(name)), reverse=True)

    def write(self, report: dict[str, Any]) -> None:
        """Replace the latest pages, each as a whole. Raises OutputError."""
        self._write([LATEST], report)

    def write_night(self, report: dict[str, Any], keep: int) -> None:
        """Write dated pages and replace the latest ones. Of dated pages, those of `keep` nights stay."""
        self.remove_copies(keep - 1)
        name = time.strftime("night-%Y-%m-%dT%H%M%S")
        try:
            self._write([name, LATEST], report)
        except BaseException:
            self._remove(name + suffix for suffix in SUFFIXES)
            raise

    def _write(self, names: Sequence[str], report: dict[str, Any]) -> None:
        report["night"]["copies"] = [name for name in self.copies() if name.endswith(".html")]
        texts = [(suffix, FORMATS[suffix](report).encode()) for suffix in SUFFIXES]
        for name in names:
            for suffix, text in texts:
                with Output(os.path.join(self.directory, name + suffix)) as output:
                    output.write(text)

    def remove_copies(self, keep: int) -> None:
        """Remove the dated pages of all but the newest `keep` nights."""
        copies = self.copies()
        kept = set(sorted({name.partition(".")[0] for name in copies}, reverse=True)[:keep])
        self._remove(name for name in copies if name.partition(".")[0] not in kept)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            with contextlib.suppress(OSError):  # a directory of such a name; pages of another user
                os.unlink(os.path.join(self.directory, name))


def refuse_missing_libraries() -> None:
    """Raise OptionError now if a page could not be made after the scan."""
    report_function(f"{LATEST}.html")

"""The pages of nights in one directory: `latest.html`, `.json`, `.md`, and a dated copy of each."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from typing import Any

from scanner.errors import OptionError, OutputError
from scanner.export.output import Output
from scanner.report.formats import FORMATS, report_function

LATEST = "latest"
COPY = re.compile(r"night-\d{4}-\d{2}-\d{2}T\d{6}\.(html|json|md)")
"""Names of dated copies. No other file is ever removed."""


class Pages:
    """The directory of the pages. It is made if need be. Raises OutputError, OptionError.

    `name`: of the trees. Pages of other trees are not replaced.
    """

    def __init__(self, directory: str, name: str) -> None:
        self.directory = directory
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the directory {error.filename!r} of the pages: {error.strerror}") from error
        self.earlier = self._read_latest()
        found = None if self.earlier is None else self.earlier["night"]["name"]
        if found not in (None, name):
            raise OptionError(
                f"--to {directory!r} has the pages of {found!r}: give another directory, or --name {found}"
            )

    @property
    def page(self) -> str:
        return os.path.join(self.directory, f"{LATEST}.html")

    def _read_latest(self) -> dict[str, Any] | None:
        """Return the report of the last good night; None if there is none, or if it is damaged."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            with open(os.path.join(self.directory, f"{LATEST}.json"), encoding="utf-8") as file:
                report: dict[str, Any] = json.load(file)
            if isinstance(report["night"]["name"], str):
                return report
        return None

    def copies(self) -> list[str]:
        """Return the names of the dated pages, the newest first."""
        return sorted((name for name in os.listdir(self.directory) if COPY.fullmatch(name)), reverse=True)

    def write(self, report: dict[str, Any], *, copy: bool) -> None:
        """Replace the latest pages, each as a whole. `copy`: write dated ones, too. Raises OutputError."""
        report["night"]["copies"] = [name for name in self.copies() if name.endswith(".html")]
        texts = {suffix: FORMATS[suffix](report).encode() for suffix in sorted(FORMATS, reverse=True)}
        names = [time.strftime("night-%Y-%m-%dT%H%M%S"), LATEST] if copy else [LATEST]
        for name in names:
            for suffix, text in texts.items():
                with Output(os.path.join(self.directory, name + suffix)) as output:
                    output.write(text)

    def remove_copies(self, keep: int) -> None:
        """Remove the dated pages of all but the newest `keep` nights."""
        copies = self.copies()
        kept = sorted({name.partition(".")[0] for name in copies}, reverse=True)[:keep]
        for name in copies:
            if name.partition(".")[0] not in kept:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.directory, name))


def refuse_missing_libraries() -> None:
    """Raise OptionError now if a page could not be made after the scan."""
    report_function(f"{LATEST}.html")

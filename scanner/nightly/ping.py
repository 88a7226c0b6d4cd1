"""Pings of a dead man's switch, such as healthchecks.io: it raises the alarm if a night does not end, or fails."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from scanner.errors import OptionError

SECONDS = 10  # for one ping


class Pinger:
    """Sends pings to a URL: URL/start, then URL, or URL/fail. Raises OptionError for another kind of address."""

    def __init__(self, url: str | None) -> None:
        parts = urlsplit(url or "https://none")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise OptionError(f"--ping {url!r} must be an address that begins with http:// or https://")
        self._url = None if url is None else parts

    def send(self, signal: Literal["", "start", "fail"], text: str = "") -> str | None:
        """Send a ping with a text. Return why that failed; it never raises."""
        if self._url is None:
            return None
        import urllib.request  # takes 50 ms: only for pings

        path = self._url.path.rstrip("/") + (f"/{signal}" if signal else "")
        url = urlunsplit(self._url._replace(path=path))
        try:
            request = urllib.request.Request(url, data=text.encode(errors="replace"), method="POST")
            with urllib.request.urlopen(request, timeout=SECONDS):
                return None
        except Exception as error:  # of many kinds, and none is a reason to fail
            return f"{type(error).__name__}: {error}"

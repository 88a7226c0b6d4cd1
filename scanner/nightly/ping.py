"""Pings of a dead man's switch, such as healthchecks.io: it raises the alarm if a night does not end, or fails."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from scanner.errors import OptionError

SECONDS = 10  # for one ping


class Pinger:
    """Sends pings to a URL: URL/start, then URL, or URL/fail. Raises OptionError for another kind of address."""

    def __init__(self, url: str | None) -> None:
        self._url: SplitResult | None = None
        if url is None:
            return
        if not is_address(url):
            raise OptionError(
                f"--ping {url!r} must be an address that begins with http:// or https://, without user and password"
            )

        self._url = urlsplit(url)

    @property
    def host(self) -> str:
        """Where pings go: the rest of the address is a secret."""
        return "" if self._url is None else self._url.netloc

    def send(self, signal: Literal["", "start", "fail"], text: str = "") -> str | None:
        """Send a ping with a text. Return why that failed; it never raises."""
        if self._url is None:
            return None
        import urllib.request  # takes 50 ms: only for pings

        path = self._url.path.rstrip("/") + (f"/{signal}" if signal else "")
        url = urlunsplit(self._url._replace(path=path))
        try:
            request = urllib.request.Request(url, data=text.encode(errors="replace"), method="POST")
            with urllib.request.build_opener(no_redirects()).open(request, timeout=SECONDS):
                return None
        except Exception as error:  # of many kinds, and none is a reason to fail
            return f"{type(error).__name__}: {error}"


def is_address(url: str) -> bool:
    """Return whether pings can be sent to a URL."""
    try:
        parts = urlsplit(url)
        is_complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_complete and "@" not in parts.netloc and url.isascii() and url.isprintable() and " " not in url


def no_redirects() -> Any:
    """Return a handler with which a redirect is an error: the text would get lost on the way."""
    from urllib.request import HTTPRedirectHandler

    class Refuse(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return Refuse()

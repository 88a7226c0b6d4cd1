"""Records of a scan in its outputs."""

from __future__ import annotations

import re


def without_times(body: bytes) -> bytes:
    """When the scan was is recorded in some formats, and all else is the same."""
    return re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", b"T", body)

"""Compression on the way to the file. One stream, so that the bytes are the same however the scan was divided."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any

from scanner.export.extras import missing

GZIP_LEVEL = 6
GZIP_WINDOW = 16 + zlib.MAX_WBITS  # with gzip's header, which then holds no name and no time
ZSTD_LEVEL = 3


class Compressed:
    """Compresses what it is given. `kind`: gz or zst. Raises OptionError if that is not there."""

    def __init__(self, write: Callable[[bytes], object], kind: str) -> None:
        self._write = write
        self._compressor: Any = _zstd() if kind == "zst" else zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)

    def write(self, body: bytes | memoryview) -> None:
        done = self._compressor.compress(body)
        if done:
            self._write(done)

    def finish(self) -> None:
        self._write(self._compressor.flush())


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdCompressor(ZSTD_LEVEL)
    try:
        import zstandard
    except ImportError as error:
        raise missing("zstd", "compression as .zst") from error
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()

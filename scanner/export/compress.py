"""Compression of outputs, in one stream, so that the bytes do not depend on how the scan was divided."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any

from scanner.export.formats import missing_extra

GZIP_LEVEL = 6
GZIP_WINDOW = 16 + zlib.MAX_WBITS  # with gzip's header, without name and time
ZSTD_LEVEL = 3


class CompressedStream:
    """Compresses bytes and passes them to `write`. `kind`: gz or zst. Raises OptionError without the zstd library."""

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
        raise missing_extra("zstd", "compression as .zst") from error
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()

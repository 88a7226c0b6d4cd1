"""What becomes of entries in the worker: bytes for a consumer that only puts them in order, or for several."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from scanner.fields import columns_of
from scanner.kernel.sinks.base import Several, Sink
from scanner.options import ScanOptions

HOMES = {"paths": "paths", "table": "table", "text": "text", "sizes": "sizes", "ncdu": "ncdu", "summary": "summary",
         "profile": "profile"}  # fmt: skip


def sink_of(options: ScanOptions) -> Sink:
    """The one that makes what `options.sinks` want."""
    made = [_made(sink.kind, sink.arguments, options) for sink in options.sinks or ()]
    if not made:
        return Sink()
    return made[0] if len(made) == 1 else Several(made, len(columns_of(options.fields)))


def _made(kind: str, arguments: tuple[Any, ...], options: ScanOptions) -> Sink:
    module = import_module(f"scanner.kernel.sinks.{HOMES[kind]}")  # each is needed by few
    made: Sink = module.SINK(options, *arguments)
    return made

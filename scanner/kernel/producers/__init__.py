"""Producers: worker-side code that turns entries into bytes, so that the coordinator only puts Chunks in order."""

from __future__ import annotations

from importlib import import_module

from scanner.fields import columns_of
from scanner.kernel.producers.base import CombinedProducer, Producer
from scanner.options import ProducerSpec, ScanOptions


def producer_of(options: ScanOptions) -> Producer:
    """Return the producer of everything that `options.producers` lists."""
    producers = [_load(producer, options) for producer in options.producers or ()]
    if not producers:
        return Producer()
    return producers[0] if len(producers) == 1 else CombinedProducer(producers, len(columns_of(options.fields)))


def _load(spec: ProducerSpec, options: ScanOptions) -> Producer:
    """Make a producer by the module of its kind. Most scans need one module at most."""
    producer: Producer = import_module(f"{__name__}.{spec.kind}").PRODUCER(options, *spec.arguments)
    return producer

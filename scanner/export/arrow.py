"""Columns as Arrow has them, from rows as they come: no value becomes a Python object on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scanner.export.extras import missing
from scanner.fields import NULL, columns_of, type_of


def load(what: str) -> Any:
    """The library. Raises OptionError where it is not installed; `what` needs it."""
    try:
        import pyarrow.compute
    except ImportError as error:
        raise missing("parquet", what) from error
    return pyarrow


class Batches:
    """Makes record batches of `fields`. Paths are binary: names need not be text."""

    def __init__(self, arrow: Any, fields: Sequence[str]) -> None:
        self._arrow = arrow
        self._fields = fields
        self._numbers = {name: number for number, name in enumerate(columns_of(fields))}
        kinds = [("path", arrow.binary()), *((name, _kind(arrow, name)) for name in fields)]
        self.schema = arrow.schema(kinds)

    def batch(self, paths: Sequence[bytes], rows: memoryview) -> Any:
        count = len(paths)
        arrays = [self._arrow.array(paths, self._arrow.binary())]
        for name in self._fields:
            number = self._numbers["mode" if name == "type" else name]
            values = self._values(rows[number * count : (number + 1) * count])
            arrays.append(self._letters(values) if name == "type" else values.view(_kind(self._arrow, name)))
        return self._arrow.record_batch(arrays, schema=self.schema)

    def _values(self, column: memoryview) -> Any:
        arrow = self._arrow
        values = arrow.Array.from_buffers(arrow.int64(), len(column), [None, arrow.py_buffer(column)])
        if not len(values) or arrow.compute.min(values).as_py() != NULL:
            return values
        null = arrow.scalar(None, arrow.int64())
        return arrow.compute.if_else(arrow.compute.not_equal(values, NULL), values, null)

    def _letters(self, modes: Any) -> Any:
        coded = modes.dictionary_encode()
        letters = [type_of(mode) for mode in coded.dictionary.to_pylist()]
        return self._arrow.array(letters, self._arrow.string()).take(coded.indices)


def _kind(arrow: Any, name: str) -> Any:
    if name == "type":
        return arrow.string()
    if name.endswith("_ns"):
        return arrow.timestamp("ns", tz="UTC")
    return arrow.uint64() if name in ("ino", "dev") else arrow.int64()

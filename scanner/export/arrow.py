"""Columns for pyarrow and pandas: Parquet files, and results as tables.

Values go from the workers' columns into Arrow's buffers without becoming Python objects.
"""

from __future__ import annotations

import io
import json
import os
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from scanner.export.formats import missing_extra
from scanner.fields import NAMED, NULL, TARGET, Columns, columns_of, stat_fields, type_of, worker_fields
from scanner.model import Chunk, Walked
from scanner.owners import Names

if TYPE_CHECKING:
    from scanner.entry import Stated
    from scanner.export.writers import Record

ROW_GROUP = 1 << 17  # rows
LEAST_BATCH = 1 << 14  # rows
BATCH = 1 << 17  # entries: their paths must fit into the 2 GiB of an Arrow array


def load_pyarrow(feature: str) -> Any:
    """Import pyarrow, which `feature` requires. Raises OptionError if it is not installed."""
    try:
        import pyarrow.compute
    except ImportError as error:
        raise missing_extra("parquet", feature) from error
    return pyarrow


class BatchBuilder:
    """Makes record batches of `fields`. Paths are binary, because names need not be text."""

    def __init__(self, arrow: Any, fields: Sequence[str]) -> None:
        self._arrow = arrow
        self._fields = fields
        self._numbers = {name: number for number, name in enumerate(columns_of(stat_fields(fields)))}
        self._names = Names()
        kinds = [("path", arrow.binary()), *((name, _kind(arrow, name)) for name in fields)]
        self.schema = arrow.schema(kinds)

    def batch(self, joined: bytes, rows: memoryview, targets: Sequence[bytes | None] = ()) -> Any:
        """Return a record batch of entries: their paths, joined by NULs, their columns, and targets if requested."""
        paths = self._paths(joined)
        arrays, count = [paths], len(paths)
        for name in self._fields:
            if name == TARGET:
                arrays.append(self._targets(targets))
                continue
            number = self._numbers["mode" if name == "type" else NAMED.get(name, name)]
            values = self._values(rows[number * count : (number + 1) * count])
            if name == "type":
                arrays.append(self._texts(values, lambda modes: [type_of(mode) for mode in modes]))
            elif name in NAMED:
                arrays.append(self._texts(values, partial(self._names.of, name)))
            else:
                arrays.append(values.view(_kind(self._arrow, name)))
        return self._arrow.record_batch(arrays, schema=self.schema)

    def _paths(self, joined: bytes) -> Any:
        arrow = self._arrow
        whole = from_text(arrow, arrow.binary(), [0, len(joined)], joined)
        return arrow.compute.split_pattern(whole, b"\0").flatten()

    def _targets(self, targets: Sequence[bytes | None]) -> Any:
        arrow, texts = self._arrow, [target or b"" for target in targets]
        whole = from_text(arrow, arrow.binary(), [0, *accumulate(map(len, texts))], b"".join(texts))
        is_known = arrow.compute.not_equal(arrow.compute.binary_length(whole), 0)
        return arrow.compute.if_else(is_known, whole, arrow.scalar(None, arrow.binary()))

    def _values(self, column: memoryview) -> Any:
        arrow = self._arrow
        values = arrow.Array.from_buffers(arrow.int64(), len(column), [None, arrow.py_buffer(column)])
        if not len(values) or arrow.compute.min(values).as_py() != NULL:
            return values
        null = arrow.scalar(None, arrow.int64())
        return arrow.compute.if_else(arrow.compute.not_equal(values, NULL), values, null)

    def _texts(self, values: Any, texts_of: Callable[[list[int]], list[str | None]]) -> Any:
        """Return a text for each value, made once for each different value."""
        coded = values.dictionary_encode()
        texts = [(text or "?").encode() for text in texts_of(coded.dictionary.to_pylist())]
        places = [0, *accumulate(map(len, texts))]
        return from_text(self._arrow, self._arrow.string(), places, b"".join(texts)).take(coded.indices)


def from_text(arrow: Any, kind: Any, places: Sequence[int], text: bytes) -> Any:
    """Return an array of parts of `text`. Not by `pyarrow.array`, which imports pandas if it is installed."""
    offsets = arrow.py_buffer(array("i", places))
    return arrow.Array.from_buffers(kind, len(places) - 1, [None, offsets, arrow.py_buffer(text)])


def _kind(arrow: Any, name: str) -> Any:
    if name == "type" or name in NAMED:
        return arrow.string()
    if name == TARGET:
        return arrow.binary()
    if name.endswith("_ns"):
        return arrow.timestamp("ns", tz="UTC")
    return arrow.uint64() if name in ("ino", "dev") else arrow.int64()


class ParquetWriter:
    """Writes row groups of one size, compressed by zstd. Raises OptionError without pyarrow."""

    def __init__(self, write: Callable[[memoryview], object], fields: Sequence[str]) -> None:
        self._arrow = load_pyarrow("--format parquet")
        import pyarrow.parquet

        self._columns = Columns(worker_fields(fields))
        self._batches = BatchBuilder(self._arrow, fields)
        self._file = pyarrow.PythonFile(WriteStream(write), mode="w")
        self._writer = pyarrow.parquet.ParquetWriter(self._file, self._batches.schema, compression="zstd")
        self._arrived: list[tuple[bytes, memoryview]] = []
        self._targets: list[bytes | None] = []
        self._count = 0
        self._waiting: list[Any] = []
        self._rows = 0

    def write_chunk(self, chunk: Chunk, made: bytes | memoryview) -> None:
        joined, rows = self._columns.take_apart(made)
        if not joined:
            return
        self._arrived.append((joined, rows))
        if self._columns.has_targets:
            self._targets += self._columns.targets(made)
        self._count += joined.count(b"\0") + 1
        if self._count >= LEAST_BATCH:
            self._take_arrived()
        while self._rows >= ROW_GROUP:
            self._write(ROW_GROUP)

    def _take_arrived(self) -> None:
        """Make one batch of the Chunks that have arrived: many of them are small."""
        arrived, self._arrived, self._count = self._arrived, [], 0
        if not arrived:
            return
        self._waiting.append(self._batches.batch(*self._columns.put_together(arrived), self._targets))
        self._targets = []
        self._rows += self._waiting[-1].num_rows

    def _write(self, count: int) -> None:
        table = self._arrow.Table.from_batches(self._waiting, schema=self._batches.schema)
        self._writer.write_table(table.slice(0, count), row_group_size=ROW_GROUP)
        rest = table.slice(count)
        self._waiting, self._rows = rest.to_batches(), rest.num_rows

    def finish(self, record: Record) -> None:
        """Write the rest, and the record as JSON into the metadata key `scan`."""
        self._take_arrived()
        if self._rows:
            self._write(self._rows)
        self._writer.add_key_value_metadata({"scan": json.dumps(record())})
        self._writer.close()
        self._file.close()


class WriteStream(io.RawIOBase):
    """A file object for pyarrow that passes bytes to `write`."""

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        super().__init__()
        self._write = write
        self._position = 0

    def write(self, body: Any) -> int:
        view = memoryview(body)
        self._write(view)
        self._position += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self._position

    def writable(self) -> bool:
        return True


def arrow_table(result: Sequence[Walked], stated: Stated) -> Any:
    """Return the entries of a result as a pyarrow.Table. Raises OptionError without pyarrow."""
    library = load_pyarrow("to_arrow()")
    batches = BatchBuilder(library, stated.fields)
    made = [
        batches.batch(b"\0".join([os.fsencode(path) for path in paths]), rows)
        for paths, rows in _joined(result, stated, BATCH)
        if paths
    ]
    return library.Table.from_batches(made, schema=batches.schema)


def pandas_frame(result: Sequence[Walked], stated: Stated) -> Any:
    """Return the entries of a result as a pandas.DataFrame. Raises OptionError without pandas."""
    try:
        import pandas
    except ImportError as error:
        raise missing_extra("pandas", "to_pandas()") from error
    ((paths, rows),) = _joined(result, stated, sys.maxsize)
    values = Columns(stated.fields).values(rows)
    frame: dict[str, Any] = {"path": pandas.Series(paths, dtype=object)}  # names need not be text
    for name in stated.fields:
        kind = "string" if name == "type" else "UInt64" if name in ("ino", "dev") else "Int64"
        column = pandas.array(values[name], dtype=kind)
        frame[name] = pandas.to_datetime(column, unit="ns", utc=True) if name.endswith("_ns") else column
    return pandas.DataFrame(frame)


def _joined(result: Sequence[Walked], stated: Stated, most: int) -> Iterator[tuple[list[Any], memoryview]]:
    """Yield paths and their rows in batches of `most` or a few more; the last one may be empty."""
    paths: list[Any] = []
    columns = [bytearray() for _ in columns_of(stated.fields)]
    for walked in result:
        for some, rows in stated.runs(walked):
            paths += some
            for number, column in enumerate(columns):
                column.extend(rows[number * len(some) : (number + 1) * len(some)].cast("B"))
        if len(paths) >= most:
            yield paths, memoryview(b"".join(columns)).cast("q")
            paths, columns = [], [bytearray() for _ in columns]
    yield paths, memoryview(b"".join(columns)).cast("q")

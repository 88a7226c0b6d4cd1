"""Parquet: columns as they came from the workers, in row groups of one size."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from scanner.export import arrow
from scanner.fields import Columns
from scanner.model import Chunk

ROW_GROUP = 1 << 17  # rows


class ParquetFile:
    """Compressed by zstd. Raises OptionError without pyarrow."""

    def __init__(self, write: Callable[[memoryview], object], fields: Sequence[str]) -> None:
        self._arrow = arrow.load("--format parquet")
        import pyarrow.parquet

        self._columns = Columns(fields)
        self._batches = arrow.Batches(self._arrow, fields)
        self._file = pyarrow.PythonFile(Stream(write), mode="w")
        self._writer = pyarrow.parquet.ParquetWriter(self._file, self._batches.schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = 0

    def take(self, chunk: Chunk, made: bytes | memoryview) -> None:
        joined, rows = self._columns.take_apart(made)
        if not joined:
            return
        batch = self._batches.batch(joined.split(b"\0"), rows)
        self._waiting.append(batch)
        self._rows += batch.num_rows
        while self._rows >= ROW_GROUP:
            self._write(ROW_GROUP)

    def _write(self, count: int) -> None:
        table = self._arrow.Table.from_batches(self._waiting, schema=self._batches.schema)
        self._writer.write_table(table.slice(0, count), row_group_size=ROW_GROUP)
        rest = table.slice(count)
        self._waiting, self._rows = rest.to_batches(), rest.num_rows

    def finish(self, record: Callable[[], dict[str, Any]]) -> None:
        """`record` goes to the file's metadata, under the key `scan`, as JSON."""
        if self._rows:
            self._write(self._rows)
        self._writer.add_key_value_metadata({"scan": json.dumps(record())})
        self._writer.close()
        self._file.close()


class Stream:
    """Where the bytes go, as pyarrow wants to see it."""

    closed = False

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        self._write = write
        self._position = 0

    def write(self, body: Any) -> int:
        view = memoryview(body)
        self._write(view)
        self._position += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

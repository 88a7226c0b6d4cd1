"""A result as a table of the libraries that people analyse tables with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from scanner.entry import Stated
from scanner.export import arrow
from scanner.export.extras import missing
from scanner.fields import Columns, columns_of
from scanner.model import Walked

BATCH = 1 << 17  # entries: their paths must stay below the 2 GiB that an array of Arrow takes


def arrow_table(result: Sequence[Walked], stated: Stated) -> Any:
    library = arrow.load("to_arrow()")
    batches = arrow.Batches(library, stated.fields)
    made = [
        batches.batch([os.fsencode(path) for path in paths], rows) for paths, rows in _joined(result, stated, BATCH)
    ]
    return library.Table.from_batches(made, schema=batches.schema)


def pandas_frame(result: Sequence[Walked], stated: Stated) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise missing("pandas", "to_pandas()") from error
    ((paths, rows),) = _joined(result, stated, sys.maxsize)
    values = Columns(stated.fields).values(rows)
    frame: dict[str, Any] = {"path": pandas.Series(paths, dtype=object)}  # names need not be text
    for name in stated.fields:
        kind = "string" if name == "type" else "UInt64" if name in ("ino", "dev") else "Int64"
        column = pandas.array(values[name], dtype=kind)
        frame[name] = pandas.to_datetime(column, unit="ns", utc=True) if name.endswith("_ns") else column
    return pandas.DataFrame(frame)


def _joined(result: Sequence[Walked], stated: Stated, most: int) -> Iterator[tuple[list[Any], memoryview]]:
    """Paths and their rows, in lots of `most` or a few more, and one that may be empty."""
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

"""Files that more than one name leads to: they count once in a scan, for the first of their names in walk order.

Workers see some of the names only. So they add up what comes once for sure, and name the rest by `key`.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator, Sequence

from scanner.fields import NULL, columns_of
from scanner.options import ScanOptions

FIELDS = ("mode", "ino", "dev", "nlink")


class Again:
    """Finds rows of entries that may come again. `known`: keys of files that have been met under one name before;
    `several`: any entry may be met twice, as one file system is mounted twice.
    """

    def __init__(self, options: ScanOptions, known: Collection[int] = (), *, several: bool = False) -> None:
        columns = columns_of(options.fields)
        self._numbers = [columns.index(name) for name in FIELDS]
        self._width = len(columns)
        self._known = frozenset(known)
        self._several_ways = options.followlinks or several  # to anything, also to what has one name

    def rows(self, rows: memoryview, directories: Sequence[int] = ()) -> Iterator[tuple[int, int]]:
        """Numbers of rows, and the key of each: device << 64, and inode. `directories`: rows that are known to be of
        one.
        """
        count = len(rows) // self._width
        modes, inos, devs, column = (rows[number * count : (number + 1) * count] for number in self._numbers)
        nlinks = column.tolist()
        every = self._several_ways or self._known
        if not every and nlinks and min(nlinks) > 0:
            of_directories = sum(map(nlinks.__getitem__, directories))
            if sum(nlinks) - of_directories == len(nlinks) - len(directories):
                return  # each has one name, as nearly everywhere: faster than a look at each row
        for row, nlink in enumerate(nlinks):
            if (nlink > 1 or every) and (mode := modes[row]) != NULL:
                key = (devs[row] << 64) + inos[row]
                if self._several_ways or key in self._known or (nlink > 1 and not stat.S_ISDIR(mode)):
                    yield row, key

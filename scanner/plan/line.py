"""The line of all known directories and waiting Chunks, in walk order: a ring of linked Segments."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator

from scanner.model import Chunk, Path


class Segment:
    """A part of the walk order in one of four states: queued (`directories`), leased (`slot`), done (`chunks`), or, for
    a keyed consumer, `given` away.

    `position`: number of entries of the first directory that were delivered before this Segment.
    `keeper`: the slot that holds that directory open. `pruned`: directories of a leased Segment that were pruned.
    `alone`: only these directories, none below them. `deaths`: slots lost with it while they were in no directory.
    `reserved`: number of requests reserved for the Task of a leased Segment.
    `zone`: the part of the tree that it lies in (see `zones`), as far as known.
    `careful`: a slot was lost with it. It is walked one directory at a time, so that each result is safe at once.
    `reclaimed`: the rest of its Task was requested.
    `size`: bytes of its Chunks, or of the given ones that wait at the consumer.
    """

    __slots__ = (
        "alone", "before", "behind", "careful", "chunks", "deaths", "directories", "given", "keeper", "position",
        "pruned", "reclaimed", "reserved", "size", "slot", "zone",
    )  # fmt: skip

    def __init__(self, directories: list[Path], position: int = 0, *, alone: bool = False, zone: int = 0) -> None:
        self.directories = directories
        self.alone = alone
        self.zone = zone
        self.position = position
        self.keeper: int | None = None
        self.slot: int | None = None
        self.chunks: deque[Chunk] = deque()
        self.size = 0
        self.given = False
        self.pruned: set[Path] = set()
        self.reclaimed = False
        self.deaths = 0
        self.reserved = 0
        self.careful = False
        self.before: Segment = self
        self.behind: Segment = self

    @property
    def queued(self) -> bool:
        return self.slot is None and not self.chunks and not self.given

    @property
    def is_done(self) -> bool:
        return bool(self.chunks) or self.given

    def insert_behind(self, other: Segment) -> None:
        """Insert this Segment into the line, right behind `other`."""
        self.before, self.behind = other, other.behind
        other.behind.before = self
        other.behind = self

    def finish(self, chunk: Chunk) -> None:
        """Add its Chunk. Consecutive Chunks are in one Segment, so that the line stays short."""
        self.chunks.append(chunk)
        self.size += chunk.size
        self._join()

    def give(self, size: int) -> None:
        """Mark it as given: its Chunk, of `size` bytes, waits at a keyed consumer from now on."""
        self.given, self.size = True, size
        self._join()

    def _join(self) -> None:
        whole = self._joined(self.before, self)
        self._joined(whole, whole.behind)

    @staticmethod
    def _joined(before: Segment, behind: Segment) -> Segment:
        """Join two Segments that are done, by moving the fewer Chunks. Returns the one that is done."""
        if not before.is_done or not behind.is_done:
            return behind if behind.is_done else before
        if len(before.chunks) < len(behind.chunks):
            behind.chunks.extendleft(reversed(before.chunks))
            kept, gone = behind, before
        else:
            before.chunks += behind.chunks
            kept, gone = before, behind
        kept.size += gone.size
        gone.unlink()
        return kept

    def pop_first(self) -> Chunk:
        """Remove and return its first Chunk. An empty Segment leaves the line."""
        chunk = self.chunks.popleft()
        self.size -= chunk.size
        if not self.chunks:
            self.unlink()
        return chunk

    def unlink(self) -> None:
        self.before.behind, self.behind.before = self.behind, self.before


class Line:
    """The Segments, first to last."""

    def __init__(self) -> None:
        self._ends = Segment([])  # sentinel: its `behind` is the first Segment, its `before` the last
        self._given = 0  # bytes that wait at a keyed consumer

    def __iter__(self) -> Iterator[Segment]:
        return self.beyond(self._ends)

    def beyond(self, segment: Segment) -> Iterator[Segment]:
        """Iterate over the Segments behind it."""
        while (segment := segment.behind) is not self._ends:
            yield segment

    def zones_with_work(self) -> set[int]:
        """Return the zones with a Segment that is queued or leased."""
        return {segment.zone for segment in self if not segment.is_done}

    def waiting(self) -> list[Chunk]:
        """Return the Chunks that wait for their turn, in walk order: the results of a scan that is broken off."""
        return [chunk for segment in self for chunk in segment.chunks]

    def dissolve(self) -> None:
        """Take the ring apart at the end of a scan. Its reference cycles would wait for the garbage collector."""
        with contextlib.suppress(AttributeError):  # done before
            for segment in [self._ends, *self]:
                del segment.before, segment.behind

    @property
    def over(self) -> bool:
        """Whether all is given away: in one Segment."""
        first = self._ends.behind
        return first is self._ends or (first.given and first.behind is self._ends)

    def give(self, segment: Segment, size: int) -> None:
        self._given += size
        segment.give(size)

    def keep_given(self, size: int) -> None:
        """Note that only the last `size` bytes of the given ones still wait: the first are consumed."""
        for segment in self:
            if self._given <= size:
                return
            if segment.given:
                gone = min(self._given - size, segment.size)
                segment.size -= gone
                self._given -= gone
                if not segment.size:
                    segment.unlink()

    @property
    def first(self) -> Segment:
        return self._ends.behind

    @property
    def start(self) -> Segment:
        """The sentinel before the first Segment: insert behind it to become the first."""
        return self._ends

    @property
    def last(self) -> Segment:
        """The last Segment: insert behind it to become the last."""
        return self._ends.before

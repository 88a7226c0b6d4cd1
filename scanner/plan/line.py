"""The line of everything known and not yet given away, in walk order: a ring of linked Segments."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator

from scanner.model import Chunk, Path


class Segment:
    """A run of the walk order in one of four states: queued (`directories`), leased (`slot`), done (`chunks`), or, for
    a keyed consumer, `given` away.

    `position`: how many entries of the first directory were delivered before this Segment.
    `keeper`: the slot that holds that directory open. `pruned`: roots of a leased Segment nobody wants any more.
    `alone`: only these directories, nothing below them. `deaths`: slots lost over it while they were in no directory.
    `quota`: how many directories the Task of a leased Segment may read.
    `zone`: the part of the tree that it lies in (see `zones`), as far as that was known.
    `careful`: a slot was lost over it, so it is walked one directory at a time, and what is found is safe.
    `size`: bytes of its Chunks, or of what was given and waits at the consumer.
    """

    __slots__ = (
        "alone",
        "before",
        "behind",
        "careful",
        "chunks",
        "deaths",
        "directories",
        "given",
        "keeper",
        "position",
        "pruned",
        "quota",
        "reclaimed",
        "size",
        "slot",
        "zone",
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
        self.quota = 0
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
        """Take this Segment into the line, right behind `other`."""
        self.before, self.behind = other, other.behind
        other.behind.before = self
        other.behind = self

    def finish(self, chunk: Chunk) -> None:
        """Its Chunk has come. Chunks that follow one another are in one Segment, so that the line stays short."""
        self.chunks.append(chunk)
        self.size += chunk.size
        self._join()

    def give(self, size: int) -> None:
        """Its Chunk, of so many bytes, is with a keyed consumer from now on, and waits there."""
        self.given, self.size = True, size
        self._join()

    def _join(self) -> None:
        whole = self._joined(self.before, self)
        self._joined(whole, whole.behind)

    @staticmethod
    def _joined(before: Segment, behind: Segment) -> Segment:
        """Make one Segment of two that are done, by moving the fewer Chunks; the one that is done, if only one is."""
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

    def take_first(self) -> Chunk:
        """Its first Chunk; without any left it is gone."""
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
        """Those behind it."""
        while (segment := segment.behind) is not self._ends:
            yield segment

    def zones_with_work(self) -> set[int]:
        """Those in which something is queued or under way."""
        return {segment.zone for segment in self if not segment.is_done}

    def waiting(self) -> list[Chunk]:
        """The Chunks that have arrived and wait for their turn, in walk order: what a broken-off scan still has."""
        return [chunk for segment in self for chunk in segment.chunks]

    def dissolve(self) -> None:
        """Take the ring apart, with what is still in it: nobody needs it any more, and it would hold itself."""
        with contextlib.suppress(AttributeError):  # that was done before
            for segment in [self._ends, *self]:
                del segment.before, segment.behind

    @property
    def over(self) -> bool:
        """Whether all is given away: what was given stands in one Segment then."""
        first = self._ends.behind
        return first is self._ends or (first.given and first.behind is self._ends)

    def give(self, segment: Segment, size: int) -> None:
        self._given += size
        segment.give(size)

    def keep_given(self, size: int) -> None:
        """Only so many bytes of what was given still wait: the last ones. The first are consumed."""
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
        """What is inserted behind it is the first."""
        return self._ends

    @property
    def last(self) -> Segment:
        """What is inserted behind it is the last."""
        return self._ends.before

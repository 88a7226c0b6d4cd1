"""How many directories to read at a time, found by measuring. No clock: time comes in as data.

While a directory waits, others can be read beside it. So the number of slots doubles as long as a directory takes no
longer than it did at first (up to 4 at a time: no server minds these, and the very first is a root, which has no name
to look up). Once a directory takes longer, requests queue up somewhere (in the server, or in front of the
interpreter lock): more of them are no gain. By Little's law, what can be had is then slots / latency, and the number of
slots that gets it without a queue is that times the latency without load: the number falls back to a little more than
that, and goes on in small steps, which grow as long as there is no queue.

A directory many names away takes longer to open for that alone, where names are not cached; to read, it does not. So
only what shows in both is a queue.

    waiting?  no  -> as many slots as there were at first
              yes -> double -> double -> ... -> latency has grown: rate x first latency, then in small steps
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scanner.model import LONGEST_TASK, TASK_SECONDS, Chunk
from scanner.plan.tasks import task_seconds

WAITING_SHARE = 0.5  # of the time of a Task, from which on it waits more than it works
WAITING_SECONDS = 300e-6  # a directory: less is not worth another thread
SURE_SECONDS, SURE_SAMPLES, SURE_DIRECTORIES = 2e-3, 3, 16
"""So long for a directory, or so many Chunks, or directories in these, to believe it. So many of the last also tell how
much work one is."""
HARMLESS = 4  # slots that no server minds
NO_QUEUE, SOME_QUEUE, QUEUE = 1.25, 1.45, 1.6
"""Times the latency without load. Up to the first, twice as many slots bring nearly twice as much; up to the second, a
few more still bring more, though the server is at work most of the time; from the third on, nearly nothing does."""
STRIDE, CAREFUL_STRIDE, SHORTEST_STRIDE = 1.0, 1 / 4, 1 / 8
"""How much the number grows in a window without a queue, as a share of it: first and at most; at most once it was too
large; at least. Twice the last after a window without, a quarter of it after one with: a window may be disturbed by
something else."""
MARGIN = 1.25  # slots beyond what is needed, so that none is missed for a moment
PATIENT, PROBE = 16, 0.9  # windows of doubt before it is tried with fewer than is needed
A_TASK = 1  # is as much work as so many directories: 122 to 186 us each in Tasks of one, 57 to 74 us in longer ones
TELLING = 0.15  # of the time for a directory: if reading it takes less, it tells nothing
FADING = 0.7  # what counts of the past in each window
SPARE = 0.85  # of the processor may be used by more slots: at its limit each of them waits for the others
NO_HELP = 0.9  # of the latency before: if it stays above this with fewer slots, it was no queue


class Pace:
    """Finds the number of slots. `first`: where it begins and what it never goes below; `most`: the cap."""

    def __init__(self, first: int, most: int, task_seconds: tuple[float, float] = (TASK_SECONDS, LONGEST_TASK)) -> None:
        self.slots = min(first, most)
        self.reason = "nothing called for more"
        self._first, self._most, self._task_seconds = self.slots, most, task_seconds
        self._latency = 0.0  # of the last window, where directories cost waiting
        self._seeking = True  # no sign yet of a queue, or of a processor with enough to do
        self._base = self._base_reading = math.inf  # seconds for a directory without load; once it is open
        self._stride = self._longest_stride = STRIDE
        self._queues = 0  # windows, of the last, that had more than a little of a queue
        self._before: tuple[int, float] | None = None  # slots and latency when it was last taken back
        self._since = self._settled = -math.inf  # what began before it was settled tells of another number of slots
        self._samples: list[float] = []
        self._readings: list[float] = []  # of these, once the directory was open
        self._busy = self._seconds = 0.0
        self._told = 0  # directories in these
        self._worked: float | None = None  # until the window began; None before its first Chunk
        self._work = self._done = 0.0  # seconds of it, for how many directories and Tasks
        self._arrived = 0  # directories and Tasks since the last window

    def begin_with(self, first: int) -> None:
        """There are so many slots anyway: processes, or threads in their place."""
        first = min(first, self._most)
        self.slots = first if self.slots == self._first else max(self.slots, first)
        self._first = first

    @property
    def probing(self) -> bool:
        """Whether the number is still sought in long strides."""
        growing = self._seeking and self._stride >= STRIDE / 2
        return growing and self._first < self.slots <= min(self._most, SPARE * self._enough) - 1

    @property
    def task_seconds(self) -> float:
        """How long a Task may take. As long as the number is sought, one directory: so that each tells soon."""
        return 0.0 if self.probing else task_seconds(self._latency, *self._task_seconds)

    def note(self, now: float, chunk: Chunk, began: float, under_way: int, worked: Callable[[], float]) -> None:
        """Take in a Chunk that has arrived.

        `began`: when its Task was sent; `under_way`: slots with a Task; `worked`: for how many seconds so far each of
        the processors that can be had was at work.
        """
        count = chunk.visited
        if self._worked is None and self.slots > self._first:  # what there is anyway may work as much as it likes
            self._worked, self._arrived = worked(), 0
        else:
            self._arrived += count + A_TASK
        if count and began >= self._settled and not chunk.retries:  # which take pauses of ours
            self._samples.append(chunk.seconds / count)
            self._readings.append((chunk.seconds - chunk.opening) / count)
            self._busy += chunk.cpu
            self._seconds += chunk.seconds
            self._told += count
        if self._samples and self._is_time(now):
            self._count_work(worked)
            self._decide(now, under_way)
            self._since = now
            self._samples.clear()
            self._readings.clear()
            self._busy = self._seconds = 0.0
            self._told = 0

    def _count_work(self, worked: Callable[[], float]) -> None:
        """Since the last window, or since there are more slots: to start them is work, but no directory's."""
        if self.slots <= self._first:  # no more is measured, so what was must not hold for ever
            self._work = self._done = 0.0
        elif self._worked is not None:
            self._work = FADING * self._work + max(0.0, worked() - self._worked)
            self._done = FADING * self._done + self._arrived
        self._worked = None

    @property
    def _enough(self) -> float:
        """Slots that there is processor for. Little's law again: latency without load, over the work of a directory."""
        if self._done < SURE_DIRECTORIES or not self._work:
            return math.inf
        return self._base * self._done / self._work

    def _is_time(self, now: float) -> bool:
        """A directory's time has passed since, and most slots have told: those that tell first waited least."""
        latency, count = typical(self._samples), len(self._samples)
        sure = count >= SURE_SAMPLES or latency >= SURE_SECONDS or self._told >= SURE_DIRECTORIES
        return sure and now - self._since >= latency and count >= self.slots

    def _decide(self, now: float, under_way: int) -> None:
        latency, reading = typical(self._samples), typical(self._readings)
        waits = self._waits(latency)
        self._latency = latency if waits else 0.0
        if not waits:
            self.slots = max(self._first, self.slots // 2)
            self._seeking = self._seeking or self.slots == self._first
            self.reason = "when it was measured, directories cost too little waiting for more to pay"
            return
        before, self._before = self._before, None
        if before is not None and latency > NO_HELP * before[1]:
            # Fewer slots were no help: directories take that long here, and it may have as many as it had.
            self._base, self._base_reading, self._queues = latency, reading, 0
            self._stride = self._longest_stride = STRIDE
            self.slots, self._settled = max(self.slots, before[0]), now
            self.reason = f"a directory took {latency * 1e3:.1f} ms when it was measured, with fewer of them as well"
            return
        load = self._load(latency, reading)
        if self.slots > max(self._first, MARGIN * self._enough):
            self._save_work()
            self._settled = now + 2 * latency
            return
        self._queues = self._queues + 1 if load > SOME_QUEUE else 0
        hasty = load > NO_QUEUE and self.probing  # to go on would be: so soon, a queue has hardly begun to show
        if load > NO_QUEUE:
            self._stride, self._seeking = max(SHORTEST_STRIDE, self._stride / 4), False
        if self._queues >= 2 and (load >= QUEUE or self._queues == PATIENT):
            self._take_back(latency, load, MARGIN if load >= QUEUE else PROBE)
            self._settled = now + 2 * latency  # the queue is to empty first
        elif not self._queues and not hasty and 5 * under_way >= 4 * self.slots:
            self._add(latency)
            self._settled = now
            if load <= NO_QUEUE:
                self._stride = min(self._longest_stride, 2 * self._stride)

    def _load(self, latency: float, reading: float) -> float:
        """How many times as long as without load a directory takes."""
        if self.slots <= max(self._first, HARMLESS):
            self._base, self._base_reading = latency, reading
        self._base, self._base_reading = min(self._base, latency), min(self._base_reading, reading)
        load = latency / self._base
        return min(load, reading / self._base_reading) if reading >= TELLING * latency else load

    def _waits(self, latency: float) -> bool:
        """Whether directories cost waiting. A little of it may be others on this processor, or the interpreter lock."""
        share = 1 - self._busy / self._seconds if self._seconds else 0.0
        return share >= WAITING_SHARE and latency * share >= WAITING_SECONDS

    def _add(self, latency: float) -> None:
        more = max(HARMLESS, self.slots + max(1, int(self._stride * self.slots)))
        self.slots = max(self.slots, int(min(more, self._most, SPARE * self._enough)))
        self.reason = f"a directory took {latency * 1e3:.1f} ms when it was measured, with no sign of a queue"

    def _save_work(self) -> None:
        """More threads would only get into each other's way."""
        self._stride, self._queues, self._seeking = SHORTEST_STRIDE, 0, False
        self.slots = max(self._first, int(self._enough))
        self.reason = "more at a time would take more processor than there is"

    def _take_back(self, latency: float, load: float, margin: float) -> None:
        self._before = (self.slots, latency)
        self._stride, self._longest_stride, self._queues = SHORTEST_STRIDE, CAREFUL_STRIDE, 0
        self.reason = (
            f"when {self.slots} were allowed, a directory took {latency * 1e3:.1f} ms, "
            f"and {latency / load * 1e3:.1f} ms without load"
        )
        self.slots = max(self._first, round(margin * self.slots / load))


def typical(samples: list[float]) -> float:
    """The mean without the largest eighth. Not the median: it would not see the half that waits for its turn."""
    some = sorted(samples)[: len(samples) - len(samples) // 8]
    return sum(some) / len(some)  # statistics.fmean takes 4 ms to import

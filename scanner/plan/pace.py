"""Find by measurement how many directories to read concurrently. No clock: time comes in as data.

While a directory waits, others can be read beside it. So the number of slots doubles until a directory takes longer
than at first. (The latency at first is measured with up to 4 slots, which are no load for any server: the very first
directory is a root, which has no name to look up.) Once a directory takes longer, requests queue up in the server or
for the interpreter lock, and more slots gain nothing. By Little's law, throughput is then slots / latency, and the
number of slots that reaches it without a queue is throughput x latency without load. The number falls back to a little
more than that, and then grows in small steps, which become larger until there is a queue.

A directory with a long path takes longer to open where names are not cached, but not longer to read. So only a delay
of both is a queue.

    waiting?  no  -> as many slots as there were at first
              yes -> double -> double -> ... -> latency has grown: rate x first latency, then in small steps
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scanner.model import LONGEST_TASK, TASK_SECONDS, Chunk
from scanner.plan.tasks import task_seconds

WAITING_SHARE = 0.5  # of the time of a Task: above this it waits more than it works
WAITING_SECONDS = 300e-6  # for a directory: less is not worth another thread
SURE_SECONDS, SURE_SAMPLES, SURE_DIRECTORIES = 2e-3, 3, 16
"""A measurement is trusted from so many seconds for a directory on, or from so many Chunks, or directories in them. So
many directories also suffice to measure the work of one."""
HARMLESS = 4  # slots that are no load for any server
NO_QUEUE, SOME_QUEUE, QUEUE = 1.25, 1.45, 1.6
"""Factors on the latency without load. Up to the first, twice as many slots nearly double the throughput. Up to the
second, a few more slots still raise it, although the server is busy most of the time. From the third on, none do."""
STRIDE, CAREFUL_STRIDE, SHORTEST_STRIDE = 1.0, 1 / 4, 1 / 8
"""Growth of the number in a window without a queue, as a share of it: first and at most; at most after it was too
large; at least. Doubled after a window without a queue, a quarter after one with a queue, because other activity may
disturb a window."""
MARGIN = 1.25  # factor on the slots needed, so that none is missing for a moment
PATIENT, PROBE = 16, 0.9  # windows of doubt before fewer slots than needed are tried; factor for that
A_TASK = 1  # work of a Task, in directories: 122 to 186 us each in Tasks of one, 57 to 74 us in longer ones
TELLING = 0.15  # share of reading in the time for a directory: below it, the reading time is ignored
FADING = 0.7  # weight of the past in each window
SPARE = 0.85  # share of the processors that slots may use: at the limit, they wait for each other
NO_HELP = 0.9  # factor on the latency before: if it stays above this with fewer slots, there was no queue


class Pace:
    """Finds the number of slots. `first`: the initial number, and the least; `most`: the cap; `task_seconds`: as in
    `Backend`.
    """

    def __init__(self, first: int, most: int, task_seconds: tuple[float, float] = (TASK_SECONDS, LONGEST_TASK)) -> None:
        self.slots = min(first, most)
        self.reason = "no measurement required more"
        self._first, self._most, self._task_seconds = self.slots, most, task_seconds
        self._latency = 0.0  # of the last window, where directories wait
        self._seeking = True  # no sign yet of a queue, or of busy processors
        self._base = self._base_reading = math.inf  # seconds for a directory without load; the same once it is open
        self._stride = self._longest_stride = STRIDE
        self._queues = 0  # consecutive windows with more than a small queue
        self._before: tuple[int, float] | None = None  # slots and latency at the last reduction
        self._since = self._settled = -math.inf  # Tasks sent before `_settled` belong to another number of slots
        self._samples: list[float] = []
        self._readings: list[float] = []  # of these, once the directory was open
        self._busy = self._seconds = 0.0
        self._measured = 0  # directories in these
        self._worked: float | None = None  # processor seconds until the window began; None before its first Chunk
        self._work = self._done = 0.0  # processor seconds, and the directories and Tasks that they were for
        self._arrived = 0  # directories and Tasks since the last window

    def begin_with(self, first: int) -> None:
        """Set the number of slots that exist in any case: one for each process, or thread instead."""
        first = min(first, self._most)
        self.slots = first if self.slots == self._first else max(self.slots, first)
        self._first = first

    def allow(self, most: int) -> None:
        """Set the cap."""
        self._most, self.slots = most, min(self.slots, most)

    @property
    def probing(self) -> bool:
        """Whether the number still grows in long strides."""
        growing = self._seeking and self._stride >= STRIDE / 2
        return growing and self._first < self.slots <= min(self._most, SPARE * self._enough) - 1

    @property
    def task_seconds(self) -> float:
        """Seconds that a Task may take. While probing, a single directory, so that each is measured soon."""
        return 0.0 if self.probing else task_seconds(self._latency, *self._task_seconds)

    def note(self, now: float, chunk: Chunk, began: float, under_way: int, worked: Callable[[], float]) -> None:
        """Learn from a Chunk.

        `began`: when its Task was sent; `under_way`: number of running Tasks; `worked`: returns the processor seconds
        used so far, divided by the number of processors.
        """
        count = chunk.visited
        if self._worked is None and self.slots > self._first:  # the first slots may work without a limit
            self._worked, self._arrived = worked(), 0
        else:
            self._arrived += count + A_TASK
        if count and began >= self._settled and not chunk.retries:  # retries include pauses
            self._samples.append(chunk.seconds / count)
            self._readings.append((chunk.seconds - chunk.opening) / count)
            self._busy += chunk.cpu
            self._seconds += chunk.seconds
            self._measured += count
        if self._samples and self._is_time(now):
            self._count_work(worked)
            self._decide(now, under_way)
            self._since = now
            self._samples.clear()
            self._readings.clear()
            self._busy = self._seconds = 0.0
            self._measured = 0

    def _count_work(self, worked: Callable[[], float]) -> None:
        """Count work since the last window, or since slots were added: their start is no work of a directory."""
        if self.slots <= self._first:  # nothing is measured any more: an old result must not hold forever
            self._work = self._done = 0.0
        elif self._worked is not None:
            self._work = FADING * self._work + max(0.0, worked() - self._worked)
            self._done = FADING * self._done + self._arrived
        self._worked = None

    @property
    def _enough(self) -> float:
        """Slots that the processors can serve: by Little's law, latency without load / work of a directory."""
        if self._done < SURE_DIRECTORIES or not self._work:
            return math.inf
        return self._base * self._done / self._work

    def _is_time(self, now: float) -> bool:
        """Whether a directory's time has passed, and most slots have answered: the first answers waited least."""
        latency, count = typical(self._samples), len(self._samples)
        sure = count >= SURE_SAMPLES or latency >= SURE_SECONDS or self._measured >= SURE_DIRECTORIES
        return sure and now - self._since >= latency and count >= self.slots

    def _decide(self, now: float, under_way: int) -> None:
        latency, reading = typical(self._samples), typical(self._readings)
        waits = self._waits(latency)
        self._latency = latency if waits else 0.0
        if not waits:
            self.slots = max(self._first, self.slots // 2)
            self._seeking = self._seeking or self.slots == self._first
            self.reason = "directories waited too little for more to gain"
            return
        before, self._before = self._before, None
        if before is not None and latency > NO_HELP * before[1]:
            # Fewer slots did not help: directories take that long here. Return to the number before.
            self._base, self._base_reading, self._queues = latency, reading, 0
            self._stride = self._longest_stride = STRIDE
            self.slots, self._settled = max(self.slots, before[0]), now
            self.reason = f"a directory took {latency * 1e3:.1f} ms, with fewer at a time as well"
            return
        load = self._load(latency, reading)
        if self.slots > max(self._first, MARGIN * self._enough):
            self._save_work()
            self._settled = now + 2 * latency
            return
        self._queues = self._queues + 1 if load > SOME_QUEUE else 0
        hasty = load > NO_QUEUE and self.probing  # a queue has hardly begun to show so soon
        if load > NO_QUEUE:
            self._stride, self._seeking = max(SHORTEST_STRIDE, self._stride / 4), False
        if self._queues >= 2 and (load >= QUEUE or self._queues == PATIENT):
            self._take_back(latency, load, MARGIN if load >= QUEUE else PROBE)
            self._settled = now + 2 * latency  # after the queue has emptied
        elif not self._queues and not hasty and 5 * under_way >= 4 * self.slots:
            self._add(latency)
            self._settled = now
            if load <= NO_QUEUE:
                self._stride = min(self._longest_stride, 2 * self._stride)

    def _load(self, latency: float, reading: float) -> float:
        """Return the time for a directory as a factor on its time without load."""
        if self.slots <= max(self._first, HARMLESS):
            self._base, self._base_reading = latency, reading
        self._base, self._base_reading = min(self._base, latency), min(self._base_reading, reading)
        load = latency / self._base
        return min(load, reading / self._base_reading) if reading >= TELLING * latency else load

    def _waits(self, latency: float) -> bool:
        """Return whether directories wait. Small waits may come from other processes or the interpreter lock."""
        share = 1 - self._busy / self._seconds if self._seconds else 0.0
        return share >= WAITING_SHARE and latency * share >= WAITING_SECONDS

    def _add(self, latency: float) -> None:
        more = max(HARMLESS, self.slots + max(1, int(self._stride * self.slots)))
        self.slots = max(self.slots, int(min(more, self._most, SPARE * self._enough)))
        self.reason = f"a directory took {latency * 1e3:.1f} ms, with no sign of a queue"

    def _save_work(self) -> None:
        """Reduce to the number of slots that the processors can serve."""
        self._stride, self._queues, self._seeking = SHORTEST_STRIDE, 0, False
        self.slots = max(self._first, int(self._enough))
        self.reason = "more at a time would exceed the processors"

    def _take_back(self, latency: float, load: float, margin: float) -> None:
        self._before = (self.slots, latency)
        self._stride, self._longest_stride, self._queues = SHORTEST_STRIDE, CAREFUL_STRIDE, 0
        self.reason = (
            f"with {self.slots} at a time, a directory took {latency * 1e3:.1f} ms, "
            f"and {latency / load * 1e3:.1f} ms without load"
        )
        self.slots = max(self._first, round(margin * self.slots / load))


def typical(samples: list[float]) -> float:
    """Return the mean without the largest eighth. The median would hide the half that waits for its turn."""
    some = sorted(samples)[: len(samples) - len(samples) // 8]
    return sum(some) / len(some)  # statistics.fmean takes 4 ms to import

"""When an answer leaves: at once, after the latency of the file system, or only on release."""

from __future__ import annotations

import heapq
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .protocol import FAULTY
from .rules import check_keys

Send = Callable[[int, int, bytes], None]  # unique, error, data
LAST = "readdir_eof"  # the READDIR that finds nothing more
_KILLED = 1 << (signal.SIGKILL - 1)
_REAP_SECONDS = 0.05


class Latency:
    """Seconds a request of each kind takes."""

    def __init__(self, milliseconds: float | Mapping[str, float], nfs: bool) -> None:
        if not isinstance(milliseconds, Mapping):
            milliseconds = dict.fromkeys(FAULTY, milliseconds)
            if nfs:  # GETATTR and ACCESS, then READDIR, which marks the last
                milliseconds |= {"opendir": 2 * milliseconds["opendir"], LAST: 0}
        check_keys(milliseconds, {*FAULTY, LAST}, "latency_ms")
        self._seconds = {label: value / 1000 for label, value in milliseconds.items()}
        self._seconds.setdefault(LAST, self._seconds.get("readdir", 0.0))

    def of(self, label: str) -> float:
        return self._seconds.get(label, 0.0)


class Delayed(NamedTuple):
    """An answer on its way."""

    due: float
    order: int
    label: str
    unique: int
    error: int
    data: bytes


class Schedule:
    """Answers on their way: any number at a time, or as many as a busy server has `slots`."""

    def __init__(self, send: Send, latency: Latency, slots: int, jitter: float, seed: int) -> None:
        self.latency = latency
        self._send = send
        self._slots = [0.0] * slots
        self._jitter = jitter
        self._random = random.Random(seed)
        self._heap: list[Delayed] = []
        self._order = itertools.count()
        self._in_flight: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()

    def reset(self) -> None:
        self.peak = Counter()

    def add(self, label: str, unique: int, error: int, data: bytes, extra: float) -> None:
        seconds = self.latency.of(label) + extra
        if seconds <= 0:
            self._send(unique, error, data)
            return
        due = self._due(seconds + self._random.random() * self._jitter)
        label = "readdir" if label == LAST else label
        self._count(label)
        heapq.heappush(self._heap, Delayed(due, next(self._order), label, unique, error, data))

    def send_due(self) -> None:
        while self._heap and self._heap[0].due <= time.perf_counter():
            answer = heapq.heappop(self._heap)
            self._in_flight.subtract([answer.label, "all"])
            self._send(answer.unique, answer.error, answer.data)

    def seconds_left(self, limit: float) -> float:
        """Until the next answer is due, but not more than `limit`."""
        return min(limit, max(0.0, self._heap[0].due - time.perf_counter())) if self._heap else limit

    def _due(self, seconds: float) -> float:
        start = time.perf_counter()
        if self._slots:
            start = max(start, self._slots[0])
            heapq.heapreplace(self._slots, start + seconds)
        return start + seconds

    def _count(self, label: str) -> None:
        for key in (label, "all"):
            self._in_flight[key] += 1
            self.peak[key] = max(self.peak[key], self._in_flight[key])


class Hang(NamedTuple):
    """A request that gets no answer."""

    how: str
    pid: int
    path: str


class Hangs:
    """All of them, by the number of the request."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._hung: dict[int, Hang] = {}
        self._interrupted: set[int] = set()  # of the killable ones

    def add(self, unique: int, hang: Hang) -> None:
        self._hung[unique] = hang

    def all(self) -> list[Hang]:
        return list(self._hung.values())

    def interrupt(self, unique: int, error: int) -> None:
        """The caller has got a signal."""
        hang = self._hung.get(unique)
        if hang and hang.how == "intr":
            self._answer(unique, error)
        elif hang and hang.how == "killable":
            self._interrupted.add(unique)

    def reap(self, error: int) -> None:
        """Answer the killable ones whose caller was killed."""
        for unique in list(self._interrupted):
            if _is_killed(self._hung[unique].pid):
                self._answer(unique, error)

    def seconds_left(self, limit: float) -> float:
        return min(limit, _REAP_SECONDS) if self._interrupted else limit

    def release(self, error: int) -> int:
        """Answer all; how many that were."""
        uniques = list(self._hung)
        for unique in uniques:
            self._answer(unique, error)
        return len(uniques)

    def _answer(self, unique: int, error: int) -> None:
        del self._hung[unique]
        self._interrupted.discard(unique)
        self._send(unique, error, b"")


def _is_killed(pid: int) -> bool:
    """Whether SIGKILL is on its way to this thread; to the kernel every signal that ends a process is one."""
    try:
        with open(f"/proc/{pid}/status") as status:
            pending = [line.split()[1] for line in status if line.startswith(("SigPnd:", "ShdPnd:"))]
    except OSError:
        return True
    return any(int(mask, 16) & _KILLED for mask in pending)

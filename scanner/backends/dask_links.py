"""The coordinator's connections to the workers of a Dask cluster. All of it runs in the event loop of the client.

    scheduler <----- poll: list of workers ----- Links --- Link 1 <== stream ==> worker
    DaskBackend <-- news: a queue of tuples -------'------ Link 2 <== stream ==> worker

The end of a stream is the loss of its worker. The scheduler only reports which workers there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import time
import uuid
from _queue import SimpleQueue
from collections.abc import Collection
from typing import Any, NamedTuple, TypeAlias

from scanner.backends import dask_worker
from scanner.backends.dask_worker import OPERATION
from scanner.backends.sight import Sight, difference
from scanner.errors import ClusterReason
from scanner.options import ScanOptions

POLL = 0.5  # seconds between two looks at the scheduler's list of workers
REACHABLE = 10.0  # seconds to connect to a worker, and to prepare it
SILENCE = 30.0  # seconds without a sign of life from a worker, or an answer of the scheduler
TOGETHER = 10.0  # seconds to wait for the sights of all workers that were there at the start
CANNOT_REACH = (
    "cannot connect to Dask worker {address} of scheduler {scheduler} from this machine within {seconds:.0f} s: run "
    "the scan inside the cluster, for example by srun, kubectl exec, or client.submit (see docs/cluster.md)"
)
NOT_INSTALLED = (
    "Dask worker {address} cannot import scanner ({error}): install the same version there "
    "(pip install 'parallel-scanner[dask]'), or send it: client.upload_file with a zip of the package"
)


VERSIONS = {"scanner": "scanner", "messages": "format of messages", "python": "Python", "byteorder": "byte order",
            "encoding": "encoding of file names"}  # fmt: skip
USERS = {"uid": "user id", "groups": "groups"}
"""What must be the same, by its name in `hello`: everywhere, and in all workers."""


class Ready(NamedTuple):
    """News: a worker can take Tasks."""

    link: Link


class Frames(NamedTuple):
    """News: Chunks have arrived."""

    link: Link
    frames: list[bytes]


class LateThreads(NamedTuple):
    """News: threads wait too long: number, directory, mount."""

    link: Link
    late: list[tuple[int, bytes, bytes]]


class Mistake(NamedTuple):
    """News: an unexpected exception in a thread, with its traceback."""

    link: Link
    thread: int
    text: str


class Leaving(NamedTuple):
    """News: a worker is about to leave in order."""

    link: Link


class Lost(NamedTuple):
    """News: a worker is gone. `blame`: a Task may be the reason. `warning`: to be logged."""

    link: Link
    blame: bool
    warning: str = ""


class Refused(NamedTuple):
    """News: the scan cannot go on, or must not begin."""

    message: str
    reason: ClusterReason


class Warned(NamedTuple):
    """News: to be logged."""

    message: str


News: TypeAlias = Ready | Frames | LateThreads | Mistake | Leaving | Lost | Refused | Warned


class WorkerOutError(Exception):
    """A worker cannot go on. The message says why."""


class Link:
    """One worker: its connection and what it has said of itself."""

    def __init__(self, number: int, address: str) -> None:
        self.number, self.address = number, address
        self.hello: dict[str, Any] = {"host": "?", "name": address, "threads": 1}
        self.sight: Sight | None = None
        self.comm: Any = None
        self.silent = 0.0  # seconds without a message
        self.is_ready = self.is_leaving = self.is_lost = False
        self.resident: Any = None
        self.running: asyncio.Task[None] | None = None
        self.beginning: asyncio.Task[None] | None = None
        self.waiting: list[bytes] = []
        self.wakes = asyncio.Event()

    @property
    def label(self) -> str:
        return f"{self.hello['name']} on {self.hello['host']}"


class Links:
    """Connects to the workers that the scheduler lists, now and later, and reports as `news` what comes of it.

    `least`: number of workers without which nothing begins.
    """

    def __init__(self, client: Any, options: ScanOptions, news: SimpleQueue[News], least: int) -> None:
        self._client, self._options, self._news, self._least = client, options, news, least
        self._blob = pickle.dumps(options)
        self._scan = uuid.uuid4().hex
        self._links: dict[str, Link] = {}
        self._count = 0
        self._first: set[str] | None = None  # addresses at the start without a sight so far
        self._begun = self._is_refused = False
        self._deadline = 0.0
        self.reference: Link | None = None
        """The worker with whose sight those of others are compared."""
        self.scheduler_is_gone = False
        self._polling = asyncio.ensure_future(self._poll())
        self._watching = asyncio.ensure_future(self._watch())

    # ---- workers that come and go

    async def _poll(self) -> None:
        while True:
            try:
                there = await asyncio.wait_for(self._client.nthreads(), SILENCE)
                self.scheduler_is_gone = False
                self._compare(there)
            except OSError:
                self.scheduler_is_gone = True
            await asyncio.sleep(POLL)

    def _compare(self, there: Collection[str]) -> None:
        if self._first is None and there:
            self._first, self._deadline = set(there), time.monotonic() + TOGETHER
        for address in there:
            if address not in self._links:
                self._count += 1
                link = self._links[address] = Link(self._count, address)
                link.running = asyncio.ensure_future(self._join(link))
        for address in self._links.keys() - set(there):
            if self._links[address].is_lost:
                del self._links[address]
        self._begin_if_possible()

    async def _watch(self) -> None:
        """End links that are silent. The clock stops with this process: after a pause nobody is late."""
        while True:
            await asyncio.sleep(1)
            for link in list(self._links.values()):
                link.silent += 1
                if link.is_ready and not link.is_lost and link.silent > SILENCE:
                    text = f"Dask worker {link.label} is silent; its Tasks run elsewhere"
                    self._lose(link, blame=False, warning=text)

    # ---- one link

    async def _join(self, link: Link) -> None:
        try:
            if not await self._is_prepared(link):
                return
        except Exception as error:
            self._failed(link, error)
            return
        try:
            await self._read(link)
        except (OSError, EOFError):  # CommClosedError is an OSError
            self._lose(link, blame=not link.is_leaving)
        except WorkerOutError as error:
            text = f"Dask worker {link.label}: {error}"
            if link.is_ready:
                self._lose(link, blame=False, warning=f"{text}; its Tasks run elsewhere")
            else:
                self._refuse(link, text, "it is not used")

    async def _is_prepared(self, link: Link) -> bool:
        """Prepare the worker, in several attempts. False: it has ended, or cannot be reached, which is reported."""
        deadline = time.monotonic() + REACHABLE
        while True:
            with contextlib.suppress(OSError):
                await asyncio.wait_for(self._prepare(link), REACHABLE)
                return True
            await asyncio.sleep(POLL)
            with contextlib.suppress(OSError):
                if link.address not in await asyncio.wait_for(self._client.nthreads(), REACHABLE):
                    self._lose(link, blame=False)
                    return False
            if time.monotonic() > deadline:
                self._unreachable(link)
                return False

    def _unreachable(self, link: Link) -> None:
        scheduler = self._client.scheduler.address
        text = CANNOT_REACH.format(address=link.address, scheduler=scheduler, seconds=REACHABLE)
        self._lose(link, blame=False)
        others = any(not other.is_lost for other in self._links.values())
        self._report(text, text, "unreachable", must_end=not (self._begun or others))

    async def _prepare(self, link: Link) -> None:
        """Connect, and exchange versions and options."""
        from distributed.core import connect

        await self._client.run(dask_worker.install, workers=[link.address])
        link.comm = await connect(link.address, timeout=REACHABLE, **self._client.connection_args)
        await link.comm.write({"op": OPERATION, "reply": False, "scan": self._scan})
        link.hello = (await link.comm.read())["hello"]
        if reason := mismatch(dask_worker.versions(), link.hello, VERSIONS):
            raise ValueError(f"Dask worker {link.label} differs from this process: {reason}")
        await link.comm.write({"options": self._blob})

    def _failed(self, link: Link, error: Exception) -> None:
        """Handle an error in the worker, or a difference of versions."""
        text = str(error)
        if isinstance(error, ImportError) or "No module named 'scanner" in text:
            text = NOT_INSTALLED.format(address=link.address, error=error)
        self._refuse(link, text, "it is not used")

    async def _read(self, link: Link) -> None:
        sending = asyncio.ensure_future(self._send(link))
        try:
            while True:
                message = await link.comm.read()
                link.silent = 0
                for kind, value in message.items():
                    self._take(link, kind, value)
        finally:
            sending.cancel()

    def _take(self, link: Link, kind: str, value: Any) -> None:
        if kind == "frames":
            self._news.put(Frames(link, value))
        elif kind == "late":
            self._news.put(LateThreads(link, [(thread, bytes(path), bytes(mount)) for thread, path, mount in value]))
        elif kind == "sight":
            link.sight = value
            self._begin_if_possible()
        elif kind == "leaving":
            link.is_leaving = True
            self._news.put(Leaving(link))
        elif kind == "out":
            raise WorkerOutError(value)
        elif kind == "mistake":
            thread, text = value
            self._news.put(Mistake(link, thread, text))

    async def _send(self, link: Link) -> None:
        while True:
            await link.wakes.wait()
            link.wakes.clear()
            while link.waiting:
                frames, link.waiting = link.waiting, []
                await link.comm.write({"frames": frames})

    def _lose(self, link: Link, *, blame: bool, warning: str = "") -> None:
        if link.is_lost:
            return
        link.is_lost = True
        if link.comm is not None:
            link.comm.abort()
        if link.resident is not None:
            link.resident.release()
            link.resident = None
        self._news.put(Lost(link, blame, warning))
        asyncio.get_running_loop().call_soon(self._begin_if_possible)  # not within another call of it

    # ---- the beginning

    def _begin_if_possible(self) -> None:
        """Let workers begin whose sight is that of the first. At the start, only once all sights are known."""
        links = [link for link in self._links.values() if not link.is_lost]
        if self._first is not None:
            self._first &= {link.address for link in links if link.sight is None}
        able = [link for link in links if link.sight is not None and not link.is_ready]
        if self._is_refused:
            return
        if not self._begun and (len(able) < self._least or (self._first and time.monotonic() < self._deadline)):
            return
        alike = [link for link in able if self._is_alike(link)]
        if self._begun or len(alike) == len(able):
            self._begun = self._begun or bool(alike)
            for link in alike:
                self._begin(link)

    def _is_alike(self, link: Link) -> bool:
        first = self.reference = self.reference or link
        assert first.sight is not None
        assert link.sight is not None
        reason = mismatch(first.hello, link.hello, USERS) or difference(self._options.roots, first.sight, link.sight)
        if reason is None:
            return True
        text = f"Dask workers {first.label} and {link.label} differ: {reason}"
        self._refuse(link, text, "the second is not used")
        return False

    def _refuse(self, link: Link, text: str, otherwise: str) -> None:
        """Do without a worker that joins later. At the start, its difference ends the scan."""
        self._lose(link, blame=False)
        self._report(text, f"{text}; {otherwise}", "different", must_end=not self._begun)

    def _report(self, text: str, warning: str, reason: ClusterReason, *, must_end: bool) -> None:
        """Report a worker that is not used, which may end the scan before it begins."""
        self._is_refused = self._is_refused or must_end
        self._news.put(Refused(text, reason) if must_end else Warned(warning))

    def _begin(self, link: Link) -> None:
        assert self.reference is not None
        assert self.reference.sight is not None
        limit = self._options.dir_timeout
        every = None if limit is None else min(1.0, limit / 10)
        begin = {"number": link.number, "devices": self.reference.sight["numbers"], "every": every}
        link.is_ready = True
        link.beginning = asyncio.ensure_future(self._begin_link(link, begin))

    async def _begin_link(self, link: Link, begin: dict[str, Any]) -> None:
        try:
            await link.comm.write({"begin": begin})
        except OSError:
            self._lose(link, blame=False)
            return
        link.resident = self._client.submit(
            dask_worker.resident, link.hello["key"], pure=False, workers=[link.address], allow_other_workers=False,
            key=f"scanner-{link.hello['key']}",
        )  # fmt: skip
        self._news.put(Ready(link))

    # ---- the end

    def let_go(self, link: Link) -> None:
        """End one connection."""
        self._lose(link, blame=False)

    async def close(self) -> None:
        """End all connections. The workers notice, and end the scan."""
        self._polling.cancel()
        self._watching.cancel()
        for link in self._links.values():
            self._lose(link, blame=False)
            if link.running is not None:
                link.running.cancel()
        await asyncio.sleep(0)


def mismatch(one: dict[str, Any], other: dict[str, Any], names: dict[str, str]) -> str | None:
    """Return the first of the named values that differ, in a few words, or None."""
    for name, text in names.items():
        if one[name] != other[name]:
            return f"{text} {one[name]} and {other[name]}"
    return None

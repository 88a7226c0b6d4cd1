"""The part that runs in a worker of a Dask cluster: a stream to the coordinator, and a task while the scan lasts.

    coordinator                                         worker
    client.run(install) ------------------------------> adds the handler
    connect, {op: scanner_crew, scan} ----------------> serve()
    <------------------------------------------ {hello}
    {options} ----------------------------------------> unpickled only once both have the same versions
    <------------------------------------------ {sight}
    {begin: number, devices} -------------------------> begin()
    {frames: Tasks, requests} ------------------------> ForeignCrew.take
    <----- {frames: Chunks}, {late}, {} (alive), {leaving}, {mistake}, {out: reason}

The end of the stream ends the scan here, within the directory that each thread reads. The resident task shows the
scheduler that this worker is in use: otherwise it counts as idle, and may be ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import sys
import threading
import time
from typing import Any

from scanner import __version__
from scanner.backends.foreign import ForeignCrew, described
from scanner.codec import VERSION
from scanner.kernel.native import native

OPERATION = "scanner_crew"
TICK = 1.0  # seconds between two signs of life
LOOK = 0.05  # seconds between two looks whether the worker is about to leave: it may be gone soon
MOST_FRAMES = 64  # in one message
_over: dict[str, asyncio.Event] = {}
"""Set at the end of each scan that runs here."""


def install(dask_worker: Any) -> None:
    """Let this worker take part in scans. Runs by `client.run`."""

    async def scanner_crew(comm: Any, scan: str = "") -> str:  # Dask needs its name
        return await serve(dask_worker, comm, scan)

    dask_worker.handlers[OPERATION] = scanner_crew


async def resident(scan: str) -> None:
    """Occupy the worker, as its scheduler sees it, until the scan is over."""
    if scan in _over:
        await _over[scan].wait()


def versions() -> dict[str, Any]:
    """Return what must be the same in the coordinator and all workers: Tasks travel by `marshal`."""
    return {
        "scanner": __version__,
        "messages": VERSION,
        "python": ".".join(map(str, sys.version_info[:2])),
        "byteorder": sys.byteorder,
        "encoding": sys.getfilesystemencoding(),
    }


def hello(worker: Any, key: str) -> dict[str, Any]:
    """Return what is compared with other workers, and what the report says of this one."""
    return {
        **versions(),
        "uid": os.geteuid(),
        "groups": sorted({os.getegid(), *os.getgroups()}),
        "host": os.uname().nodename,
        "name": str(worker.name),
        "threads": worker.state.nthreads,
        "reader": "python" if native() is None else "compiled",
        "key": key,
    }


async def serve(worker: Any, comm: Any, scan: str) -> str:
    """Take part in one scan, until the connection ends."""
    from distributed.comm import CommClosedError

    key = f"{scan}-{worker.address}"
    _over[key] = asyncio.Event()
    stream = Stream(comm)
    try:
        await comm.write({"hello": hello(worker, key)})
        options = (await comm.read())["options"]
        ticking = asyncio.ensure_future(stream.tick(worker))
        try:
            await Service(stream, options).run()
        finally:
            ticking.cancel()
    except (CommClosedError, OSError):
        pass
    except Exception as error:  # a bug, or options that cannot be read here
        stream.put({"out": described(error)})
    finally:
        await stream.close()
        _over.pop(key).set()
    return "dont-reply"


class Stream:
    """Messages to the coordinator, from any thread, in order."""

    def __init__(self, comm: Any) -> None:
        self.comm = comm
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Any] = []
        self._news = asyncio.Event()
        self._sending = asyncio.ensure_future(self._send())

    def put(self, message: Any) -> None:
        """Send a message (a dict), or a frame (bytes)."""
        self._waiting.append(message)
        self._news.set()

    def put_from_thread(self, message: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended with the worker
            self._loop.call_soon_threadsafe(self.put, message)

    async def _send(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self.comm.write(self._next())

    def _next(self) -> dict[str, Any]:
        """Return the next message: as many frames as there are, or something else."""
        if not isinstance(self._waiting[0], bytes):
            message: dict[str, Any] = self._waiting.pop(0)
            return message
        count = 0
        while count < min(len(self._waiting), MOST_FRAMES) and isinstance(self._waiting[count], bytes):
            count += 1
        frames, self._waiting = self._waiting[:count], self._waiting[count:]
        return {"frames": frames}

    async def tick(self, worker: Any) -> None:
        """Show that this process is alive, and when it is about to leave the cluster."""
        next_sign, leaves = 0.0, False
        while True:
            await asyncio.sleep(LOOK)
            if not leaves and worker.status.name in ("closing_gracefully", "closing"):
                leaves = True
                self.put({"leaving": True})
            if time.monotonic() >= next_sign:
                next_sign = time.monotonic() + TICK
                self.put({})

    async def close(self) -> None:
        """Send what waits, if that is possible at once, and close."""
        with contextlib.suppress(Exception):
            if self._waiting and not self.comm.closed():
                self._news.set()
                await asyncio.sleep(0.1)
        self._sending.cancel()
        self.comm.abort()


class Service:
    """The crew of one scan, and the messages to it."""

    def __init__(self, stream: Stream, options: bytes) -> None:
        self._stream = stream
        self._crew = ForeignCrew(pickle.loads(options), stream.put_from_thread, self._is_out, self._mistake)

    def _is_out(self, reason: str) -> None:
        self._stream.put_from_thread({"out": reason})

    def _mistake(self, thread: int, error: BaseException) -> None:
        self._stream.put_from_thread({"mistake": [thread, described(error)]})

    def _look(self) -> None:
        try:
            self._stream.put_from_thread({"sight": self._crew.look()})
        except Exception as error:  # a bug
            self._is_out(described(error))

    async def run(self) -> None:
        comm, watching = self._stream.comm, None
        try:
            # Not in a thread that anybody waits for: it hangs with the roots.
            threading.Thread(target=self._look, name="scanner-look", daemon=True).start()
            begin = (await comm.read())["begin"]
            self._crew.begin(begin["number"], {bytes(path): number for path, number in begin["devices"]})
            if begin["every"] is not None:
                watching = asyncio.ensure_future(self._watch(begin["every"]))
            while True:
                for frame in (await comm.read())["frames"]:
                    self._crew.take(frame)
        finally:
            if watching is not None:
                watching.cancel()
            self._crew.dismiss()

    async def _watch(self, every: float) -> None:
        """Report late directories."""
        while True:
            await asyncio.sleep(every)
            if late := list(self._crew.late()):
                self._stream.put({"late": late})

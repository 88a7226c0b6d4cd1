"""A worker process: one loop for its whole life."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import threading
from multiprocessing import resource_tracker
from multiprocessing.process import current_process
from typing import TYPE_CHECKING, Any, NoReturn, cast

from scanner.backends import wire
from scanner.backends.crew import Crew
from scanner.backends.serial import MOST_OPEN
from scanner.kernel.native import prepare_worker
from scanner.kernel.walk import Walker
from scanner.model import Chunk, Task
from scanner.mounts import anything_remote
from scanner.options import ScanOptions

if TYPE_CHECKING:
    from scanner.backends.heartbeat import Heartbeats
    from scanner.backends.start import SlotProcess


def serve() -> NoReturn:
    """Walk Tasks until the coordinator ends.

    A SlotProcess runs this instead of the Pool's own loop, so a worker never touches the queues that all workers of a
    Pool share: a worker killed while it holds their lock would hang all others.
    """
    # Ctrl-C and a closed terminal reach the whole process group. The coordinator decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    gc.disable()  # nothing here makes cycles
    prepare_worker()
    _close_foreign_descriptors()
    process = cast("SlotProcess", current_process())
    chunks, home = process.chunk_writer.fileno(), os.getpid()
    try:
        _serve(process.task_reader.fileno(), chunks, process.heartbeats)
    except (EOFError, OSError):  # the coordinator has closed our pipes, or died
        pass
    except BaseException as error:  # a bug
        if os.getpid() != home:  # a copy forked in `prune`: the pipe belongs to its parent
            raise
        report_mistake(chunks, error)
    os._exit(0)  # nothing to clean up, and no queue to flush


def _close_foreign_descriptors() -> None:
    """Close standard streams and the pipe of the resource tracker: a hanging worker must not keep them open."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    tracker: Any = resource_tracker._resource_tracker
    if tracker._fd is not None:
        with contextlib.suppress(OSError):  # closed already, with all that was inherited
            os.close(tracker._fd)
        tracker._fd = None


def _serve(tasks: int, chunks: int, heartbeats: Heartbeats) -> None:
    slots = WorkerSlots(tasks, chunks, heartbeats)
    wire.send(chunks, b"")
    while True:
        message = wire.unpack(wire.receive(tasks))
        if message is None:
            slots.grow()
            continue
        if isinstance(message, wire.ThreadTask):
            slots.handle(message.thread, message.task)
            continue
        _go_to(message.options.cwd)
        if message.options.nice:
            from scanner.backends.nice import lower_priority  # with psutil: 15 ms

            lower_priority()
        slots.begin(message.worker, message.options)


def end_with(tasks: int) -> NoReturn:
    """End this process when the coordinator ends or closes its end of the pipe, even while the main thread hangs.

    Only for file systems that may never answer: a second thread costs 5 % of the scan of a local tree.
    """
    end = select.poll()
    end.register(tasks, 0)  # only for the end of the pipe
    end.poll()
    os._exit(0)


class WorkerSlots:
    """The slots of this worker. A single slot is the main thread. Several slots are a Crew of threads, because handing
    over each Task costs 5 % of the scan of a local tree.

    alone:     task pipe -> handle() -> walk, polling the pipe now and then -> deliver() -> chunk pipe

    several:   task pipe -> handle() -> Crew, thread 0 -> deliver() --lock--> chunk pipe
                                     -> Crew, thread 1 -> deliver() --'
    """

    def __init__(self, tasks: int, chunks: int, heartbeats: Heartbeats) -> None:
        self._alone = self._watched = False
        self._walker: Walker | None = None
        self._tasks = tasks
        self._news = select.poll()
        self._news.register(tasks, select.POLLIN)
        self._chunks = chunks
        self._heartbeats = heartbeats
        self._sending = threading.Lock()
        self._crew = self._new_crew(0, ScanOptions())

    def _new_crew(self, worker: int, options: ScanOptions) -> Crew:
        return Crew(options, worker, self._heartbeats.of, self._deliver)

    def begin(self, worker: int, options: ScanOptions) -> None:
        """Begin another scan, or end one: close the directories of the last."""
        self._crew.dismiss()
        self._close_walker()
        self._crew, self._alone = self._new_crew(worker, options), True
        if not self._watched and anything_remote(options.roots):
            self._watched = True
            threading.Thread(target=end_with, args=(self._tasks,), name="scanner-end", daemon=True).start()

    def grow(self) -> None:
        """Prepare for several slots: the main thread only reads messages from now on."""
        self._close_walker()
        self._alone = False

    def _close_walker(self) -> None:
        if self._walker is not None:
            self._walker.close()
        self._walker = None

    def handle(self, number: int, task: Task | None) -> None:
        """Walk the Task in the thread of that number. None: make it return the leftovers of its running Task."""
        if self._alone and task is not None:
            if self._walker is None:
                self._walker = self._crew.new_walker(number)
            self._deliver(number, self._walker.walk(task, self._is_reclaimed, self._tasks))
        elif task is not None:
            self._hand_over(number, task)
        elif not self._alone:
            self._crew.reclaim(number)

    def _is_reclaimed(self) -> bool:
        """Return whether the coordinator requests the rest of the Task. During a Task, a single slot gets no other
        message than that, or QUIT.
        """
        if not self._news.poll(0):
            return False
        wire.receive(self._tasks)
        return True

    def _hand_over(self, number: int, task: Task) -> None:
        try:
            self._crew.walk(number, task)
        except RuntimeError:  # the system has no more threads
            walker = self._crew.new_walker(number, most_open=MOST_OPEN)
            self._deliver(number, walker.walk(task))
            walker.close()

    def _deliver(self, number: int, chunk: Chunk | BaseException) -> None:
        self._heartbeats.of(number).nowhere()
        try:
            with self._sending:
                if isinstance(chunk, BaseException):
                    report_mistake(self._chunks, chunk)
                    os._exit(0)
                wire.send(self._chunks, *wire.pack_chunk(number, chunk))
        except OSError:  # the coordinator has ended; the main thread notices as well
            os._exit(0)


def report_mistake(chunks: int, error: BaseException) -> None:
    """Send a bug to the coordinator, which logs it and treats it as the death of this worker."""
    import traceback  # not needed otherwise

    text = "".join(traceback.format_exception(error))
    with contextlib.suppress(OSError):
        wire.send(chunks, wire.FAILURE, text.encode(errors="backslashreplace"))


def _go_to(directory: str) -> None:
    """Change to the working directory of the coordinator, unless the name is empty: it does not matter."""
    with contextlib.suppress(OSError):
        if not directory or os.getcwd() == directory:
            return
    try:
        os.chdir(directory)
    except OSError as error:  # relative roots would be other directories
        raise RuntimeError(f"cannot change to {directory!r}, to which the roots are relative") from error

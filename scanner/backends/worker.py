"""A worker process: one loop for its whole life."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import traceback
from multiprocessing import resource_tracker
from multiprocessing.process import current_process
from typing import TYPE_CHECKING, Any, NoReturn, cast

from scanner.backends import wire
from scanner.kernel.walk import Walker
from scanner.model import Task
from scanner.options import ScanOptions

if TYPE_CHECKING:
    from scanner.backends.start import SlotProcess
    from scanner.backends.whereabouts import Whereabouts


def serve() -> NoReturn:
    """Walk Tasks until the coordinator is gone.

    What a SlotProcess runs in the place of the Pool's own loop, so a worker never touches the queues that all
    workers of a Pool share: one killed while it holds their lock would hang all the others.
    """
    # Ctrl-C and a closed terminal reach the whole group; the coordinator decides. Its handlers are not ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    gc.disable()  # nothing here makes cycles
    _let_go_of_what_is_not_ours()
    process = cast("SlotProcess", current_process())
    chunks = process.chunk_writer.fileno()
    try:
        _serve(process.task_reader.fileno(), chunks, process.whereabouts)
    except (EOFError, OSError):  # the coordinator has closed our pipes, or died
        pass
    except BaseException:  # a mistake in this program: the coordinator logs it, and takes it for our death
        with contextlib.suppress(OSError):
            wire.send(chunks, wire.FAILURE, traceback.format_exc().encode(errors="backslashreplace"))
    os._exit(0)  # nothing to clean up, and no queue to flush


def _let_go_of_what_is_not_ours() -> None:
    """Standard streams and the resource tracker's pipe: should we hang, whoever waits for their end must not."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    tracker: Any = resource_tracker._resource_tracker
    if tracker._fd is not None:
        os.close(tracker._fd)
        tracker._fd = None


def _serve(tasks: int, chunks: int, whereabouts: Whereabouts) -> None:
    walker = None
    wire.send(chunks, b"")
    while True:
        message = wire.unpack(wire.receive(tasks))
        if isinstance(message, ScanOptions):
            if walker is not None:
                walker.close()
            _go_to(message.cwd)
            walker = Walker(message, joined=True, whereabouts=whereabouts.at)
        elif isinstance(message, Task) and walker is not None:
            chunk = walker.walk(message, lambda: _asked(tasks))
            whereabouts.nowhere()
            wire.send(chunks, *wire.pack_chunk(chunk))


def _go_to(directory: str) -> None:
    """To where the coordinator is, if that matters (an empty name: it does not)."""
    with contextlib.suppress(OSError):
        if not directory or os.getcwd() == directory:
            return
    try:
        os.chdir(directory)
    except OSError as error:  # or we would scan something else
        raise RuntimeError(f"cannot go to {directory!r}, which the roots are relative to") from error


def _asked(tasks: int) -> bool:
    """Whether the coordinator wants the rest of the Task back. In mid-Task it sends nothing else."""
    readable, _, _ = select.select([tasks], [], [], 0)
    return bool(readable) and wire.unpack(wire.receive(tasks)) is None

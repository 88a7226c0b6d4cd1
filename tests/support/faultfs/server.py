"""The process that serves a file system: an event loop between the kernel and a test."""

from __future__ import annotations

import errno
import os
import select
from collections import Counter
from collections.abc import Callable
from typing import Any

from . import protocol
from .channel import Channel
from .protocol import LABELS, Op, Request
from .replies import LAST, Hang, Hangs, Latency, Schedule
from .requests import CALLS, OTHERS, SILENT, Call, FileSystem, looked_up
from .rules import Rule, Rules, Spec, check_keys, error_number, one_of

_CACHE_KEYS = ("preset", "entry_timeout", "attr_timeout", "readdirplus")
_KEYS = ("tree", "rules", "latency_ms", "slots", "jitter_ms", "seed", *_CACHE_KEYS)
_BATCH = 64  # requests to read before looking what else is to be done
_IDLE_SECONDS = 1.0
_NO_RULE = Rule({"path": "/"})


class Server:
    """Answers the kernel, and obeys the test."""

    def __init__(self, spec: Spec) -> None:
        check_keys(spec, _KEYS, "specification")
        self._nfs = one_of(("strict", "nfs"), spec.get("preset", "strict"), "preset") == "nfs"
        self._seed: int = spec.get("seed", 1)
        self._files = FileSystem(spec, Rules(spec.get("rules", []), self._seed), self._nfs)
        self._hangs = Hangs(self._send)
        self._schedule = self._new_schedule(spec)
        self._fd = -1
        self._buffer = bytearray(protocol.BUFFER_SIZE)
        self._reset()

    def serve(self, fd: int, channel: Channel | None = None) -> None:
        """Until the test closes its end of the channel, or dies; without a test, until the file system is unmounted."""
        os.set_blocking(fd, False)
        self._fd = fd
        parent = os.getppid()
        sources: list[int | Channel] = [fd] if channel is None else [fd, channel]
        while sources and os.getppid() == parent:
            ready, _, _ = select.select(sources, [], [], self._do_what_is_due())
            if fd in ready and not self._serve_kernel():
                sources.remove(fd)
            if channel is not None and channel in ready and not self._serve_test(channel):
                return

    def release(self, error: str | int) -> int:
        """Answer all that hangs; how many that were."""
        return self._hangs.release(error_number(error))

    def _do_what_is_due(self) -> float:
        """Returns for how many seconds there is nothing more to do."""
        self._schedule.send_due()
        self._hangs.reap(errno.EINTR)
        return self._schedule.seconds_left(self._hangs.seconds_left(_IDLE_SECONDS))

    def _new_schedule(self, spec: Spec) -> Schedule:
        latency = Latency(spec.get("latency_ms", 0), self._nfs)
        jitter = spec.get("jitter_ms", 0) / 1000
        return Schedule(self._send, latency, spec.get("slots") or 0, jitter, self._seed)

    # ---- the kernel

    def _serve_kernel(self) -> bool:
        """Handle what is there; False if there can be no more, because the connection is gone."""
        for _ in range(_BATCH):
            try:
                length = os.readv(self._fd, [self._buffer])
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return False
                if error.errno not in (errno.ENOENT, errno.EINTR):  # the request was withdrawn
                    raise
            else:
                self._handle(protocol.parse(memoryview(self._buffer)[:length]))
        return True

    def _handle(self, request: Request) -> None:
        if request.op in LABELS:
            self._operations[LABELS[request.op]] += 1
        if request.op in CALLS:
            self._call(request)
        elif request.op in SILENT:
            SILENT[request.op](self._files, request)
        elif request.op == Op.INTERRUPT:
            self._hangs.interrupt(protocol.interrupted(request.body), errno.EINTR)
        elif request.op in OTHERS:
            self._send(request.unique, 0, OTHERS[request.op](self._files, request))
        else:
            self._unknown[request.op] += 1
            self._send(request.unique, errno.ENOSYS)

    def _call(self, request: Request) -> None:
        """Find out about what it is, and what is to go wrong with it."""
        node = self._files.nodes.get(request.node)
        if node is None:
            self._send(request.unique, errno.ESTALE)
            return
        name = looked_up(request) if request.op == Op.LOOKUP else None
        rule, path = self._files.rules.find(LABELS[request.op], node, name) or (_NO_RULE, "")
        call = Call(request, node, rule)
        fails = self._fails_now(call)
        if fails:
            rule.hit(path)
        if fails and rule.hang:
            self._hangs.add(request.unique, Hang(rule.hang, request.pid, path))
        else:
            self._answer(call, rule.error if fails else 0)

    def _fails_now(self, call: Call) -> bool:
        if call.rule.after is None:
            return True
        return call.label == "readdir" and self._files.reaches_its_fault(call)

    def _answer(self, call: Call, error: int) -> None:
        data = b""
        try:
            data = data if error else self._files.answer(call)
        except OSError as failure:
            error = failure.errno or errno.EIO
        label = LAST if call.label == "readdir" and not data and not error else call.label
        self._schedule.add(label, call.request.unique, error, data, call.rule.delay)

    def _send(self, unique: int, error: int = 0, data: bytes = b"") -> None:
        try:
            os.write(self._fd, protocol.reply(unique, error, data))
        except OSError as failure:
            if failure.errno not in (errno.ENOENT, errno.EINVAL, errno.ENODEV):  # the caller is gone
                raise

    # ---- the test

    def _serve_test(self, channel: Channel) -> bool:
        """Execute a command; return False if the test process is gone."""
        try:
            message = channel.receive()
            if message is not None:
                channel.send(self._obey(**message))
        except OSError:
            return False
        return message is not None

    def _obey(self, command: str, argument: Any = None) -> dict[str, Any]:
        try:
            return {"answer": _COMMANDS[command](self, argument)}
        except (AttributeError, TypeError, ValueError) as error:
            return {"error": str(error)}

    def _stats(self) -> dict[str, Any]:
        return {
            "ops": self._operations,
            "dirs": self._files.opened_directories,
            "peak": self._schedule.peak,
            "hung": self._hangs.all(),
            "nodes": len(self._files.nodes),
            "unknown": self._unknown,
        }

    def _reset(self) -> None:
        self._operations: Counter[str] = Counter()
        self._unknown: Counter[int] = Counter()
        self._files.opened_directories.clear()
        self._schedule.reset()

    def _set_rules(self, rules: list[Spec]) -> None:
        self._files.rules = Rules(rules, self._seed)

    def _set_latency(self, milliseconds: Any) -> None:
        self._schedule.latency = Latency(milliseconds, self._nfs)


_COMMANDS: dict[str, Callable[[Server, Any], Any]] = {
    "stats": lambda server, _: server._stats(),
    "reset": lambda server, _: server._reset(),
    "rules": Server._set_rules,
    "latency": Server._set_latency,
    "release": Server.release,
}

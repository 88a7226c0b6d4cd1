"""What is answered to a request when nothing goes wrong: one method for each kind."""

from __future__ import annotations

import errno
import itertools
import os
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from . import protocol
from .nodes import Node, Nodes
from .protocol import HANDLE_OFFSET_SIZE, LABELS, NUMBER, Op, Request
from .rules import Reported, Rule, Rules, Spec
from .tree import Directory, Inode, build

_DOTS = (b".", b"..")
_DEEP = 4096  # what is opened further down is counted, but not by path: that would take ages


class Call(NamedTuple):
    """A request, what it is about, and the rule for it."""

    request: Request
    node: Node
    rule: Rule

    @property
    def label(self) -> str:
        return LABELS[self.request.op]


class FileSystem:
    """The nodes and their attributes."""

    def __init__(self, spec: Spec, rules: Rules, nfs: bool) -> None:
        self.rules = rules
        self.nodes = Nodes(_directory(build(spec.get("tree", {}))))
        self.opened_directories: Counter[str] = Counter()
        self._entry_seconds: float = spec.get("entry_timeout", 30.0 if nfs else 0.0)
        self._attribute_seconds: float = spec.get("attr_timeout", 30.0 if nfs else 0.0)
        self._readdirplus: bool = spec.get("readdirplus", nfs)
        self._open: dict[int, Directory] = {}
        self._handles = itertools.count(1)

    def answer(self, call: Call) -> bytes:
        """The answer to one of CALLS, or an OSError."""
        return CALLS[call.request.op](self, call)

    def lookup(self, call: Call) -> bytes:
        name = looked_up(call.request)
        inode = _directory(call.node.inode).find(name)
        if inode is None:
            raise _error(errno.ENOENT)
        return self._entry(call.node, name, inode)

    def getattr(self, call: Call) -> bytes:
        node, inode = call.node, call.node.inode
        reported = self.rules.reported(node.parent, node.name, inode)
        return protocol.validity(self._attribute_seconds) + _attributes(reported, inode)

    def readlink(self, call: Call) -> bytes:
        return call.node.inode.target

    def open(self, call: Call) -> bytes:
        return protocol.opened(0)

    def read(self, call: Call) -> bytes:
        _, offset, size = HANDLE_OFFSET_SIZE.unpack_from(call.request.body)
        return bytes(max(0, min(size, call.node.inode.size - offset)))

    def opendir(self, call: Call) -> bytes:
        self.opened_directories[call.node.path() if call.node.depth <= _DEEP else "*"] += 1
        handle = next(self._handles)
        self._open[handle] = _directory(call.node.inode).opened()
        return protocol.opened(handle)

    def readdir(self, call: Call) -> bytes:
        """As many entries as there is room for, from where the last answer ended."""
        _, offset, size = HANDLE_OFFSET_SIZE.unpack_from(call.request.body)
        directory, plus = self._listed(call), call.request.op == Op.READDIRPLUS
        records: list[bytes] = []
        for index in range(offset, int(min(self._end(call), offset + call.rule.batch))):
            name, inode = self._at(call.node, directory, index)
            size -= protocol.record_size(name, plus)
            if size < 0:
                break
            records.append(self._record(call.node, name, inode, index, plus))
        return b"".join(records)

    def reaches_its_fault(self, call: Call) -> bool:
        """Whether this READDIR begins where the rule says that a listing is to fail."""
        _, offset, _ = HANDLE_OFFSET_SIZE.unpack_from(call.request.body)
        return bool(offset >= self._end(call))

    def initialize(self, request: Request) -> bytes:
        return protocol.init(request.body, self._readdirplus)

    def release_directory(self, request: Request) -> bytes:
        (handle,) = NUMBER.unpack_from(request.body)
        self._open.pop(handle, None)
        return b""

    def forget(self, request: Request) -> None:
        (count,) = NUMBER.unpack_from(request.body)
        self.nodes.forget(request.node, count)

    def forget_many(self, request: Request) -> None:
        for node, count in protocol.forgotten(request.body):
            self.nodes.forget(node, count)

    def _listed(self, call: Call) -> Directory:
        (handle,) = NUMBER.unpack_from(call.request.body)
        return self._open[handle]

    def _end(self, call: Call) -> float:
        """Where the listing ends, or fails."""
        count = len(self._listed(call)) * call.rule.repeat
        return len(_DOTS) + (count if call.rule.after is None else min(count, call.rule.after))

    def _at(self, node: Node, directory: Directory, index: int) -> tuple[bytes, Inode]:
        if index < len(_DOTS):
            return _DOTS[index], (node.parent or node).inode if index else node.inode
        return directory.at((index - len(_DOTS)) % len(directory))

    def _record(self, node: Node, name: bytes, inode: Inode, index: int, plus: bool) -> bytes:
        if name in _DOTS:
            ino, dtype, entry = inode.ino, inode.mode >> 12, protocol.NO_ENTRY
        else:
            ino, dtype, _ = self.rules.reported(node, name, inode)
            entry = self._entry(node, name, inode) if plus else b""
        record = protocol.dirent(ino, index + 1, name, dtype)
        return entry + record if plus else record

    def _entry(self, parent: Node, name: bytes, inode: Inode) -> bytes:
        node = self.nodes.look_up(parent, name, inode)
        entry = protocol.entry(node.id, self._entry_seconds, self._attribute_seconds)
        return entry + _attributes(self.rules.reported(parent, name, inode), inode)


CALLS: dict[int, Callable[[FileSystem, Call], bytes]] = {
    Op.LOOKUP: FileSystem.lookup,
    Op.GETATTR: FileSystem.getattr,
    Op.READLINK: FileSystem.readlink,
    Op.OPEN: FileSystem.open,
    Op.READ: FileSystem.read,
    Op.OPENDIR: FileSystem.opendir,
    Op.READDIR: FileSystem.readdir,
    Op.READDIRPLUS: FileSystem.readdir,
}
"""Those that rules and latency apply to."""

SILENT: dict[int, Callable[[FileSystem, Request], None]] = {
    Op.FORGET: FileSystem.forget,
    Op.BATCH_FORGET: FileSystem.forget_many,
}
"""Those that have no answer."""

OTHERS: dict[int, Callable[[FileSystem, Request], bytes]] = {
    Op.INIT: FileSystem.initialize,
    Op.RELEASEDIR: FileSystem.release_directory,
    Op.STATFS: lambda _self, _request: protocol.statfs(),
    Op.RELEASE: lambda _self, _request: b"",
    Op.FLUSH: lambda _self, _request: b"",
    Op.ACCESS: lambda _self, _request: b"",
    Op.DESTROY: lambda _self, _request: b"",
}


def looked_up(request: Request) -> bytes:
    """The name that a LOOKUP is for."""
    return request.body.rstrip(b"\0")


def _attributes(reported: Reported, inode: Inode) -> bytes:
    return protocol.attributes(reported.ino, inode.size, inode.mode, reported.stamp)


def _directory(inode: Inode) -> Directory:
    if not isinstance(inode, Directory):
        raise _error(errno.ENOTDIR)
    return inode


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))

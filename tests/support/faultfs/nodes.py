"""What the kernel has looked up and not forgotten yet."""

from __future__ import annotations

import itertools

from .protocol import ROOT
from .tree import Directory, Inode, decode


class Node:
    """One name the kernel holds."""

    __slots__ = ("children", "depth", "id", "inode", "lookups", "name", "parent")

    def __init__(self, number: int, parent: Node | None, name: bytes, inode: Inode) -> None:
        self.id = number
        self.parent = parent
        self.name = name
        self.inode = inode
        self.depth: int = parent.depth + 1 if parent else 0
        self.lookups = 0
        self.children: dict[bytes, Node] = {}

    def path(self, name: bytes | None = None) -> str:
        """Its path from the mount point, which is "/"; of the entry `name` in it if given."""
        names = [] if name is None else [name]
        node = self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return decode(b"/" + b"/".join(reversed(names)))


class Nodes:
    """All of them, by the number the kernel knows them by."""

    def __init__(self, root: Directory) -> None:
        self._nodes = {ROOT: Node(ROOT, None, b"", root)}
        self._numbers = itertools.count(ROOT + 1)

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, number: int) -> Node | None:
        return self._nodes.get(number)

    def look_up(self, parent: Node, name: bytes, inode: Inode) -> Node:
        """The node of this entry, held once more by the kernel."""
        node = parent.children.get(name)
        if node is None:
            node = Node(next(self._numbers), parent, name, inode)
            parent.children[name] = self._nodes[node.id] = node
        node.inode = inode
        node.lookups += 1
        return node

    def forget(self, number: int, count: int) -> None:
        """The kernel holds it `count` times less. Parents stay as long as there is something below them."""
        node = self._nodes.get(number)
        if node is not None:
            node.lookups -= count
        while node is not None and node.parent is not None and node.lookups <= 0 and not node.children:
            del self._nodes[node.id]
            del node.parent.children[node.name]
            node = node.parent

"""Trees in memory, in the shapes of real ones, for what needs many of them: a directory is a number, the root is 0."""

from __future__ import annotations

import random
from collections.abc import Callable

from scanner.sampling import Found


class Shape:
    """A tree: for each directory the number of its files, their bytes, and the directories in it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.below: list[list[int]] = [[]]
        self.files = [0]
        self.bytes = [0]

    def add(self, parent: int, files: int) -> int:
        made = len(self.files)
        self.below.append([])
        self.below[parent].append(made)
        self.files.append(files)
        self.bytes.append(int(files * self.rng.lognormvariate(9, 1.5)))
        return made

    def grow(self, top: int, count: int, files: Callable[[], int]) -> None:
        """Add `count` directories, breadth first, with 2 to 9 in each."""
        parents, made = [top], 0
        while made < count:
            parent = parents[made // 6 if made // 6 < len(parents) else -1]
            for _ in range(min(self.rng.randint(2, 9), count - made)):
                parents.append(self.add(parent, files()))
                made += 1

    def found(self, directory: int) -> Found:
        below = self.below[directory]
        return Found(self.files[directory] + len(below), self.bytes[directory], below)

    def totals(self) -> tuple[int, int, int]:
        return len(self.files), sum(self.files) + len(self.files) - 1, sum(self.bytes)


def monorepo(shape: Shape, size: int) -> None:
    shape.grow(0, size, lambda: int(6 * shape.rng.paretovariate(1.6)))


def skewed(shape: Shape, size: int) -> None:
    """95 % lies below one directory."""
    few = lambda: int(6 * shape.rng.paretovariate(1.6))  # noqa: E731
    shape.grow(shape.add(0, 1), size * 95 // 100, few)
    shape.grow(shape.add(0, 1), size // 20, few)


def deep(shape: Shape, size: int) -> None:
    """Chains of 60 directories, and one of 300."""
    for length in [300, *[60] * (size // 60)]:
        parent = 0
        for _ in range(length):
            parent = shape.add(parent, shape.rng.randrange(40))


def flat(shape: Shape, size: int) -> None:
    shape.files[0] = 10 * size
    for _ in range(size):
        shape.add(0, int(shape.rng.lognormvariate(2, 1)))


def mail(shape: Shape, size: int) -> None:
    """People with folders, each with three directories, one of which has the messages."""
    while len(shape.files) < size:
        person = shape.add(0, 3)
        for _ in range(1 + int(shape.rng.expovariate(1 / 8))):
            folder = shape.add(person, 2)
            for name in ("cur", "new", "tmp"):
                shape.add(folder, int(shape.rng.lognormvariate(4, 1.5)) if name == "cur" else shape.rng.randrange(2))


def homes(shape: Shape, size: int) -> None:
    """People, whose trees are of very different sizes."""
    while len(shape.files) < size:
        home = shape.add(0, 5)
        count = min(size // 8, int(8 * shape.rng.paretovariate(0.9)))
        shape.grow(home, count, lambda: int(shape.rng.lognormvariate(1.5, 1.2)))


def branching(shape: Shape, size: int) -> None:
    """Directories with 2.5 directories each on average, and very different numbers."""
    todo = [(0, 0)]
    while len(shape.files) < size:
        parent, depth = todo.pop(shape.rng.randrange(len(todo))) if todo else (shape.rng.randrange(len(shape.files)), 3)
        count = 30 if depth < 2 else 0 if depth > 9 else int(shape.rng.expovariate(1 / 2.5))
        todo += [(shape.add(parent, int(shape.rng.lognormvariate(1.8, 1))), depth + 1) for _ in range(count)]


SHAPES = {each.__name__: each for each in (monorepo, skewed, deep, flat, mail, homes, branching)}


def make_shape(name: str, size: int, seed: int) -> Shape:
    shape = Shape(seed)
    SHAPES[name](shape, size)
    return shape

"""The outputs of one command: each appears by itself, and one that fails does not cost another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType

from scanner.cli import exits
from scanner.errors import OutputError
from scanner.export.output import Output


class Outputs:
    """Opens outputs and closes them at the end, whether or not they were published. A context manager.

    `failures`: why outputs do not appear. An output whose reader has closed the pipe is no failure.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.failures: list[OutputError] = []
        self._quiet = quiet
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def open(self, path: str | None, *, named: bool = False) -> Output:
        """Raises OutputError, also where `path` can be written but not replaced."""
        output = self._stack.enter_context(Output(path, named=named, notify=self._notify))
        self._stack.callback(output.discard)  # runs before it is closed
        return output

    @contextlib.contextmanager
    def attempt(self, output: Output) -> Iterator[None]:
        """Give up `output`, and no other, if it fails in this context."""
        try:
            yield
        except (OutputError, BrokenPipeError) as error:
            self.give_up(output, error)

    def give_up(self, output: Output, error: OutputError | BrokenPipeError) -> None:
        output.discard()
        if isinstance(error, OutputError):
            self.failures.append(error)

    def _notify(self, message: str) -> None:
        if not self._quiet:
            exits.say(message)

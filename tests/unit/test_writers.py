"""What a Writer of `scanner list` receives: the whole Chunk of every step."""

from __future__ import annotations

import marshal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.cli import list as list_module
from scanner.cli.main import main
from scanner.export.writers import FoldedWriter, Record
from scanner.model import Chunk
from tests.support.trees import make


class Recorder:
    """A Writer that keeps what it receives."""

    def __init__(self) -> None:
        self.steps: list[tuple[Chunk, bytes]] = []
        self.is_finished = False

    def write_chunk(self, chunk: Chunk, made: bytes | memoryview) -> None:
        self.steps.append((chunk, bytes(made)))

    def finish(self, record: Record) -> None:
        self.is_finished = True


@pytest.mark.parametrize("others", [[], ["-o", "a.csv"]], ids=["alone", "beside another output"])
@pytest.mark.parametrize("backend", ["serial", "pool"])
def test_a_writer_receives_the_chunk_with_its_faults(
    backend: str, others: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "top", {"d": {"f": None}})
    monkeypatch.chdir(tmp_path)
    recorder, writer_of = Recorder(), list_module.writer_of
    monkeypatch.setattr(
        list_module, "writer_of", lambda target, *rest: writer_of(target, *rest) if target.path else recorder
    )
    assert main(["list", "--backend", backend, "-q", *others, "-o", "-", "missing", "top"]) == 1
    assert recorder.is_finished
    faults = [fault for chunk, _ in recorder.steps for fault in chunk.faults]
    assert [(fault.path, fault.operation) for fault in faults] == [("missing", "open")]
    assert b"".join(made for _, made in recorder.steps) == b"top\ntop/d\ntop/d/f\n"
    assert recorder.steps[-1][0].leftovers == []


def test_a_writer_receives_a_chunk_that_holds_only_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr(list_module, "writer_of", lambda *_: recorder)
    assert main(["list", "-q", str(tmp_path / "missing")]) == 3
    assert [(len(chunk.faults), made) for chunk, made in recorder.steps] == [(1, b"")]
    assert not recorder.is_finished


@given(path=st.text("/;\n\r ab\udcff", min_size=1, max_size=9), as_bytes=st.booleans())
def test_a_folded_line_names_the_directories_of_any_path(path: str, as_bytes: bool) -> None:
    encoded = path.encode(errors="surrogateescape")
    root = encoded if as_bytes else path
    lines: list[bytes] = []
    writer = FoldedWriter(lines.append, [root])  # type: ignore[arg-type]
    writer.write_chunk(Chunk(0, root), marshal.dumps([(root, 7, 3, 1, 0, b"", [], None)]))
    writer.finish(dict)
    names = [b"/"] * encoded.startswith(b"/") + list(filter(None, encoded.split(b"/")))
    for special, shown in ((b";", b":"), (b"\n", b"?"), (b"\r", b"?")):
        names = [name.replace(special, shown) for name in names]
    assert b"".join(lines) == b";".join(names) + b" 1536\n"

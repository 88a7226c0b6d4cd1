"""Ordered Chunks become tuples, also when parts of huge directories, breaks and gaps are among them."""

from __future__ import annotations

from typing import Any

from scanner.model import Chunk, Fault
from scanner.run import Collector, post_order
from tests.support.chunks import packed


def chunk(*listings: Any, unfinished: str | None = None, faults: list[Fault] | None = None) -> Chunk:
    leftovers: list[Any] = [unfinished] if unfinished else []
    names = packed(*((path, [], files) for path, files in listings))
    return Chunk(0, "/", listings=names, leftovers=leftovers, position=int(bool(unfinished)), faults=faults)


def collected(*chunks: Chunk) -> list[Any]:
    result: list[Any] = []
    collector = Collector(result)
    for each in chunks:
        collector.add(each)
    return [(path, files) for path, _, files in result]


def test_parts_become_one_tuple() -> None:
    first, second, third = (chunk(("/h", [name]), unfinished="/h") for name in "abc")
    last = chunk(("/h", ["d"]), ("/z", ["e"]))
    assert collected(first, second, third, last) == [("/h", ["a", "b", "c", "d"]), ("/z", ["e"])]


def test_after_a_gap_nothing_is_taken_for_a_part_of_something_else() -> None:
    assert collected(chunk(("/h", ["a"]), unfinished="/h"), chunk(("/z", ["b"]))) == [("/h", ["a"]), ("/z", ["b"])]
    fault = Fault("/y", "open", 13, "Permission denied", "denied")
    assert collected(chunk(("/h", ["a"]), unfinished="/h"), chunk(faults=[fault])) == [("/h", ["a"])]


def test_a_huge_directory_that_breaks_off_gives_no_tuple() -> None:
    broken = chunk(("/z", ["b"]), faults=[Fault("/h", "read", 5, "Input/output error", "io")])
    assert collected(chunk(("/h", ["a"]), unfinished="/h"), broken) == [("/z", ["b"])]


def test_post_order_of_the_root_of_the_machine() -> None:
    walked: list[Any] = [("/", ["a", "b"], []), ("/a", ["c"], []), ("/a/c", [], []), ("/b", [], [])]
    assert [path for path, *_ in post_order(walked)] == ["/a/c", "/a", "/b", "/"]
    assert post_order([]) == []


def test_a_huge_directory_that_breaks_off_keeps_its_tuple_if_names_are_kept() -> None:
    result: list[Any] = []
    collector = Collector(result)
    broken = chunk(("/h", ["c"]), faults=[Fault("/h", "read", 5, "Input/output error", "io", 1, True)])
    for part in (chunk(("/a", ["x"]), ("/h", ["b"]), unfinished="/h"), broken):
        collector.add(part)
    assert [(root, files) for root, _, files in result] == [("/a", ["x"]), ("/h", ["b", "c"])]

"""The binary form of a Chunk: integers, floats, paths, texts, blobs, and its output, with a version.

    | magic | version | path type | separators | counts and sizes | integers | floats | blob sizes |
    | paths | texts | blob ... | bulk |

Any Python version reads it, on any machine of the same byte order: fixed widths, UTF-8 with lone surrogates kept
(undecodable bytes of names). It holds plain data and its exact length: damaged or hostile input raises ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, TypeAlias

from scanner.model import Chunk, Fault, Rules, joined

MAGIC, VERSION = b"scan", 3
_HEAD = struct.Struct("<4sB?BB5IQQQ")
Piece: TypeAlias = bytes | memoryview
Parts: TypeAlias = tuple[Sequence[int], Sequence[float], list[Any], list[str], Sequence[Piece], Piece]
"""Integers (64 bits), floats, paths (all `str` or all `bytes`), texts, blobs, bulk."""
# The fields of a Chunk, in the order in which they are written
INTEGERS = "task", "worker", "position", "directories", "entries", "files", "retries", "clamped", "requests"
FLOATS = "seconds", "cpu", "opening"
COUNTS = 6  # of listings, table, leftovers, faults, slow, rules
_INTEGERS, _FLOATS = attrgetter(*INTEGERS), attrgetter(*FLOATS)


def chunk_pieces(chunk: Chunk) -> list[Piece]:
    """Return the bytes of `Chunk.to_bytes` in pieces, to be sent one after another."""
    listings, leftovers, faults, slow = joined(chunk.listings), chunk.leftovers, chunk.faults, chunk.slow
    lines = [line for own in chunk.rules.values() for line in own]
    integers = [
        *_INTEGERS(chunk), len(listings), len(chunk.table), len(leftovers), len(faults), len(slow), len(chunk.rules),
        *[number for fault in faults for number in (fault.errno, fault.attempts, fault.partial)],
        *map(len, chunk.rules.values()), *[rank for rank, _, _ in lines],
    ]  # fmt: skip
    floats = [*_FLOATS(chunk), *[seconds for seconds, _ in slow]]
    paths = [chunk.origin, *leftovers, *[fault.path for fault in faults], *[path for _, path in slow], *chunk.rules]
    texts = [text for fault in faults for text in (fault.operation, fault.message, fault.kind)]
    texts += [source for _, source, _ in lines]
    blobs = [chunk.snapshot, *map(encode_text, listings), *chunk.table, *[content for _, _, content in lines]]
    return pack((integers, floats, paths, texts, blobs, chunk.output))


def chunk_from(body: bytes | bytearray | memoryview) -> Chunk:
    """See `Chunk.from_bytes`."""
    numbers, times, paths, texts, blobs, output = unpack(body)
    integers, counts = numbers[: len(INTEGERS)], numbers[len(INTEGERS) : len(INTEGERS) + COUNTS]
    if len(counts) < COUNTS or min(counts) < 0 or len(times) < len(FLOATS):
        raise ValueError("damaged message: fields are missing")
    listings, table, leftovers, faults, slow, rules = counts
    if len(paths) != 1 + leftovers + faults + slow + rules or len(blobs) < 1 + listings + table:
        raise ValueError("damaged message: the counts do not match")
    snapshot, *blobs = blobs
    fields: dict[str, Any] = dict(zip(INTEGERS + FLOATS, (*integers, *times), strict=False))
    if faults or slow or rules:
        rest = iter(numbers[len(INTEGERS) + COUNTS :]), iter(paths[1 + leftovers :]), iter(texts)
        fields["faults"] = [_fault(*rest) for _ in range(faults)]
        fields["slow"] = list(zip(times[len(FLOATS) :], _take(rest[1], slow), strict=True))
        fields["rules"] = _rules(*rest, iter(blobs[listings + table :]))
    return Chunk(
        **fields, origin=paths[0], output=output, snapshot=snapshot, size=len(body), leftovers=paths[1 : 1 + leftovers],
        listings=tuple(map(decode_text if isinstance(paths[0], str) else bytes, blobs[:listings])),
        table=list(map(bytes, blobs[listings : listings + table])),
    )  # fmt: skip


def _take(source: Iterator[Any], count: int) -> list[Any]:
    """Return the next `count` items. Raises ValueError if there are fewer."""
    items = list(islice(source, count))
    if len(items) != count:
        raise ValueError(f"damaged message: {len(items)} items instead of {count}")
    return items


def _fault(integers: Iterator[int], paths: Iterator[Any], texts: Iterator[str]) -> Fault:
    """Return the fault whose fields come next."""
    (number, attempts, partial), (operation, message, kind) = _take(integers, 3), _take(texts, 3)
    return Fault(next(paths), operation, number, message, kind, attempts, bool(partial))


def _rules(integers: Iterator[int], paths: Iterator[Any], texts: Iterator[str], blobs: Iterator[Any]) -> Rules:
    """Return the rules of the paths that are left."""
    directories = list(paths)
    sizes = _take(integers, len(directories))
    return {
        path: tuple(zip(_take(integers, size), _take(texts, size), map(bytes, _take(blobs, size)), strict=True))
        for path, size in zip(directories, sizes, strict=True)
    }


def encode_text(text: str | bytes) -> bytes:
    """Return `text` as UTF-8; bytes are returned unchanged."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def decode_text(blob: Piece) -> str:
    """Return the text that `encode_text` encoded. Raises ValueError for anything else."""
    return str(blob, "utf-8", "surrogatepass")


def pack(parts: Parts) -> list[Piece]:
    """Return the pieces of one message, to be sent one after another. Blobs and bulk are not copied.

    Raises ValueError for strings that together contain every separator (all of ASCII).
    """
    integers, floats, paths, texts, blobs, bulk = parts
    is_text = not paths or isinstance(paths[0], str)
    path_separator, path_bytes = _join(paths, is_text=is_text)
    text_separator, text_bytes = _join(texts, is_text=True)
    counts = len(integers), len(floats), len(paths), len(texts), len(blobs)
    head = _HEAD.pack(
        MAGIC, VERSION, is_text, path_separator, text_separator, *counts, len(path_bytes), len(text_bytes), len(bulk)
    )
    form = f"<{len(integers)}q{len(floats)}d{len(blobs)}Q"
    return [head + struct.pack(form, *integers, *floats, *map(len, blobs)), path_bytes, text_bytes, *blobs, bulk]


def _join(strings: list[Any], *, is_text: bool) -> tuple[int, bytes]:
    """Return a separator that no string contains, and the joined strings. Names have no NUL: the first is nearly
    always right.
    """
    for code in range(128):
        separator: Any = chr(code) if is_text else bytes([code])
        joined = separator.join(strings)
        if joined.count(separator) == max(0, len(strings) - 1):
            return code, encode_text(joined)
    raise ValueError("no separator is left: the strings contain all of ASCII")


def unpack(body: bytes | bytearray | memoryview) -> Parts:
    """Return the contents of a message; blobs and bulk are views of `body`.

    Raises ValueError for another version, and for anything that `pack` did not make.
    """
    view = memoryview(body)
    if len(view) < _HEAD.size or view[:4] != MAGIC:
        raise ValueError("damaged, or not a message of scanner")
    if view[4] != VERSION:
        raise ValueError(f"message format {view[4]}, but this scanner reads {VERSION}: use the same scanner version")
    _, _, is_text, path_separator, text_separator, i, f, p, t, b, *sizes, bulk_size = _HEAD.unpack_from(view)
    form, start = f"<{i}q{f}d{b}Q", _HEAD.size + 8 * (i + f + b)
    if start > len(view):
        raise ValueError("damaged message: it is cut off")
    numbers = struct.unpack_from(form, view, _HEAD.size)
    pieces = []
    for size in (*sizes, *numbers[i + f :], bulk_size):
        pieces.append(view[start : start + size])
        start += size
    if start != len(view):
        raise ValueError(f"damaged message: {len(view)} bytes instead of {start}")
    joined_paths = decode_text(pieces[0]) if is_text else bytes(pieces[0])
    paths, texts = _split(joined_paths, path_separator, p), _split(decode_text(pieces[1]), text_separator, t)
    return numbers[:i], numbers[i : i + f], paths, texts, pieces[2:-1], pieces[-1]


def _split(joined: str | bytes, separator: int, count: int) -> list[Any]:
    """Return the strings that `_join` joined."""
    if count == 0 and not joined:
        return []
    strings: list[Any] = joined.split(chr(separator)) if isinstance(joined, str) else joined.split(bytes([separator]))
    if len(strings) != count:
        raise ValueError(f"damaged message: {len(strings)} strings instead of {count}")
    return strings

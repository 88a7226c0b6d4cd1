"""Durations and sizes with units."""

from __future__ import annotations

import pytest

from scanner.errors import OptionError
from scanner.options import ScanOptions
from scanner.units import bytes_of, duration, nanoseconds_of, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("0.5", 0.5), ("1s", 1), ("500ms", 0.5), ("10sec", 10), ("2m", 120), ("2min", 120), ("1.5h", 5400),
        ("2h30m", 9000), ("1d12h", 129_600), ("7d", 604_800), ("2w", 1_209_600), ("1mo", 2_592_000), ("1y", 31_536_000),
        ("", None), ("h", None), ("-1h", None), ("1h ", None), ("1 h", None), ("1h30", None), ("1x", None),
        ("1e3", 1000), (".5", 0.5), ("5.", 5), ("-3", -3), ("1e999", None), ("e", None), ("٣", None),
        ("inf", None), ("nan", None), ("1H", None), ("1..5h", None), (".5h", None), ("٣d", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_durations_are_exact_to_the_nanosecond() -> None:
    assert nanoseconds_of("0.123456789s") == 123_456_789
    assert nanoseconds_of("100y0.000000001s") == 100 * 365 * 86_400 * 10**9 + 1
    assert nanoseconds_of("90") is None, "a span has a unit"
    assert bytes_of("1.999999999M") == 2_097_151


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("512", 512), ("512B", 512), ("1K", 1024), ("1k", 1024), ("1KiB", 1024), ("1KB", 1000), ("1kb", 1000),
        ("1.5M", 1_572_864), ("1.5MB", 1_500_000), ("2G", 2 << 30), ("1T", 1 << 40), ("1P", 1 << 50), ("1E", 1 << 60),
        ("", None), ("K", None), ("-1K", None), ("+1K", None), ("1 K", None), ("1KK", None), ("1iB", None),
        ("1e3", None), ("0x10", None), ("٣K", None),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int | None) -> None:
    assert bytes_of(text) == size


def test_options_take_text_with_units() -> None:
    options = ScanOptions(timeout="1.5h", dir_timeout="90", window="64M")  # type: ignore[arg-type]
    assert (options.timeout, options.dir_timeout, options.window) == (5400, 90, 64 << 20)


@pytest.mark.parametrize(
    ("option", "value"), [("timeout", "soon"), ("timeout", "0"), ("dir_timeout", "1 h"), ("window", "big")]
)
def test_options_refuse_text_that_is_no_quantity(option: str, value: str) -> None:
    with pytest.raises(OptionError, match=rf"^{option} must be "):
        ScanOptions(**{option: value})


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (4.4, "4 s"), (119, "119 s"), (150, "2 min"), (3600, "60 min"), (7500, "2 h 5 min"),
])  # fmt: skip
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text

"""Moments in options, exact to the nanosecond."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas
import pytest

from scanner.errors import OptionError
from scanner.filters.values import moment_of

WHOLE = 1_700_000_000


@pytest.mark.parametrize(
    ("given", "nanoseconds"),
    [
        ("@1700000000.123456789", WHOLE * 10**9 + 123_456_789),
        ("@1700000000.1234567899", WHOLE * 10**9 + 123_456_789),
        ("@1700000000.000000001", WHOLE * 10**9 + 1),
        ("@9007199254740993", 9_007_199_254_740_993 * 10**9),
        ("@-0.000000001", -1),
        ("@-1.5", -1_500_000_000),
        ("@+1", 10**9),
        (WHOLE, WHOLE * 10**9),
        (2**53 + 1, (2**53 + 1) * 10**9),
        (0.5, 500_000_000),
        (1700000000.123456717, 1_700_000_000_123_456_716),  # the exact value of that float
        ("2023-11-14T22:13:20.123456789Z", WHOLE * 10**9 + 123_456_789),
        ("2023-11-14 22:13:20,5+00:00", WHOLE * 10**9 + 500_000_000),
        ("2023-11-15T00:13:20.000000001+0200", WHOLE * 10**9 + 1),
        ("1900-01-01T00:00:00.000000001Z", -2_208_988_800 * 10**9 + 1),
        ("2300-01-01T00:00:00.999999999Z", 10_413_792_000 * 10**9 + 999_999_999),
        (datetime(2023, 11, 14, 22, 13, 20, 123457, tzinfo=UTC), WHOLE * 10**9 + 123_457_000),
        (datetime(1, 1, 1, 12, tzinfo=timezone(timedelta(hours=1))), -62_135_557_200 * 10**9),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 253_402_300_799_999_999_000),
        (pandas.Timestamp(WHOLE * 10**9 + 123_456_789, tz="UTC"), WHOLE * 10**9 + 123_456_789),
        (datetime(2023, 11, 14), int(datetime(2023, 11, 14).timestamp()) * 10**9),
        (date(2023, 11, 14), int(datetime(2023, 11, 14).timestamp()) * 10**9),
    ],
)
def test_moments_are_exact(given: Any, nanoseconds: int) -> None:
    assert moment_of("newer", given) == nanoseconds


@pytest.mark.parametrize(
    "given",
    [
        "@",
        "@1.",
        "@1e9",
        "@nan",
        "2023-13-01",
        "0000-01-01",
        "2023-11-14T25:00",
        "7q",
        True,
        None,
        [],
        float("nan"),
        float("inf"),
        "",
    ],
)
def test_invalid_moments_are_refused(given: Any) -> None:
    with pytest.raises(OptionError, match="older must be a date like"):
        moment_of("older", given)


def test_a_file_may_be_named_like_a_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2023-13-01").touch()
    assert moment_of("newer", "2023-13-01") == (tmp_path / "2023-13-01").stat().st_mtime_ns
    assert moment_of("newer", tmp_path) == tmp_path.stat().st_mtime_ns

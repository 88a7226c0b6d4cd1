"""The hours in which a scan may read. No clock: the local time comes in as data.

Only the time that a clock on the wall shows counts. Where the clock is set forward, hours that it skips are missing:
hours around them are shorter on that day. Where it is set back, hours that it shows twice count twice.
"""

from __future__ import annotations

from typing import NamedTuple

DAY = 24 * 60  # minutes


class Hours(NamedTuple):
    """From the minute `begin` of each day until, and without, the minute `end`, perhaps of the next day."""

    begin: int
    end: int

    def are_open(self, minute: int) -> bool:
        """Return whether the minute of a day lies in these hours."""
        return (minute - self.begin) % DAY < (self.end - self.begin) % DAY

    @property
    def opening(self) -> str:
        """When they begin, as `20:00`."""
        return f"{self.begin // 60:02}:{self.begin % 60:02}"

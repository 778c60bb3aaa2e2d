"""Evaluations by the hour, on one side, and the alert's own calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property

import numpy as np

from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly.series import HOUR, Booleans, Floats, Integers, NotLearned, Series

DAY = 24
WEEK = 7 * DAY
_NEVER = np.iinfo(np.int64).max
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Calendar:
    """Where hours lie in the alert's time zone. phase: hour of the day. day: days since 1970. weekend: 1 for Saturday and Sunday."""

    phase: Integers
    day: Integers

    @property
    def weekend(self) -> Integers:
        return weekend_of(self.day)


def weekend_of(day: Integers) -> Integers:
    return ((day + 3) % 7 >= 5).astype(np.int64)  # the first of January 1970 was a Thursday


def calendar_of(hours: Integers, zone: tzinfo) -> Calendar:
    """hours: since 1970, in UTC. One that begins in the middle of a local hour, as in India, counts as the hour in which it begins."""
    local = hours * HOUR + _offsets(hours, zone)
    return Calendar(local // HOUR % DAY, local // (DAY * HOUR))


def _offsets(hours: Integers, zone: tzinfo) -> Integers:
    """Seconds that local time is ahead. Asked once a day, and hour by hour on the few days on which clocks change."""
    if zone is UTC:
        return np.zeros(len(hours), dtype=np.int64)
    days, which = np.unique(hours // DAY, return_inverse=True)
    first = np.array([_offset(day * DAY, zone) for day in days.tolist()], dtype=np.int64)
    last = np.array([_offset(day * DAY + DAY - 1, zone) for day in days.tolist()], dtype=np.int64)
    found = first[which]
    for index in np.flatnonzero((first != last)[which]).tolist():
        found[index] = _offset(int(hours[index]), zone)
    return found


def _offset(hour: int, zone: tzinfo) -> int:
    offset = (_EPOCH + timedelta(hours=hour)).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


class Hours:
    """The hours in which an alert was evaluated, on one side; all values times the side's sign, so that higher is worse.

    number: hours since 1970, in order, each once. peak: the highest finite value of each, NaN where there was none.
    met: whether the threshold was exceeded on this side. first, end: the evaluations of an hour are those in [first, end)."""

    def __init__(self, series: Series, side: Side) -> None:
        self.side, self.zone, self.not_learned = side, series.zone, series.not_learned
        self.number, self.first = np.unique(series.at // HOUR, return_index=True)
        self.end = np.append(self.first[1:], len(series.at))
        values = np.where(np.isfinite(series.value), side.sign * series.value, np.nan)
        over = series.breach == side.sign
        self.peak: Floats = np.fmax.reduceat(values, self.first) if len(values) else values
        self.met: Booleans = np.logical_or.reduceat(over, self.first) if len(values) else over
        self.calendar = calendar_of(self.number, series.zone)

    @cached_property
    def rise(self) -> Floats:
        """By how much each peak is above that of the hour before; NaN where there was none."""
        rises = np.full(len(self.number), np.nan)
        rises[1:] = np.where(np.diff(self.number) == 1, np.diff(self.peak), np.nan)
        return rises

    @cached_property
    def _days(self) -> tuple[Integers, Integers]:
        return np.unique(self.calendar.day, return_inverse=True)

    @cached_property
    def _known_from(self) -> Integers:
        """Day × hour of the day: the last hour that is in a cell, which the hour after a clock is set back makes two."""
        days, row = self._days
        cells = np.full((len(days), DAY), _NEVER, dtype=np.int64)
        cells[row, self.calendar.phase] = self.number
        return cells

    @cached_property
    def _grids(self) -> tuple[Floats, Floats]:
        days, row = self._days
        found = []
        for values in (self.peak, self.rise):
            grid = np.full((len(days), DAY), np.nan)
            np.fmax.at(grid, (row, self.calendar.phase), values)
            found.append(grid)
        return found[0], found[1]

    def learned(self, at: int, hours: int) -> tuple[Floats, Floats, Integers]:
        """What is learned from at an hour: peaks and rises (day × hour of the day, NaN where there is none) of so many hours before it,
        without what is known by then to be nothing to learn from; and for each of these days whether it is of a weekend."""
        days, _ = self._days
        around = calendar_of(np.array([at - hours, at]), self.zone).day
        rows = slice(*np.searchsorted(days, [around[0], around[1] + 1]))
        cells = self._known_from[rows]
        usable = (cells < at) & (cells >= at - hours)
        for start, end in spans(self.not_learned, at):
            usable &= (cells < start) | (cells > end)
        peaks, rises = (np.where(usable, grid[rows], np.nan) for grid in self._grids)
        return peaks, rises, weekend_of(days[rows])


def spans(not_learned: Sequence[NotLearned], at: int) -> list[tuple[int, int]]:
    """First and last hours of what is known at an hour to be nothing to learn from."""
    known = [one for one in not_learned if one.known_at < at * HOUR]
    return [(one.start // HOUR, at if one.end is None else one.end // HOUR) for one in known]

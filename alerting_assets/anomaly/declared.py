"""What people said of values to expect: planned events, and incidents that they labelled as false alarms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

import numpy as np

from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly.hours import DAY, WEEK, calendar_of
from alerting_assets.anomaly.method import METHOD
from alerting_assets.anomaly.series import HOUR


class ExpectedEvent(NamedTuple):
    """A planned event, in seconds since 1970. An hour that it overlaps is one of its hours.

    value: up to which values are expected then (down to, on the side below). factor: or up to how many times what else is expected;
    on the side below, down to that part of it. One of the two."""

    start: int
    end: int
    value: float | None
    factor: float | None
    declared_at: int

    def level(self, side: Side, expected: float) -> float:
        """Times the side's sign. expected: of the hour, times the side's sign."""
        if self.value is not None:
            return side.sign * self.value
        assert self.factor is not None
        usual = side.sign * expected
        grows = (usual >= 0) is (side is Side.ABOVE)
        return side.sign * (usual * self.factor if grows else usual / self.factor)


class FalseAlarm(NamedTuple):
    """What a false alarm says of the hours that are like its own. kinds: (weekend, hour of the day). level: its peak, times the side's
    sign. until: hour since 1970."""

    side: Side
    kinds: frozenset[tuple[int, int]]
    level: float
    until: int


def false_alarm(side: Side, start: int, end: int, peak: float, zone: tzinfo) -> FalseAlarm:
    """start, end: of the incident, in seconds since 1970. peak: its worst value. It counts at its hours and one on either side, on
    working days or weekends as it was, for as long as a training looks back."""
    hours = np.arange(start // HOUR, end // HOUR + 1)[: 2 * DAY]
    calendar = calendar_of(hours, zone)
    kinds = {
        (weekend, (phase + shift) % DAY)
        for weekend, phase in zip(calendar.weekend.tolist(), calendar.phase.tolist(), strict=True)
        for shift in range(-METHOD.phase_width, METHOD.phase_width + 1)
    }
    return FalseAlarm(side, frozenset(kinds), side.sign * peak, end // HOUR + METHOD.weeks * WEEK)


@dataclass(frozen=True)
class Declared:
    """All of it that is about one alert."""

    events: tuple[ExpectedEvent, ...] = ()
    alarms: tuple[FalseAlarm, ...] = ()

    def event_level(self, side: Side, hour: int, expected: float) -> float:
        """Up to which level the events of an hour expect values, times the side's sign; NaN without one."""
        found = (
            one.level(side, expected) for one in self.events if one.start < (hour + 1) * HOUR and one.end > hour * HOUR
        )
        return _highest(found)

    def labelled_level(self, side: Side, hour: int, weekend: int, phase: int) -> float:
        """The level of false alarms at hours like this one, times the side's sign; NaN without one."""
        return _highest(
            one.level for one in self.alarms if one.side is side and hour <= one.until and (weekend, phase) in one.kinds
        )


NOTHING_DECLARED = Declared()


def _highest(levels: Iterable[float]) -> float:
    return max(levels, default=math.nan)

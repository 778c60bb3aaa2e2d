"""What is expected of an hour, written before the hour begins, and the decision that follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from alerting_assets.alerts.reasons import Reason
from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly.declared import NOTHING_DECLARED, Declared
from alerting_assets.anomaly.holding import Holding
from alerting_assets.anomaly.hours import Calendar, calendar_of, spans
from alerting_assets.anomaly.method import METHOD, Method
from alerting_assets.anomaly.series import Floats, NotLearned
from alerting_assets.anomaly.training import Model, Season

SAME = 1e-3
"""Scales that a bound lies above the level that it comes from, so that a value which equals the level is within the range."""


class Bounds(NamedTuple):
    """One side of a range, values times the side's sign; NaN where there is none.

    usual, recurrence, told: up to where each of the three expects values. bound: what holds in the end.
    event, labelled: up to where people said that they are expected.
    closed: why less is held than that, or nothing; a planned event is expected all the same."""

    expected: float = math.nan
    scale: float = math.nan
    usual: float = math.nan
    recurrence: float = math.nan
    told: float = math.nan
    bound: float = math.nan
    closed: Reason | None = Reason.NO_HISTORY
    event: float = math.nan
    labelled: float = math.nan

    def holds(self, value: float) -> Reason | None:
        """What holds this value, the first reason; None where it is told.

        What was told lately comes first: a value that it holds is no sign of the season, so it begins no chain (`Holding.record`)."""
        if not value < self.bound:
            return None
        if value < self.event:
            return Reason.EVENT
        if value < self.labelled:
            return Reason.LABELLED
        if value < self.told or self.closed is not None:
            return Reason.TOLD
        return Reason.USUAL if value < self.usual else Reason.RECURRENCE


@dataclass(frozen=True)
class Range:
    """A row of `expected_ranges`. hour: since 1970. sides: of those that the alert watches.

    Below `lower` and above `upper` values are told; NaN means no bound on that side, and NaN for all that nothing is held."""

    hour: int
    sides: dict[Side, Bounds]

    @property
    def valid_from(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=self.hour)

    @property
    def valid_until(self) -> datetime:
        return self.valid_from + timedelta(hours=1)

    @property
    def expected(self) -> float:
        return sum(side.sign * bounds.expected for side, bounds in self.sides.items()) / len(self.sides)

    @property
    def scale(self) -> float:
        return max(bounds.scale for bounds in self.sides.values())

    @property
    def lower(self) -> float:
        return self._bound(Side.BELOW)

    @property
    def upper(self) -> float:
        return self._bound(Side.ABOVE)

    def _bound(self, side: Side) -> float:
        """A side that tells everything makes the other one do so, too: which of them a value is on, only its threshold knows."""
        if side not in self.sides or (
            len(self.sides) > 1 and any(math.isnan(one.bound) for one in self.sides.values())
        ):
            return math.nan
        return side.sign * self.sides[side].bound


def ml_score(value: Floats, lower: Floats | float, upper: Floats | float, scale: Floats | float) -> Floats:
    """How many scales a value lies outside of its range: negative inside of it, NaN where there is no range or no value.

    An evaluation is held when its score is below the alert's `ml_threshold`; so NaN never holds one."""
    return np.asarray(np.fmax((value - upper) / scale, (lower - value) / scale), dtype=np.float64)


def ranges_ahead(
    model: Model,
    holdings: dict[Side, Holding],
    hour: int,
    *,
    hours: int = 1,
    before: dict[Side, float] | None = None,
    not_learned: tuple[NotLearned, ...] = (),
    declared: Declared = NOTHING_DECLARED,
    method: Method = METHOD,
) -> list[Range]:
    """The ranges of the next hours, as they are written before the first of them begins.

    holdings: what happened before `hour`. before: the highest value of the hour before it, times the side's sign, where it is known."""
    numbers = np.arange(hour, hour + hours)
    calendar = calendar_of(numbers, model.zone)
    found = []
    for index in range(hours):
        known = before if index == 0 and before is not None else {}
        found.append(range_of(model, holdings, hour + index, calendar, index, known, not_learned, method, declared))
    return found


def range_of(
    model: Model,
    holdings: dict[Side, Holding],
    hour: int,
    calendar: Calendar,
    index: int,
    before: dict[Side, float],
    not_learned: tuple[NotLearned, ...],
    method: Method,
    declared: Declared = NOTHING_DECLARED,
) -> Range:
    """The range of one hour. calendar, index: where its hour of the day and weekend are found."""
    phase, weekend = int(calendar.phase[index]), int((calendar.day[index] + 3) % 7 >= 5)
    forgotten = spans(not_learned, hour) if not_learned else []
    sides = {}
    for side, season in model.seasons.items():
        if season is None:
            sides[side] = Bounds()
            continue
        found = _bounds(season, holdings[side], hour, phase, weekend, before.get(side, math.nan), forgotten, method)
        sides[side] = _with_declared(found, declared, side, hour, phase, weekend)
    return Range(hour, sides)


def _with_declared(found: Bounds, declared: Declared, side: Side, hour: int, phase: int, weekend: int) -> Bounds:
    """The bounds with what people said. A planned event is expected whatever else is told; a false alarm is no more than what recurs."""
    if declared is NOTHING_DECLARED or math.isnan(found.expected):
        return found
    same = SAME * found.scale
    event = declared.event_level(side, hour, found.expected) + same
    labelled = declared.labelled_level(side, hour, weekend, phase) + same if found.closed is None else math.nan
    bound = _highest(_highest(found.bound, labelled), event)
    return found._replace(bound=bound, event=event, labelled=labelled)


def _bounds(
    season: Season,
    holding: Holding,
    hour: int,
    phase: int,
    weekend: int,
    before: float,
    forgotten: list[tuple[int, int]],
    method: Method,
) -> Bounds:
    expected, scale = float(season.expected[phase]), float(season.scale[phase])
    if math.isnan(expected):
        return Bounds()
    same = SAME * scale
    usual = expected + season.margin * scale + same
    recurrence = float(season.recurrence[weekend, phase]) + same
    seasonal = _highest(usual, recurrence)
    level = holding.remembered(hour, expected if math.isnan(seasonal) else seasonal, forgotten)
    told = math.nan if level is None else level + method.memory_margin * scale + same
    if holding.is_persistent(hour):
        return Bounds(expected, scale, usual, recurrence, told, math.nan, Reason.PERSISTENCE)
    if holding.is_unbroken(hour):
        return Bounds(expected, scale, usual, recurrence, told, math.nan, Reason.HOLD_OVER)
    over = holding.hold_is_over(hour)
    bound = told if over else _highest(seasonal, told)
    if method.rise_margin is not None:
        highest = before + float(season.rise[phase]) + method.rise_margin * scale + same
        if not math.isnan(highest):
            bound = min(bound, highest) if over else _highest(min(bound, highest), recurrence)
    return Bounds(expected, scale, usual, recurrence, told, bound, Reason.HOLD_OVER if over else None)


def _highest(one: float, other: float) -> float:
    """The higher one; where one is NaN, the other."""
    if math.isnan(one):
        return other
    return one if math.isnan(other) else max(one, other)

"""What the daily training and the hourly refresh would have written and decided, hour by hour through a history."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from alerting_assets.alerts.hold import ML_THRESHOLD
from alerting_assets.alerts.reasons import Reason
from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly.holding import Holding
from alerting_assets.anomaly.hours import DAY, Hours
from alerting_assets.anomaly.method import METHOD, Method
from alerting_assets.anomaly.ranges import Range, ml_score, range_of
from alerting_assets.anomaly.series import Booleans, Floats, Series
from alerting_assets.anomaly.training import Model, train_hours


@dataclass(frozen=True)
class Decisions:
    """One element an evaluation. lower, upper, expected, scale, score: NaN where there is none.
    held_by: what held it; where it was told, why nothing was held in its hour; None elsewhere."""

    lower: Floats
    upper: Floats
    expected: Floats
    scale: Floats
    score: Floats
    suppressed: Booleans
    notified: Booleans
    held_by: list[Reason | None]


def walk_forward(series: Series, method: Method = METHOD, ml_threshold: float = ML_THRESHOLD) -> Decisions:
    """The decisions on all evaluations, each from what came before its hour: trained at 00:00 UTC on what came before, refreshed at every
    full hour. Nothing is held without a range."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows has no range, and is told
        return _walk(series, method, ml_threshold)


def _walk(series: Series, method: Method, ml_threshold: float) -> Decisions:
    hours = {side: Hours(series, side) for side in series.sides}
    if not hours or not len(series.at):
        return nothing_held(series)
    some = next(iter(hours.values()))
    holdings = {side: Holding(method) for side in hours}
    is_over = np.logical_or.reduce([one.met for one in hours.values()])
    columns = np.full((4, len(some.number)), np.nan)
    suppressed = np.zeros(len(series.at), dtype=bool)
    held_by: list[Reason | None] = [None] * len(series.at)
    model, previous = Model(-1, series.zone, dict.fromkeys(hours)), -1
    for index, hour in enumerate(some.number.tolist()):
        if hour // DAY * DAY != model.trained_at:
            model = train_hours(hours, hour // DAY * DAY, series.zone, method)
        before = {side: float(one.peak[index - 1]) for side, one in hours.items()} if previous == hour - 1 else {}
        previous = hour
        found = range_of(model, holdings, hour, some.calendar, index, before, series.not_learned, method)
        columns[:, index] = lower, upper, _, scale = (found.lower, found.upper, found.expected, found.scale)
        if is_over[index]:
            rows = slice(int(some.first[index]), int(some.end[index]))
            held = ml_score(series.value[rows], lower, upper, scale) < ml_threshold
            suppressed[rows] = held & (series.breach[rows] != 0)
            for side in hours:
                _record(series, found, rows, side, suppressed, holdings[side], held_by)
    lower, upper, expected, scale = np.repeat(columns, some.end - some.first, axis=1)
    score = ml_score(series.value, lower, upper, scale)
    return Decisions(lower, upper, expected, scale, score, suppressed, series.met & ~suppressed, held_by)


def _record(
    series: Series,
    found: Range,
    rows: slice,
    side: Side,
    suppressed: Booleans,
    holding: Holding,
    held_by: list[Reason | None],
) -> None:
    """Tells the side's holding what became of an hour."""
    over = np.flatnonzero(series.breach[rows] == side.sign) + rows.start
    if not len(over):
        return
    bounds = found.sides[side]
    told, is_told, by_season = -math.inf, False, False
    for row in over.tolist():
        value = side.sign * float(series.value[row])
        if suppressed[row]:
            held_by[row] = reason = bounds.holds(value) or Reason.USUAL  # beyond all levels, within ml_threshold
            by_season |= reason is not Reason.TOLD
        else:
            held_by[row], is_told = bounds.closed, True
            told = max(
                told, value if math.isfinite(value) else -math.inf
            )  # infinity is no level that could be expected again
    holding.record(
        found.hour,
        told=told if is_told else None,
        held_by_season=by_season,
        persistent=bounds.closed is Reason.PERSISTENCE,
    )


def nothing_held(series: Series) -> Decisions:
    """The decisions without any suppression."""
    nothing = np.full(len(series.at), np.nan)
    none: Booleans = np.zeros(len(series.at), dtype=bool)
    return Decisions(nothing, nothing, nothing, nothing, nothing, none, series.met, [None] * len(series.at))

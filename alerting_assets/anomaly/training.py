"""The season of an alert: what its history says of each hour of the day. Trained once a day, on what came before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly.hours import DAY, WEEK, Hours, spans
from alerting_assets.anomaly.method import METHOD, Method
from alerting_assets.anomaly.series import Floats, Integers, Series

_NORMAL = 1.4826
"""A standard deviation of normal values, in median absolute deviations."""
_RESOLUTION = 1e-9
"""The least scale, as a share of the highest value: what is nearer than that is the same."""


@dataclass(frozen=True)
class Season:
    """One side of one alert, values times the side's sign.

    expected, scale, rise: of each of the 24 hours of the day; NaN where too little is known.
    recurrence: two times 24, for working days and for weekends: the level that was reached there before, NaN where none was.
    margin: how many scales above the expected value are expected, too; NaN: none.
    episodes: over the threshold in the days that the margin was chosen by."""

    expected: Floats
    scale: Floats
    margin: float
    recurrence: Floats
    rise: Floats
    episodes: int


@dataclass(frozen=True)
class Model:
    """What is learned about one alert. trained_at: hours since 1970; only what came before is in it.
    seasons: of each side that is watched; None with too little history."""

    trained_at: int
    zone: tzinfo
    seasons: dict[Side, Season | None]


def train(series: Series, at: int, method: Method = METHOD) -> Model:
    """The model as it is learned at an hour: of what comes later, nothing counts.

    at: hours since 1970."""
    return train_hours({side: Hours(series, side) for side in series.sides}, at, series.zone, method)


def train_hours(hours: dict[Side, Hours], at: int, zone: tzinfo, method: Method = METHOD) -> Model:
    return Model(at, zone, {side: _season(found, at, method) for side, found in hours.items()})


def _season(hours: Hours, at: int, method: Method) -> Season | None:
    if not len(hours.number) or at - hours.number[0] < method.min_history_days * DAY:
        return None
    peaks, rises, weekend = hours.learned(at, method.weeks * WEEK)
    if not np.isfinite(peaks).any():
        return None
    values = _same_phase(peaks, method.phase_width)
    expected, count = _median(values)
    expected[count < method.min_values] = np.nan
    scale = _scale(values, expected, method)
    margin, episodes = _margin(hours, at, expected, scale, method)
    recurrence = np.stack([_recurrence(peaks[weekend == kind], method) for kind in (0, 1)])
    return Season(expected, scale, margin, recurrence, _highest_rise(rises, method), episodes)


def _same_phase(grid: Floats, width: int) -> Floats:
    """All values of the same phase below each other: of an hour of the day, and of so many on either side."""
    around = np.arange(DAY)
    return np.concatenate([grid[:, (around + shift) % DAY] for shift in range(-width, width + 1)])


def _median(values: Floats) -> tuple[Floats, Integers]:
    """Of each column, and how many values it has; NaN where it has none."""
    ordered, count = np.sort(values, axis=0), np.isfinite(values).sum(axis=0)
    column = np.arange(values.shape[1])
    low, high = ordered[np.maximum(count - 1, 0) // 2, column], ordered[np.minimum(count // 2, len(values) - 1), column]
    return np.where(count > 0, low / 2 + high / 2, np.nan), count


def _scale(values: Floats, expected: Floats, method: Method) -> Floats:
    """How far values usually are from what is expected: robust, and nowhere zero."""
    scale = _NORMAL * _median(np.abs(values - expected))[0]
    known = scale[np.isfinite(scale)]
    if len(known):
        least = _RESOLUTION * float(np.nanmax(np.abs(values)))
        scale = np.maximum(scale, max(method.scale_floor * float(np.median(known)), least, np.finfo(float).tiny * 1e9))
    return scale


def _margin(hours: Hours, at: int, expected: Floats, scale: Floats, method: Method) -> tuple[float, int]:
    """The margin with which few enough of the episodes over the threshold would have been told, and how many there were."""
    lately = slice(*np.searchsorted(hours.number, [at - DAY * method.margin_days, at]))
    over, phase = hours.met[lately].copy(), hours.calendar.phase[lately]
    number = hours.number[lately]
    for start, end in spans(hours.not_learned, at):
        over &= (number < start) | (number > end)
    distance = (hours.peak[lately] - expected[phase]) / scale[phase]
    over &= np.isfinite(distance)
    if not method.margins:
        return math.nan, 0
    if not over.any():
        return method.usual_margin, 0
    breaks = np.flatnonzero(np.diff(number[over]) > method.episode_pause_hours) + 1
    heights = np.maximum.reduceat(distance[over], np.concatenate([[0], breaks]))
    if len(heights) < method.few_episodes:
        return method.usual_margin, len(heights)
    enough = (margin for margin in method.margins if (heights > margin).sum() <= method.told_share * len(heights))
    return next(enough, method.margins[-1]), len(heights)


def _recurrence(peaks: Floats, method: Method) -> Floats:
    """The level that was reached on `recurrence` days at each phase; NaN where there are too few values."""
    if method.recurrence == 0 or len(peaks) < method.recurrence:
        return np.full(DAY, np.nan)
    values = _same_phase(peaks, method.phase_width)
    a_day = np.fmax.reduce(np.split(values, 2 * method.phase_width + 1))
    level = np.sort(np.where(np.isfinite(a_day), a_day, -np.inf), axis=0)[-method.recurrence]
    known = np.isfinite(values).sum(axis=0) >= max(method.min_values, method.recurrence)
    return np.where(known & np.isfinite(level), level, np.nan)


def _highest_rise(rises: Floats, method: Method) -> Floats:
    values = _same_phase(rises, method.phase_width)
    enough = np.isfinite(values).sum(axis=0) >= method.rise_values
    return np.where(enough, np.max(np.where(np.isfinite(values), values, -np.inf), axis=0), np.nan)

"""Whether an alert's values lately are others than those that its season was learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerting_assets.anomaly.hours import DAY, Hours, spans
from alerting_assets.anomaly.series import Booleans, Series
from alerting_assets.anomaly.training import train_hours

LATELY_DAYS, BEFORE_DAYS = 7, 28
FAR = 8.0
"""Scales from the expected value: the widest margin that a season may have."""
MORE = 0.25
"""By so much the share of the hours that are far away has to grow."""
LEAST_HOURS = 48
"""With fewer hours with a value, lately or before, nothing is said."""


@dataclass(frozen=True)
class Drift:
    """The share of the hours whose value is far from what is expected at their phase, in the last week and in the four weeks before it."""

    lately: float
    before: float

    @property
    def has_drifted(self) -> bool:
        return self.lately - self.before >= MORE


def drift_of(series: Series, at: int) -> Drift | None:
    """By the season as it was a week ago, so that the week itself is not in it; None where there was none, or too few hours.

    What people labelled as true incidents counts on neither side. at: hours since 1970."""
    begin = at - LATELY_DAYS * DAY
    hours = {side: Hours(series, side) for side in series.sides}
    model = train_hours(hours, begin, series.zone)
    far, number = list[Booleans](), np.array([], dtype=np.int64)
    for side, season in model.seasons.items():
        if season is None:
            return None
        found, phase = hours[side], hours[side].calendar.phase
        distance = np.abs(found.peak - season.expected[phase]) / season.scale[phase]
        far.append(distance > FAR)
        number = np.where(np.isfinite(distance), found.number, -1)
    for start, end in spans(series.not_learned, at):
        number = np.where((number >= start) & (number <= end), -1, number)
    is_far = np.logical_or.reduce(far)
    lately = (number >= begin) & (number < at)
    before = (number >= begin - BEFORE_DAYS * DAY) & (number < begin)
    if min(np.count_nonzero(lately), np.count_nonzero(before)) < LEAST_HOURS:
        return None
    return Drift(float(is_far[lately].mean()), float(is_far[before].mean()))

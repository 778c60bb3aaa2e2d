"""The evaluations of one alert, as a model sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerting_assets.alerts.sides import Side

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

HOUR = 3600


class NotLearned(NamedTuple):
    """A time of which nothing is learned, in seconds since 1970: an incident that somebody labelled as a true one, or a planned event.
    False alarms are learned from like everything else.

    end: None while it is open. known_at: since when somebody has said so. is_planned: it is an event, and no incident."""

    start: int
    end: int | None
    known_at: int
    is_planned: bool = False


@dataclass(frozen=True)
class Series:
    """at: seconds since 1970, in order. value: NaN where there was no number. sides: that the operator watches.
    breach: 1 where the value is over the threshold, -1 where it is under the lower one, 0 where the condition is not met.
    zone: of the alert's schedule: its hours of the day and weekends are the ones that count."""

    at: Integers
    value: Floats
    breach: Integers
    sides: tuple[Side, ...]
    zone: tzinfo = UTC
    not_learned: tuple[NotLearned, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.at.shape == self.value.shape == self.breach.shape:
            raise ValueError("at, value and breach are of different lengths")
        if len(self.at) and (np.diff(self.at) < 0).any():
            raise ValueError("the evaluations are not in order of time")

    @property
    def met(self) -> Booleans:
        return np.not_equal(self.breach, 0)

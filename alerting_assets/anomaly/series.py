"""The evaluations of one alert, as a model sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerting_assets.alerts.operators import ChangeDirection, Operator

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

HOUR = 3600


class Side(StrEnum):
    """Where values lie that an alert fires on."""

    ABOVE = "ABOVE"
    BELOW = "BELOW"

    @property
    def sign(self) -> int:
        """What values are multiplied by, so that on every side higher is worse."""
        return 1 if self is Side.ABOVE else -1


_SIDES: dict[Operator, tuple[Side, ...]] = {
    Operator.GREATER_THAN: (Side.ABOVE,),
    Operator.GREATER_THAN_OR_EQUAL: (Side.ABOVE,),
    Operator.LESS_THAN: (Side.BELOW,),
    Operator.LESS_THAN_OR_EQUAL: (Side.BELOW,),
    Operator.NOT_BETWEEN: (Side.BELOW, Side.ABOVE),
}
_CHANGES: dict[ChangeDirection, tuple[Side, ...]] = {
    ChangeDirection.INCREASE: (Side.ABOVE,),
    ChangeDirection.DECREASE: (Side.BELOW,),
    ChangeDirection.EITHER: (Side.BELOW, Side.ABOVE),
}


def watched_sides(operator: Operator, direction: ChangeDirection | None = None) -> tuple[Side, ...]:
    """The sides that an alert watches. None for operators that name values rather than a side (EQUAL, BETWEEN, IN, MATCHES, IS_NULL and
    their negations): no range can say which of those are expected, so they are never held.

    direction: of CHANGES_BY."""
    return _CHANGES[direction] if direction is not None else _SIDES.get(operator, ())


class TrueIncident(NamedTuple):
    """An incident that somebody labelled as a true one, in seconds since 1970. Nothing in it is learned from `labelled_at` on. Those that
    are labelled as false alarms are learned from like everything else, so they need no mention.

    end: None while it is open."""

    start: int
    end: int | None
    labelled_at: int


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
    incidents: tuple[TrueIncident, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.at.shape == self.value.shape == self.breach.shape:
            raise ValueError("at, value and breach are of different lengths")
        if len(self.at) and (np.diff(self.at) < 0).any():
            raise ValueError("the evaluations are not in order of time")

    @property
    def met(self) -> Booleans:
        return np.not_equal(self.breach, 0)

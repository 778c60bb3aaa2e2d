"""The levels of a range as they stand in `expected_ranges`, as JSON: side → reason → up to where it expects values.

`{"ABOVE": {"TOLD": 130.5, "USUAL": 120.0}}`: in units of the value itself, and only those that count in that hour."""

from __future__ import annotations

import json
import math

from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly.ranges import Basis, Bounds, Range

REASONS = tuple(one.value for one in (Basis.EVENT, Basis.LABELLED, Basis.TOLD, Basis.USUAL, Basis.RECURRENCE))
"""What may hold a value, in the order in which it is asked."""


def levels_text(found: Range) -> str:
    """The levels of a range as JSON."""
    return json.dumps({side.value: _levels(side, bounds) for side, bounds in found.sides.items()})


def reason_of(levels: str | None, side: Side, value: float) -> str:
    """Why a value that was held is expected: the first reason whose level it does not exceed. USUAL where it exceeds all of them, and so
    is held by the alert's `ml_threshold` alone.

    levels: of the hour's row. side: on which the value lies."""
    known: dict[str, float] = json.loads(levels or "{}").get(side.value, {})
    within = (name for name in REASONS if name in known and side.sign * value < side.sign * known[name])
    return next(within, Basis.USUAL.value)


def _levels(side: Side, bounds: Bounds) -> dict[str, float]:
    if math.isnan(bounds.bound):
        return {}
    levels = {Basis.EVENT: bounds.event, Basis.LABELLED: bounds.labelled, Basis.TOLD: bounds.told}
    if bounds.closed is None:
        levels |= {Basis.USUAL: bounds.usual, Basis.RECURRENCE: bounds.recurrence}
    return {basis.value: side.sign * level for basis, level in levels.items() if math.isfinite(level)}

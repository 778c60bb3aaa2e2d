"""The levels of a range as they stand in `expected_ranges`, as JSON: side → reason → up to where it expects values.

`{"ABOVE": {"TOLD": 130.5, "USUAL": 120.0}}`: in units of the value itself (BELOW: down to where), and only those that count in that hour.
`evaluation.expectation` reads them."""

from __future__ import annotations

import json
import math

from alerting_assets.alerts.reasons import Reason
from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly.ranges import Bounds, Range


def levels_text(found: Range) -> str:
    """The levels of a range as JSON."""
    return json.dumps({side.value: _levels(side, bounds) for side, bounds in found.sides.items()})


def _levels(side: Side, bounds: Bounds) -> dict[str, float]:
    if math.isnan(bounds.bound):
        return {}
    levels = {Reason.EVENT: bounds.event, Reason.LABELLED: bounds.labelled, Reason.TOLD: bounds.told}
    if bounds.closed is None:
        levels |= {Reason.USUAL: bounds.usual, Reason.RECURRENCE: bounds.recurrence}
    return {basis.value: side.sign * level for basis, level in levels.items() if math.isfinite(level)}

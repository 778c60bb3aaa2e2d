"""What an alert's model said of an evaluation, as alert_history records it; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alerting_assets.alerts import gated
from alerting_assets.alerts import hold as holds
from alerting_assets.alerts.hold import Hold
from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.reasons import HOLDS, Reason
from alerting_assets.alerts.sides import Side, watched_sides
from alerting_assets.alerts.thresholds import Condition


@dataclass(frozen=True)
class Expectation:
    """score, expected, lower, upper, model_version: None where nothing is expected.
    is_held: whether the alert would be told if it had no model: it is held back, or would be if its model were not only tried out.
    reason: a `Reason` or what the range says in `closed`, where the condition is met or the alert is held; None elsewhere."""

    score: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    model_version: str | None
    is_held: bool
    reason: str | None


def expectation_of(hold: Hold, condition: Condition, row: Mapping[str, Any]) -> Expectation:
    """row: of the alert's query, with the columns of `hold.COLUMNS`.

    An evaluation is held where its condition is met, also while `for_evaluations` would wait, and where a recovery threshold alone
    would let it fire."""
    score, met = row[holds.SCORE], row[gated.MET]
    is_expected = score is not None and score < hold.threshold
    is_held = is_expected and bool(met or row[holds.HELD])
    reason = None
    if is_held:
        reason = _held_by(condition, float(row[gated.MEASURED]), row)
    elif met:
        reason = _told_for(row)
    return Expectation(
        score, row[holds.EXPECTED], row[holds.LOWER], row[holds.UPPER], row[holds.MODEL_VERSION], is_held, reason
    )


def _held_by(condition: Condition, value: float, row: Mapping[str, Any]) -> str:
    """The first reason whose level reaches the value. Where none does, since `ml_threshold` is above zero, it is the one that reaches
    farthest in such an hour."""
    side = _side(condition, value)
    levels = _levels(row[holds.LEVELS]).get(side, {})
    for reason in HOLDS:
        level = levels.get(reason)
        if level is not None and side.sign * value < side.sign * level:
            return reason
    return Reason.RECURRENCE if row[holds.CLOSED] is None else Reason.TOLD


def _told_for(row: Mapping[str, Any]) -> str:
    if row[holds.MODEL_VERSION] is None:
        return Reason.NO_RANGE
    if row[holds.CLOSED] is not None:
        return str(row[holds.CLOSED])
    return Reason.NO_RANGE if row[holds.LOWER] is None and row[holds.UPPER] is None else Reason.OUTSIDE


def _side(condition: Condition, value: float) -> Side:
    """Where the value lies, of the sides that the condition watches."""
    if condition.operator is Operator.NOT_BETWEEN:
        return Side.ABOVE if value > condition.high else Side.BELOW
    (side,) = watched_sides(condition.operator, condition.direction)
    return side


def _levels(text: str | None) -> dict[Side, dict[str, float]]:
    """`levels` of a range: side → reason → up to which value (BELOW: down to which) it expects values. What is none of that says
    nothing: which of its reasons holds a value is known by the range alone."""
    try:
        read = json.loads(text or "{}")
        return {
            Side(side): {reason: float(level) for reason, level in levels.items() if level is not None}
            for side, levels in read.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}

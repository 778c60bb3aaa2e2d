"""The condition of a gated alert on a measured number, as its deployed query decides it; pure.

A run of a thousand alerts has hundreds of gates, and an engine takes ten milliseconds to plan each. What is no number, and patterns,
are left to the engine, whose comparisons they are; `test_gates.py` holds the two against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from alerting_assets.alerts import gated
from alerting_assets.alerts import hold as holds
from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.operators import ChangeDirection, Operator
from alerting_assets.alerts.thresholds import Condition

Number = int | float | None


def is_for_us(condition: Condition, value: Any) -> bool:
    """Whether `gate_row` decides this condition on this value; a DECIMAL is cast to DOUBLE by each engine in its own way."""
    if isinstance(value, bool) or not isinstance(value, Number):
        return False
    if condition.operator in (Operator.MATCHES, Operator.NOT_MATCHES):
        return False
    compared = condition.items if condition.operator in (Operator.IN, Operator.NOT_IN) else (condition.threshold,)
    return all(item is None or isinstance(item, float) for item in compared)


def gate_row(alert: CompiledAlert, has_row: bool, value: Number, looked_up: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row of the alert's query; None where it has none. looked_up: what each column of `gated.looks_sql` is."""
    condition = alert.condition
    counts_empty = gated.counts_empty(condition, alert.empty_result_state)
    if not (has_row or counts_empty):
        return None
    number = None if value is None else float(value)
    met = is_met(condition, number, looked_up.get(gated.BASE)) or (counts_empty and not has_row)
    fires = met and not looked_up.get(gated.EARLIER_NOT_MET, 0)
    if condition.recovery is not None and looked_up[gated.BEFORE] in ("TRIGGERED", "SUPPRESSED"):
        fires = fires or _is_still_bad(condition, number)
    row = {gated.MEASURED: value, gated.MET: met, **looked_up}
    if alert.hold is not None:
        found = row.pop(holds.RANGE)
        score = holds.ml_score(number, found)
        is_expected = score is not None and score < alert.hold.threshold
        row |= {holds.SCORE: score, holds.HELD: fires and is_expected, **holds.columns(found)}
        fires = fires and not (is_expected and alert.hold.is_live)
    row[alert.value_column] = True if fires else None
    return row | ({gated.RETURNED: has_row} if counts_empty else {})


def is_met(condition: Condition, number: float | None, base: float | None) -> bool:
    """Whether the condition holds by itself. NULL meets none but IS_NULL. base: what CHANGES_BY compares with."""
    operator = condition.operator
    if operator is Operator.IS_NULL or number is None:
        return operator is Operator.IS_NULL and number is None
    match operator:
        case Operator.IS_NOT_NULL:
            return True
        case Operator.BETWEEN | Operator.NOT_BETWEEN:
            return (condition.low <= number <= condition.high) is (operator is Operator.BETWEEN)
        case Operator.IN | Operator.NOT_IN:
            return (number in condition.items) is (operator is Operator.IN)
        case Operator.CHANGES_BY:
            return base is not None and _changes(condition, number, base)
        case _:
            assert isinstance(condition.threshold, float)
            return _compares(operator, number, condition.threshold)


def _changes(condition: Condition, number: float, base: float) -> bool:
    assert isinstance(condition.threshold, float)
    moved = number != base
    if condition.direction is ChangeDirection.INCREASE:
        moved = number > base
    elif condition.direction is ChangeDirection.DECREASE:
        moved = number < base
    return not math.isnan(number) and moved and abs(number - base) >= condition.threshold * abs(base) / 100


def _compares(operator: Operator, number: float, threshold: float) -> bool:
    """NaN compares with nothing, and so is unequal to everything."""
    return {
        Operator.GREATER_THAN: number > threshold,
        Operator.GREATER_THAN_OR_EQUAL: number >= threshold,
        Operator.LESS_THAN: number < threshold,
        Operator.LESS_THAN_OR_EQUAL: number <= threshold,
        Operator.EQUAL: number == threshold,
        Operator.NOT_EQUAL: number != threshold,
    }[operator]


def _is_still_bad(condition: Condition, number: float | None) -> bool:
    """Whether a firing alert has not recovered. NULL is no recovery."""
    assert condition.recovery is not None
    operator = Operator.GREATER_THAN if condition.fires_above else Operator.LESS_THAN
    return number is None or _compares(operator, number, condition.recovery)

"""What stands in a row of expected_ranges says the same reason as the range that it was made from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts import gated
from alerting_assets.alerts import hold as holds
from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.reasons import Reason
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.anomaly import Range, Side
from alerting_assets.anomaly.levels import levels_text
from alerting_assets.anomaly.ranges import Bounds
from alerting_assets.evaluation.expectation import expectation_of

pytestmark = pytest.mark.unit

LEVELS = st.just(math.nan) | st.integers(-50, 50).map(float)
OPERATORS = {Side.ABOVE: Operator.GREATER_THAN, Side.BELOW: Operator.LESS_THAN}


@given(LEVELS, LEVELS, LEVELS, st.booleans(), st.sampled_from(Side), st.integers(-60, 60).map(float))
def test_an_evaluation_is_held_for_the_reason_that_the_range_has(
    usual: float, recurrence: float, told: float, over: bool, side: Side, value: float
) -> None:
    counted = [level for level in ([told] if over else [usual, recurrence, told]) if not math.isnan(level)]
    bounds = Bounds(
        0.0, 1.0, usual, recurrence, told, max(counted, default=math.nan), Reason.HOLD_OVER if over else None
    )
    found = Range(0, {side: bounds})
    row = dict.fromkeys(holds.COLUMNS) | {
        gated.MEASURED: side.sign * value,
        gated.MET: True,
        holds.LEVELS: levels_text(found),
    }
    # A score of NaN, where there is no bound, is NULL in the row.
    row[holds.SCORE] = None if math.isnan(bounds.bound) else value - bounds.bound
    held = expectation_of(holds.Hold("m@serving", 0.0, True), Condition(OPERATORS[side], frozenset()), row)
    expected = bounds.holds(value)
    assert held.is_held == (expected is not None)
    assert held.reason == expected or expected is None

"""What stands in a row of expected_ranges says the same reason as the range that it was made from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.anomaly import Basis, Range, Side
from alerting_assets.anomaly.levels import levels_text, reason_of
from alerting_assets.anomaly.ranges import Bounds

pytestmark = pytest.mark.unit

LEVELS = st.just(math.nan) | st.integers(-50, 50).map(float)


@given(LEVELS, LEVELS, LEVELS, st.booleans(), st.sampled_from(Side), st.integers(-60, 60).map(float))
def test_the_reason_is_the_same(
    usual: float, recurrence: float, told: float, over: bool, side: Side, value: float
) -> None:
    counted = [level for level in ([told] if over else [usual, recurrence, told]) if not math.isnan(level)]
    bound = max(counted, default=math.nan)
    bounds = Bounds(0.0, 1.0, usual, recurrence, told, bound, Basis.HOLD_OVER if over else None)
    text = levels_text(Range(0, {side: bounds}))
    expected = bounds.holds(value)
    assert reason_of(text, side, side.sign * value) == (expected or Basis.USUAL)


def test_a_row_without_levels_still_has_a_reason() -> None:
    assert reason_of(None, Side.ABOVE, 1.0) == "USUAL"

"""Seasons, ranges written ahead, and the score."""

from __future__ import annotations

import math
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts import hold
from alerting_assets.alerts.operators import ChangeDirection, Operator
from alerting_assets.alerts.reasons import Reason
from alerting_assets.anomaly import (
    METHOD,
    Holding,
    Model,
    Series,
    Side,
    ml_score,
    ranges_ahead,
    train,
    walk_forward,
    watched_sides,
)
from alerting_assets.anomaly.hours import Hours, calendar_of
from alerting_assets.anomaly.series import HOUR
from alerting_assets_tests.anomaly.histories import START, START_HOUR, hourly, over, waves

pytestmark = pytest.mark.unit


def fresh(*sides: Side) -> dict[Side, Holding]:
    return {side: Holding(METHOD) for side in sides or (Side.ABOVE,)}


def test_a_training_learns_only_what_came_before() -> None:
    value = waves(30)
    at = START_HOUR + 24 * 20 + 7
    whole, part = train(over(value, 115), at), train(over(value[: 24 * 20 + 7], 115), at)
    one, other = whole.seasons[Side.ABOVE], part.seasons[Side.ABOVE]
    assert one is not None
    assert other is not None
    for name in ("expected", "scale", "recurrence", "rise"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.margin, one.episodes) == (other.margin, other.episodes)


def test_before_two_weeks_there_is_no_range() -> None:
    for hours, has_range in ((14 * 24 - 1, False), (14 * 24, True)):
        model = train(over(waves(14), 115), START_HOUR + hours)
        (found,) = ranges_ahead(model, fresh(), START_HOUR + hours)
        assert math.isfinite(found.upper) is has_range
        assert math.isnan(found.lower)


def test_ranges_are_written_for_hours_ahead_and_the_first_is_what_a_backtest_uses() -> None:
    value = waves(16)
    series, hour = over(value, 1000), START_HOUR + 24 * 15
    before = {Side.ABOVE: float(value[24 * 15 - 1])}
    written = ranges_ahead(train(series, hour), fresh(), hour, hours=3, before=before)
    assert [one.hour for one in written] == [hour, hour + 1, hour + 2]
    assert [one.valid_until - one.valid_from for one in written] == [timedelta(hours=1)] * 3
    assert written[1].valid_from == written[0].valid_until
    used = walk_forward(series)
    row = 24 * 15
    assert (written[0].upper, written[0].expected, written[0].scale) == (
        used.upper[row],
        used.expected[row],
        used.scale[row],
    )


def test_the_margin_is_the_smallest_with_which_few_enough_episodes_would_have_been_told() -> None:
    value = waves(40, noise=1.0)
    value[24 * 15 + 12 :: 24] += 30  # an episode a day, all alike
    season = train(over(value, 110), START_HOUR + 24 * 40).seasons[Side.ABOVE]
    rare = train(over(value, 1000), START_HOUR + 24 * 40).seasons[Side.ABOVE]
    assert season is not None
    assert rare is not None
    assert season.margin in METHOD.margins
    assert season.episodes > 20
    assert (rare.margin, rare.episodes) == (METHOD.usual_margin, 0)


def test_the_score_is_in_scales_outside_of_the_range() -> None:
    nan = math.nan
    values = np.array([5.0, 10.0, 12.0, -3.0, nan])
    np.testing.assert_array_equal(ml_score(values, nan, 10.0, 2.0), [-2.5, 0.0, 1.0, -6.5, nan])
    np.testing.assert_array_equal(ml_score(values, 0.0, nan, 2.0), [-2.5, -5.0, -6.0, 1.5, nan])
    np.testing.assert_array_equal(ml_score(values, 0.0, 10.0, 2.0), [-2.5, 0.0, 1.0, 1.5, nan])
    assert np.isnan(ml_score(values, nan, nan, nan)).all()


def test_a_value_that_equals_a_level_which_was_reached_on_two_days_is_within_the_range() -> None:
    value = np.zeros(24 * 20)
    value[[24 * 2 + 9, 24 * 9 + 9, 24 * 16 + 9]] = 3.0  # counts, whose scale is zero
    found = walk_forward(over(value, 2.0))
    assert found.suppressed[24 * 16 + 9]
    assert found.held_by[24 * 16 + 9] is Reason.RECURRENCE


def test_a_side_that_tells_everything_makes_the_other_one_do_so() -> None:
    series = Series(hourly(24 * 20), waves(20), np.zeros(24 * 20, dtype=np.int64), (Side.BELOW, Side.ABOVE))
    model, hour = train(series, START_HOUR + 24 * 20), START_HOUR + 24 * 20
    (open_,) = ranges_ahead(model, fresh(*series.sides), hour)
    assert open_.lower < open_.expected < open_.upper
    half = Model(model.trained_at, model.zone, {**model.seasons, Side.BELOW: None})
    (closed,) = ranges_ahead(half, fresh(*series.sides), hour)
    assert math.isnan(closed.upper)
    assert math.isnan(closed.lower)


@pytest.mark.parametrize(
    ("operator", "direction", "sides"),
    [
        (Operator.GREATER_THAN_OR_EQUAL, None, (Side.ABOVE,)),
        (Operator.LESS_THAN, None, (Side.BELOW,)),
        (Operator.NOT_BETWEEN, None, (Side.BELOW, Side.ABOVE)),
        (Operator.CHANGES_BY, ChangeDirection.DECREASE, (Side.BELOW,)),
        (Operator.CHANGES_BY, ChangeDirection.EITHER, (Side.BELOW, Side.ABOVE)),
        (Operator.EQUAL, None, ()),
        (Operator.BETWEEN, None, ()),
        (Operator.IS_NULL, None, ()),
    ],
)
def test_operators_watch_the_side_on_which_they_fire(
    operator: Operator, direction: ChangeDirection | None, sides: tuple[Side, ...]
) -> None:
    assert watched_sides(operator, direction) == sides


def test_hours_of_the_day_and_weekends_are_those_of_the_alerts_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = 1_774_742_400 // HOUR  # 2026-03-29 00:00 UTC; clocks go from 02:00 to 03:00 at 01:00 UTC
    assert calendar_of(np.arange(spring, spring + 4), berlin).phase.tolist() == [1, 3, 4, 5]
    autumn = 1_792_886_400 // HOUR  # 2026-10-25 00:00 UTC; clocks go from 03:00 to 02:00 at 01:00 UTC
    assert calendar_of(np.arange(autumn, autumn + 4), berlin).phase.tolist() == [2, 2, 3, 4]
    friday_noon = START_HOUR + 4 * 24 + 12
    auckland = calendar_of(np.array([friday_noon - 2, friday_noon]), ZoneInfo("Pacific/Auckland"))
    assert (auckland.phase.tolist(), auckland.weekend.tolist()) == ([23, 1], [0, 1])
    assert calendar_of(np.array([START_HOUR]), ZoneInfo("Asia/Kolkata")).phase.tolist() == [5]


def test_a_peak_at_a_local_hour_stays_expected_when_clocks_change() -> None:
    """Clocks were set forward on 2026-03-29: from then on nine o'clock is an hour earlier in UTC."""
    berlin = ZoneInfo("Europe/Berlin")
    start = START + 42 * 24 * HOUR
    at = hourly(24 * 50, start)
    phase = calendar_of(at // HOUR, berlin).phase
    value = np.where(phase == 9, 200.0, waves(50, noise=1.0))
    found = {zone: train(over(value, 150, at=at, zone=zone), at[-1] // HOUR).seasons[Side.ABOVE] for zone in (berlin,)}
    season = found[berlin]
    assert season is not None
    assert np.nanargmax(season.recurrence[0]) in (8, 9, 10)
    assert season.recurrence[0][6] < 200 <= season.recurrence[0][9]
    assert season.recurrence[0][12] < 200


def test_the_hour_that_a_clock_repeats_counts_once_and_only_when_both_are_over() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    autumn = 1_792_886_400 // HOUR
    at = (autumn - 24 * 20 + np.arange(24 * 20 + 4)) * HOUR
    value = np.ones(len(at))
    value[-4], value[-3] = 5, 9  # 02:00 and 02:00 again
    hours = Hours(over(value, 100, at=at, zone=berlin), Side.ABOVE)
    assert hours.learned(autumn + 2, 24 * 7)[0][-1, 2] == 9
    assert np.isnan(hours.learned(autumn + 1, 24 * 7)[0][-1, 2])


def test_series_out_of_order_or_of_different_lengths_are_refused() -> None:
    at, none = hourly(3), np.zeros(3, dtype=np.int64)
    with pytest.raises(ValueError, match="order of time"):
        Series(at[::-1], np.ones(3), none, (Side.ABOVE,))
    with pytest.raises(ValueError, match="different lengths"):
        Series(at, np.ones(2), none, (Side.ABOVE,))


@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    bounds=st.tuples(st.none() | st.floats(-1e9, 1e9), st.none() | st.floats(-1e9, 1e9)),
    scale=st.floats(1e-6, 1e6),
)
def test_a_backtest_scores_as_a_deployed_alert_does(
    value: float, bounds: tuple[float | None, float | None], scale: float
) -> None:
    lower, upper = bounds
    deployed = hold.ml_score(value, {"lower": lower, "upper": upper, "scale": scale})
    low, high = (math.nan if bound is None else bound for bound in bounds)
    (score,) = ml_score(np.array([value]), low, high, scale).tolist()
    if deployed is None:
        assert not math.isfinite(score) or not math.isfinite(value)
    else:
        assert score == deployed

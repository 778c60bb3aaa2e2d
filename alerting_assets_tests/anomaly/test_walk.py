"""What a history would have told and held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.reasons import Reason
from alerting_assets.anomaly import METHOD, NotLearned, Series, Side, summary_of, walk_forward
from alerting_assets.anomaly.series import HOUR
from alerting_assets_tests.anomaly.histories import START, hourly, over, waves
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit

TWO_WEEKS = 14 * 24
NO_MEMORY = replace(METHOD, memory_hours=0)


@given(
    seed=st.integers(0, 10**6), days=st.integers(15, 24), later=st.sampled_from((-1e6, 0.0, 120.0, 1e6, float("nan")))
)
@examples(12, 150)
def test_what_comes_later_changes_no_earlier_decision(seed: int, days: int, later: float) -> None:
    value = waves(26, seed, noise=8.0)
    now = 24 * days + seed % 24
    changed = value.copy()
    changed[now:] = later
    full, other, cut = (walk_forward(over(one, 115)) for one in (value, changed, value[:now]))
    for name in ("notified", "suppressed", "score", "upper"):
        expected = getattr(cut, name)
        np.testing.assert_array_equal(getattr(full, name)[:now], expected)
        np.testing.assert_array_equal(getattr(other, name)[:now], expected)


@given(seed=st.integers(0, 10**6), power=st.integers(-20, 20), shift=st.integers(-(10**6), 10**6))
@examples(12, 150)
def test_another_unit_of_the_value_changes_no_decision(seed: int, power: int, shift: int) -> None:
    value, unit = waves(24, seed, noise=8.0), 2.0**power
    plain = walk_forward(over(value, 115))
    scaled = walk_forward(over(unit * (value + shift), unit * (115 + shift)))
    assert plain.suppressed.any()
    np.testing.assert_array_equal(scaled.notified, plain.notified)
    np.testing.assert_array_equal(scaled.suppressed, plain.suppressed)


@given(seed=st.integers(0, 10**6))
@examples(8, 100)
def test_below_is_the_mirror_of_above(seed: int) -> None:
    value = waves(24, seed, noise=8.0)
    above, below = walk_forward(over(value, 115)), walk_forward(over(-value, -115, side=Side.BELOW))
    np.testing.assert_array_equal(below.notified, above.notified)
    np.testing.assert_array_equal(below.lower, -above.upper)
    assert np.isnan(below.upper).all()


def test_nothing_is_held_in_the_first_two_weeks() -> None:
    found = walk_forward(over(waves(20), 110))
    assert not found.suppressed[:TWO_WEEKS].any()
    assert np.isnan(found.score[:TWO_WEEKS]).all()
    assert found.suppressed[TWO_WEEKS:].any()


def test_a_peak_that_comes_every_week_is_held_and_one_of_the_same_height_at_an_odd_hour_is_told() -> None:
    value = waves(8 * 7, noise=2.0)
    peaks = np.arange(24 * 2 + 18, len(value), 24 * 7)
    value[peaks] = 200
    odd = peaks[-1] + 24 + 7
    value[odd] = 200
    found = walk_forward(over(value, 150), NO_MEMORY)
    assert found.suppressed[peaks[-3:]].all()
    assert found.notified[odd]


def test_a_constant_value_over_the_threshold_is_told_once_a_day_and_anything_above_it_at_once() -> None:
    value = np.full(24 * 24, 7.0)
    value[-1] = 7.5
    found = walk_forward(over(value, 5.0))
    told = np.flatnonzero(found.notified[TWO_WEEKS:-1])
    assert found.suppressed[TWO_WEEKS:].mean() > 0.9
    assert np.diff(told).max() <= 24
    assert found.notified[-1]


def test_a_new_level_over_the_threshold_is_told_at_once() -> None:
    value = waves(28)
    value[24 * 21 :] += 60
    found = walk_forward(over(value, 130))
    assert found.notified[24 * 21]


def test_a_trend_over_the_threshold_is_told_again_and_again() -> None:
    value = waves(35, noise=1.0) + np.linspace(0, 60, 35 * 24)
    found = walk_forward(over(value, 150))
    told = np.flatnonzero(found.notified)
    assert len(told) >= 3
    assert told[0] - np.flatnonzero(value > 150)[0] <= 48


@given(seed=st.integers(0, 10**6), threshold=st.integers(60, 115))
@examples(10, 150)
def test_the_season_never_holds_for_a_day_and_an_unbroken_episode_is_told_every_day(seed: int, threshold: int) -> None:
    series = over(waves(28, seed, noise=8.0), threshold)
    alone = walk_forward(series, NO_MEMORY)
    assert summary_of(series, alone).longest_hold_hours < METHOD.hold_hours  # type: ignore[operator]
    found = walk_forward(series)
    in_a_row = 0
    for held in found.suppressed:
        in_a_row = in_a_row + 1 if held else 0
        assert in_a_row < 24


@given(seed=st.integers(0, 10**6))
@examples(8, 100)
def test_whatever_was_not_expected_by_the_season_was_told_a_few_days_before(seed: int) -> None:
    series = over(waves(30, seed, noise=12.0), 118)
    found = walk_forward(series)
    told = [(index, series.value[index]) for index in np.flatnonzero(found.notified)]
    for index in np.flatnonzero(found.suppressed):
        if found.held_by[index] is Reason.TOLD:
            lately = [level for when, level in told if index - METHOD.memory_hours <= when < index]
            assert lately
            assert series.value[index] <= max(lately) + (METHOD.memory_margin + 0.01) * found.scale[index]


def test_more_hours_over_the_threshold_than_ever_are_told_though_their_level_was_told_before() -> None:
    value = waves(30, noise=1.0)
    start = 24 * 28 + 10
    value[start - 20] = 190.0  # told: from then on levels up to it are expected
    value[start : start + 22] = 155.0
    series = over(value, 140)
    kept, without = (
        walk_forward(series),
        walk_forward(series, replace(METHOD, persistence_least=None, rise_margin=None)),
    )
    assert without.suppressed[start : start + 20].all()
    assert kept.notified[start : start + 8].any()


def test_a_rise_that_is_steeper_than_ever_at_that_hour_is_told_though_its_level_was_told_before() -> None:
    value = waves(30, noise=1.0)
    value[24 * 28 + 10] = 190.0
    value[24 * 29 + 20] = 160.0
    series = over(value, 140)
    assert walk_forward(series).notified[24 * 29 + 20]
    assert walk_forward(series, replace(METHOD, rise_margin=None)).suppressed[24 * 29 + 20]


def test_an_incident_labelled_as_true_is_not_learned_once_it_is_labelled() -> None:
    value, weeks = waves(35, noise=1.0), 24 * 7
    peaks = [weeks + 12, 2 * weeks + 12, 3 * weeks + 12, 4 * weeks + 12]
    value[peaks] = 200
    at = hourly(len(value))

    def at_the_last_peak(labelled_at: int) -> bool:
        incidents = tuple(NotLearned(int(at[peak]), int(at[peak]), labelled_at) for peak in peaks[:-1])
        found = walk_forward(over(value, 150, not_learned=incidents), replace(NO_MEMORY, rise_margin=None))
        return bool(found.suppressed[peaks[-1]])

    assert at_the_last_peak(labelled_at=START + 52 * weeks * HOUR), "a label that comes later changes nothing"
    assert not at_the_last_peak(labelled_at=int(at[peaks[-1]]) - 24 * HOUR)


def test_what_was_told_in_a_true_incident_is_not_expected_again() -> None:
    value = waves(30, noise=1.0)
    first, second = 24 * 28 + 6, 24 * 29 + 10
    value[first], value[second] = 200, 160
    at = hourly(len(value))
    method = replace(METHOD, rise_margin=None)
    label = NotLearned(int(at[first]), int(at[first]) + HOUR, int(at[first]) + 2 * HOUR)
    assert walk_forward(over(value, 150), method).suppressed[second]
    assert walk_forward(over(value, 150, not_learned=(label,)), method).notified[second]


def test_missing_evaluations_and_values_are_no_reason_to_hold_or_to_fail() -> None:
    value = waves(28)
    value[24 * 20 : 24 * 20 + 12] = np.nan
    gap = np.r_[0 : 24 * 16, 24 * 19 : len(value)]
    series = over(value[gap], 112, at=hourly(len(value))[gap])
    found = walk_forward(series)
    missing = np.isnan(series.value)
    assert not (found.notified | found.suppressed)[missing].any()
    assert np.isnan(found.score[missing]).all()
    assert found.suppressed[24 * 20 :].any()


def test_an_infinite_value_is_told_and_never_expected_again() -> None:
    value = waves(28)
    value[24 * 20] = np.inf
    value[24 * 20 + 30] = 1e9
    found = walk_forward(over(value, 150))
    assert found.notified[24 * 20]
    assert found.notified[24 * 20 + 30]


def test_huge_values_do_not_fail() -> None:
    value = waves(20) * 1e306
    found = walk_forward(over(value, 1.15e308))
    np.testing.assert_array_equal(found.notified | found.suppressed, value > 1.15e308)


def test_evaluations_within_an_hour_are_decided_by_the_same_range() -> None:
    value = np.repeat(waves(20, noise=1.0), 4)
    series = over(value, 115, at=START + 900 * np.arange(len(value)))
    found = walk_forward(series)
    upper = found.upper.reshape(-1, 4)
    np.testing.assert_array_equal(upper, np.repeat(upper[:, :1], 4, axis=1))
    assert found.suppressed.any()


def test_two_sides_are_judged_each_by_its_own_past() -> None:
    value = waves(35, noise=1.0)
    low = np.arange(24 * 2 + 3, len(value), 24 * 7)
    value[low] = 40
    dip, spike = 24 * 33 + 13, 24 * 33 + 20
    value[dip], value[spike] = 40, 200
    breach = np.where(value > 150, 1, np.where(value < 60, -1, 0))
    series = Series(hourly(len(value)), value, breach, (Side.BELOW, Side.ABOVE))
    found = walk_forward(series, NO_MEMORY)
    assert found.suppressed[low[-1]]
    assert found.notified[dip]
    assert found.notified[spike]


def test_without_a_side_and_without_rows_nothing_is_held() -> None:
    series = over(waves(20), 110)
    assert not walk_forward(replace(series, sides=())).suppressed.any()
    assert len(walk_forward(over([], 1)).notified) == 0


def test_a_lower_threshold_of_the_score_holds_less() -> None:
    series = over(waves(26, noise=8.0), 115)
    held = [int(walk_forward(series, ml_threshold=limit).suppressed.sum()) for limit in (-2.0, 0.0, 2.0)]
    assert held[0] < held[1] < held[2]

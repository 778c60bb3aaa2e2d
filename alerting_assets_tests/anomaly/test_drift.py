"""When values are others than those that a season was learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly import NotLearned, Series, drift_of
from alerting_assets.anomaly.series import HOUR, Floats
from alerting_assets_tests.anomaly.histories import waves

DAYS = 60
NOW = 24 * DAYS


def series_of(value: Floats, *, sides: tuple[Side, ...] = (Side.ABOVE,)) -> Series:
    at = np.arange(len(value)) * HOUR
    return Series(at, value, np.zeros(len(value), dtype=np.int64), sides)


def shifted(hours: int, by: float) -> Floats:
    value = waves(DAYS)
    value[NOW - hours :] += by
    return value


@pytest.mark.parametrize("sides", [(Side.ABOVE,), (Side.BELOW,), (Side.ABOVE, Side.BELOW)])
@pytest.mark.parametrize(
    ("hours", "by", "has_drifted"), [(0, 0.0, False), (12, 500.0, False), (72, 500.0, True), (72, -500.0, True)]
)
def test_another_level_is_a_drift_once_it_lasts(
    sides: tuple[Side, ...], hours: int, by: float, has_drifted: bool
) -> None:
    found = drift_of(series_of(shifted(hours, by), sides=sides), NOW)
    assert found is not None
    assert found.has_drifted is has_drifted
    assert found.lately == pytest.approx(hours / (7 * 24) if by else 0.0, abs=0.02)
    assert found.before < 0.05


def test_what_people_labelled_as_an_incident_is_no_drift() -> None:
    series = series_of(shifted(72, 500.0))
    incident = NotLearned((NOW - 72) * HOUR, None, (NOW - 1) * HOUR)
    found = drift_of(replace(series, not_learned=(incident,)), NOW)
    assert found is not None
    assert found.lately == 0.0


def test_what_was_far_away_before_is_no_drift() -> None:
    """A value that always jumps is what it is."""
    value = waves(DAYS)
    value[np.random.default_rng(3).random(len(value)) < 0.3] += 500.0
    found = drift_of(series_of(value), NOW)
    assert found is not None
    assert found.before > 0.2
    assert not found.has_drifted


def test_nothing_is_said_with_too_little_to_go_by() -> None:
    assert drift_of(series_of(np.array([])), NOW) is None
    assert drift_of(series_of(waves(DAYS)[: 24 * 20]), 24 * 20) is None  # the season of a week ago had 13 days
    assert drift_of(series_of(waves(DAYS)), NOW + 7 * 24) is None  # nothing was evaluated in the last week
    assert drift_of(series_of(np.full(NOW, np.nan)), NOW) is None

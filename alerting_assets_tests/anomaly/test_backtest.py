"""Summaries and judgements of suppression."""

from __future__ import annotations

import numpy as np
import pytest

from alerting_assets.anomaly import Judgement, Span, episodes, judge, nothing_held, summary_of, walk_forward
from alerting_assets.anomaly.series import HOUR
from alerting_assets_tests.anomaly.histories import over, waves

pytestmark = pytest.mark.unit


def hours(*numbers: int) -> np.ndarray:
    return HOUR * np.array(numbers, dtype=np.int64)


def test_a_pause_of_more_than_three_hours_begins_another_episode() -> None:
    assert episodes(hours(0, 1, 4, 8, 9)) == [Span(0, 4 * HOUR), Span(8 * HOUR, 9 * HOUR)]
    assert episodes(hours()) == []


def test_incidents_are_told_by_what_is_told_within_them() -> None:
    met = hours(0, 1, 10, 11, 12, 30, 50)
    told = hours(12, 30)
    incidents = [Span(9 * HOUR, 13 * HOUR), Span(50 * HOUR, 52 * HOUR), Span(70 * HOUR, 80 * HOUR)]
    found = judge(met, told, incidents)
    assert found == Judgement(false=2, false_told=1, caught=2, kept=1, delays=(2.0,))
    assert found.lost == 1


def test_a_summary_adds_up() -> None:
    series = over(waves(26, noise=8.0), 115)
    found = summary_of(series, walk_forward(series))
    assert found.notified + found.suppressed == found.over_threshold
    assert sum(found.held_by.values()) == found.suppressed > 0
    assert found.episodes_told < found.episodes
    assert 0.4 < found.with_range < 0.5
    plain = summary_of(series, nothing_held(series))
    assert (plain.notified, plain.suppressed, plain.episodes_told) == (plain.over_threshold, 0, plain.episodes)

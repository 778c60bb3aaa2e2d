"""Ranges are written ahead for all alerts, as a walk through the history would have had them, and whatever is wrong holds nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.anomaly import Series, Side, train, walk_forward
from alerting_assets.errors import SettingsError
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets.suppression.refresh import HORIZON_HOURS, Serving, refresh
from alerting_assets_tests.anomaly.histories import START, hourly, waves
from alerting_assets_tests.profile import THOROUGH
from alerting_assets_tests.suppression.worlds import (
    DAY,
    HOUR,
    MODEL,
    NOW,
    Served,
    a_world,
    append_history,
    evaluation,
    history_of,
    modelled,
)

pytestmark = pytest.mark.integration

BELOW = Condition(Operator.LESS_THAN, frozenset(), threshold=82.0)
OUTSIDE = Condition(Operator.NOT_BETWEEN, frozenset(), low=80.0, high=118.0)
DAYS = 45


def a_series(condition: Condition, seed: int) -> Series:
    """Two evaluations an hour, with peaks every few days, a long incident and hours in which nothing was measured."""
    alert, chance = modelled(condition=condition), np.random.default_rng(seed)
    value = np.repeat(waves(DAYS, seed), 2) + chance.normal(scale=1, size=2 * 24 * DAYS)
    value[chance.choice(len(value), 30, replace=False)] += chance.choice([-1, 1], 30) * chance.uniform(5, 60, 30)
    value[1500:1530] += 40
    value[chance.choice(len(value), 20, replace=False)] = math.nan
    at = np.repeat(hourly(24 * DAYS), 2) + np.tile([0, 1800], 24 * DAYS)
    kept = np.sort(chance.choice(len(at), len(at) - 60, replace=False))
    at, value = at[kept], value[kept]
    low, high = (condition.low, condition.high) if condition is OUTSIDE else (-math.inf, 118.0)
    low, high = (82.0, math.inf) if condition is BELOW else (low, high)
    return Series(at, value, np.where(value > high, 1, np.where(value < low, -1, 0)), alert.sides)


def hour_of(lakehouse: EmbeddedLakehouse, moment: datetime) -> dict[str, Any]:
    (row,) = [row for row in lakehouse.read(EXPECTED_RANGES.name).to_pylist() if row["valid_from"] == moment]
    return dict(row)


@pytest.mark.parametrize(
    ("condition", "seed"), [(None, 1), (BELOW, 2), (OUTSIDE, 3)], ids=["above", "below", "both sides"]
)
def test_the_ranges_are_those_of_a_walk_through_the_history(
    lakehouse: EmbeddedLakehouse, condition: Condition | None, seed: int
) -> None:
    alert = modelled(budget=1.0) if condition is None else modelled(condition=condition, budget=1.0)
    series = a_series(alert.condition, seed)
    decisions = walk_forward(series)
    append_history(lakehouse, history_of(series, decisions))
    for hour in (*range(20 * 24, DAYS * 24, 5 if THOROUGH else 97), 752, 755, 762):
        start = datetime.fromtimestamp(START + hour * 3600, UTC)
        rows = np.flatnonzero(series.at // 3600 == START // 3600 + hour)
        if not len(rows):
            continue
        at = START // 3600 + hour
        served = Served({alert.alert_id: train(series, at // 24 * 24)}, trained_at=start)
        refresh(lakehouse, [alert], start - timedelta(minutes=5), lambda _name, served=served: served)
        found = hour_of(lakehouse, start)
        for name in ("lower", "upper", "scale", "expected"):
            walked = float(getattr(decisions, name)[rows[0]])
            assert found[name] == (None if math.isnan(walked) else walked), (hour, name)


def test_the_next_hours_are_written_and_those_that_have_begun_stay(lakehouse: EmbeddedLakehouse) -> None:
    served = a_world(lakehouse)
    begun = NOW.replace(minute=0)
    done = refresh(lakehouse, [modelled()], NOW, lambda _: served)
    assert done.written == 1 + HORIZON_HOURS
    assert [one.until for one in done.alerts] == [begun + (1 + HORIZON_HOURS) * HOUR]
    before = lakehouse.read(EXPECTED_RANGES.name, order_by="valid_from").to_pylist()
    assert [row["valid_from"] for row in before] == [begun + n * HOUR for n in range(1 + HORIZON_HOURS)]
    assert all(row["upper"] > row["expected"] and row["lower"] is None for row in before)
    # An hour later: the one that has begun meanwhile keeps its row, the others follow what happened.
    append_history(lakehouse, [evaluation(NOW + timedelta(minutes=6), 500.0, threshold_met=True)])
    refresh(lakehouse, [modelled()], NOW + HOUR, lambda _: served)
    after = lakehouse.read(EXPECTED_RANGES.name, order_by="valid_from").to_pylist()
    assert len(after) == 2 + HORIZON_HOURS
    assert after[:2] == before[:2]
    assert after[2]["upper"] > 400 > before[2]["upper"]
    assert {row["created_at"] for row in after[2:]} == {NOW + HOUR}


def test_another_version_of_the_model_takes_over_at_once(lakehouse: EmbeddedLakehouse) -> None:
    served = a_world(lakehouse)
    refresh(lakehouse, [modelled()], NOW, lambda _: served)
    refresh(lakehouse, [modelled()], NOW, lambda _: replace(served, version="2"))
    assert lakehouse.read(EXPECTED_RANGES.name).column("model_version").to_pylist() == ["2"] * (1 + HORIZON_HOURS)


@pytest.mark.parametrize(
    ("changes", "serving", "closed"),
    [
        ({}, {}, None),
        ({"measured_hash": "another query"}, {}, "NO_HISTORY"),
        ({"alert_id": "NEW"}, {}, "NO_HISTORY"),
        ({}, {"trained_at": NOW - 15 * DAY}, "STALE_MODEL"),
        ({"budget": 0.1}, {}, "BUDGET"),
    ],
)
def test_what_is_closed_holds_nothing_and_says_why(
    lakehouse: EmbeddedLakehouse, changes: dict[str, Any], serving: dict[str, Any], closed: str | None
) -> None:
    served = replace(a_world(lakehouse), **serving)
    done = refresh(lakehouse, [modelled(**changes)], NOW, lambda _: served)
    rows = lakehouse.read(EXPECTED_RANGES.name, order_by="valid_from").to_pylist()[1:]
    assert [row["closed"] for row in rows] == [closed] * HORIZON_HOURS
    assert all((row["upper"] is None) == (closed is not None) for row in rows)
    assert done.closed == ({closed: 1} if closed else {})
    assert done.open == (0 if closed else 1)


def test_the_budget_counts_what_a_model_was_asked_about_and_nobody_declared(lakehouse: EmbeddedLakehouse) -> None:
    decided = [
        *[{"ml_suppressed": True, "ml_reason": "USUAL"}] * 19,
        *[{"ml_shadow": True, "ml_reason": "TOLD"}] * 2,
        *[{"ml_reason": "OUTSIDE"}] * 3,
        *[{"ml_suppressed": True, "ml_reason": "EVENT"}] * 5,
        *[{"ml_suppressed": True, "ml_reason": "USUAL", "silence_id": "s"}] * 5,
        *[{}] * 7,
    ]
    rows = [evaluation(NOW - (n + 1) * HOUR, 120.0, **changes) for n, changes in enumerate(decided)]
    append_history(lakehouse, [*rows, evaluation(NOW - 30 * DAY, 120.0, ml_suppressed=True, ml_reason="USUAL")])
    served = Served()
    (one,) = refresh(lakehouse, [modelled()], NOW, lambda _: served).alerts
    assert (one.lately.held, one.lately.decided) == (21, 24)


def test_an_alert_in_trouble_costs_itself_only(lakehouse: EmbeddedLakehouse) -> None:
    served = a_world(lakehouse)
    broken = replace(served.models["COST-001"], seasons={Side.ABOVE: "no season"})  # type: ignore[dict-item]
    served.models["BROKEN"] = broken
    done = refresh(lakehouse, [modelled("BROKEN"), modelled()], NOW, lambda _: served)
    assert list(done.failed) == ["BROKEN"]
    assert done.closed == {"FAILED": 1}
    assert done.open == 1


def test_a_model_that_cannot_be_loaded_leaves_the_ranges_that_are_there(lakehouse: EmbeddedLakehouse) -> None:
    served = a_world(lakehouse)

    def load(name: str) -> Serving | None:
        if name == MODEL:
            raise SettingsError("the registry is away")
        return None

    alerts = [modelled(), modelled("OTHER", model_name="other@serving")]
    refresh(lakehouse, alerts[:1], NOW, lambda _: served)
    before = lakehouse.version(EXPECTED_RANGES.name)
    done = refresh(lakehouse, alerts, NOW + HOUR, load)
    assert done.unavailable == {MODEL: "the registry is away"}
    assert done.written == 0
    assert [one.until for one in done.alerts] == [None, None]
    assert lakehouse.version(EXPECTED_RANGES.name) == before

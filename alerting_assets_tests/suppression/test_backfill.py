"""A backfilled moment is what an evaluation would have recorded then, and what cannot be known is not made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.evaluation.run import evaluate_alerts
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import ALERT_BACKFILL, ALERT_HISTORY, create_tables
from alerting_assets.suppression.backfill import backfill, moments_of
from alerting_assets.suppression.histories import histories
from alerting_assets.suppression.modelled import measured_hash
from alerting_assets_tests.examples import TARGET, compiled
from alerting_assets_tests.suppression.worlds import DAY, HOUR, NOW, modelled

pytestmark = pytest.mark.integration

JOBS = TableSpec("jobs", "Costs of jobs.", (Column("at", "timestamp"), Column("cost", "double")), ("at",))
LAST_HOUR = "SELECT cost FROM ${catalog}.${gold_schema}.jobs WHERE at > NOW() - INTERVAL 1 HOUR AND at <= NOW()"
HOURLY = "0 0 * * * ?"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedLakehouse]:
    """Ten days of jobs, one every twenty minutes."""
    folder: Path = tmp_path_factory.mktemp("lakehouse")
    with EmbeddedLakehouse(folder, TARGET.catalog, TARGET.schema) as engine:
        create_tables(engine)
        engine.create_table(JOBS)
        at = [NOW - 10 * DAY + n * timedelta(minutes=20) for n in range(10 * 72)]
        cost = np.round(np.random.default_rng(1).uniform(20, 60, len(at)), 3)
        engine.append("jobs", pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "cost": cost}))
        yield engine


def hourly(**changes: Any) -> CompiledAlert:
    return compiled(**{"alert_query_template": LAST_HOUR, "schedule_cron": HOURLY, **changes})


ALERTS = {
    "SUM": hourly(alert_id="SUM"),
    "DAILY": hourly(alert_id="DAILY", schedule_cron="0 30 6 * * ?", schedule_timezone="Asia/Tokyo"),
    "OUTSIDE": hourly(
        alert_id="OUTSIDE",
        operator="NOT_BETWEEN",
        threshold_value_double=None,
        threshold_value_min=90.0,
        threshold_value_max=140.0,
        aggregation_column="cost",
    ),
    "RISES": hourly(
        alert_id="RISES",
        operator="CHANGES_BY",
        threshold_value_double=20.0,
        change_direction="INCREASE",
        change_lookback_seconds=3600,
    ),
    "LASTING": hourly(alert_id="LASTING", for_evaluations=3),
    "NOTHING": hourly(
        alert_id="NOTHING",
        aggregation_type=None,
        alert_query_template=f"{LAST_HOUR} AND cost > 50",
        empty_result_state="TRIGGERED",
    ),
}


def test_a_backfilled_moment_is_what_an_evaluation_records_then(engine: EmbeddedLakehouse) -> None:
    daily = ALERTS["DAILY"]
    hourly_alerts = [alert for alert in ALERTS.values() if alert is not daily]
    done = [*backfill(engine, hourly_alerts, NOW, days=1), *backfill(engine, [daily], NOW, days=4)]
    assert {one.alert_id: one.moments + one.empty for one in done} == {
        **{alert.alert_id: 24 for alert in hourly_alerts},
        "DAILY": 4,
    }
    for moment in (NOW.replace(minute=0) - n * HOUR for n in (3, 2, 1, 0)):
        evaluate_alerts(engine, hourly_alerts, moment)
    evaluate_alerts(engine, [daily], NOW.replace(hour=21, minute=30) - DAY)  # half past six in Tokyo
    columns = ["alert_id", "evaluated_at", "query_result_value", "threshold_met"]
    recorded = {
        (row["alert_id"], row["evaluated_at"]): row for row in engine.read(ALERT_BACKFILL.name, columns).to_pylist()
    }
    evaluated = engine.read(ALERT_HISTORY.name, columns).to_pylist()
    assert len(evaluated) == 4 * len(hourly_alerts) + 1
    first = min(row["evaluated_at"] for row in evaluated if row["alert_id"] == "RISES")
    for row in evaluated:
        # The first evaluation of one that compares with the one before has nothing to compare with.
        if (row["alert_id"], row["evaluated_at"]) != ("RISES", first):
            assert recorded[row["alert_id"], row["evaluated_at"]] == row
    met = [row["threshold_met"] for row in recorded.values()]
    assert 10 < sum(met) < len(met) - 10


def test_it_is_learned_from_where_nothing_was_evaluated(engine: EmbeddedLakehouse) -> None:
    alert = hourly(alert_id="LEARNED")
    backfill(engine, [alert], NOW, days=1)
    evaluate_alerts(engine, [alert], NOW - timedelta(minutes=50))
    series = histories(engine, [modelled("LEARNED", measured_hash=measured_hash(alert))], NOW)["LEARNED"]
    assert len(series.at) == 24
    assert int((NOW - timedelta(minutes=50)).timestamp()) in series.at.tolist()
    other = hourly(alert_id="LEARNED", alert_query_template=f"{LAST_HOUR} AND cost > 30")
    assert len(histories(engine, [modelled("LEARNED", measured_hash=measured_hash(other))], NOW)["LEARNED"].at) == 1


def test_what_is_computed_again_replaces_what_was(engine: EmbeddedLakehouse) -> None:
    before = hourly(alert_id="AGAIN")
    after = hourly(alert_id="AGAIN", threshold_value_double=1.0)
    for alert in (before, after):
        backfill(engine, [alert], NOW, days=1)
    met = engine.read(ALERT_BACKFILL.name, ["threshold_met"], where="alert_id = 'AGAIN'").column("threshold_met")
    assert met.to_pylist() == [True] * 24


def test_what_the_tables_do_not_reach_back_to_is_left_out(engine: EmbeddedLakehouse) -> None:
    (done,) = backfill(engine, [hourly(alert_id="EARLY", schedule_cron="0 0 0/6 * * ?")], NOW, days=14)
    assert done.since == (NOW - 10 * DAY).replace(hour=12, minute=0)
    assert done.moments + done.empty == 14 * 4
    assert done.failed == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"alert_query_template": "SELECT cost FROM ${catalog}.${gold_schema}.jobs"}, "no clock function"),
        ({"operator": "EQUAL"}, "fires on no side"),
        ({"schedule_cron": "0 0 8 1 1 ? 2030"}, "did not fire"),
        ({"alert_query_template": LAST_HOUR.replace("jobs", "nowhere")}, "its query failed: .*nowhere"),
    ],
)
def test_what_cannot_be_computed_says_why(engine: EmbeddedLakehouse, changes: dict[str, Any], reason: str) -> None:
    (done,) = backfill(engine, [hourly(alert_id="REFUSED", **changes)], NOW, days=2)
    assert done.refused is not None

    assert re.search(reason, done.refused)
    assert engine.read(ALERT_BACKFILL.name, where="alert_id = 'REFUSED'").num_rows == 0


def test_a_moment_is_the_first_fire_time_of_its_hour() -> None:
    since = datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC)
    found = moments_of("0 10,40 * * * ?", "Europe/Berlin", since, since + 5 * HOUR)
    assert [f"{moment:%d %H:%M}" for moment in found] == ["28 23:10", "29 00:10", "29 01:10", "29 02:10", "29 03:10"]

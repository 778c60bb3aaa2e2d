from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.evaluation import evaluate_alerts
from alerting_assets.lakehouse.port import Column, Lakehouse, TableSpec
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets_tests.examples import compiled

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
READINGS = TableSpec(
    "readings",
    "A value that tests change.",
    (Column("id", "int", nullable=False), Column("cost", "double")),
    key=("id",),
)


@pytest.fixture
def readings(lakehouse: Lakehouse) -> Lakehouse:
    lakehouse.create_table(READINGS)
    return lakehouse


def read(lakehouse: Lakehouse, cost: float | None) -> None:
    lakehouse.merge(
        "readings", pa.table({"id": pa.array([1], pa.int32()), "cost": pa.array([cost], pa.float64())}), on=["id"]
    )


def alert(lakehouse: Lakehouse, **changes: Any) -> CompiledAlert:
    catalog, schema = lakehouse.namespace
    return compiled(
        Target(catalog, schema, "test", "w"),
        **{"alert_query_template": "SELECT cost FROM ${catalog}.${gold_schema}.readings", **changes},
    )


def history(lakehouse: Lakehouse) -> list[dict[str, Any]]:
    return sorted(
        lakehouse.read(ALERT_HISTORY.name).to_pylist(), key=lambda row: (row["evaluated_at"], row["alert_id"])
    )


def test_a_run_is_one_commit_and_an_error_stops_nobody_else(readings: Lakehouse) -> None:
    read(readings, 150.0)
    before = readings.version(ALERT_HISTORY.name).version
    alerts = [
        alert(readings, alert_id="FIRES"),
        alert(readings, alert_id="QUIET", operator="LESS_THAN"),
        alert(readings, alert_id="GONE", alert_query_template="SELECT cost FROM no_such_table"),
        alert(readings, alert_id="FAILS", alert_query_template="SELECT CAST(raise_error('boom') AS DOUBLE) AS cost"),
    ]
    evaluations = evaluate_alerts(readings, alerts, START)
    assert [item.decision.state for item in evaluations] == ["TRIGGERED", "OK", "ERROR", "ERROR"]
    assert readings.version(ALERT_HISTORY.name).version == before + 1
    rows = {row["alert_id"]: row for row in history(readings)}
    assert (rows["FIRES"]["query_result_value"], rows["FIRES"]["threshold_met"], rows["FIRES"]["previous_status"]) == (
        150.0,
        True,
        None,
    )
    assert rows["FIRES"]["config_hash"] == alerts[0].config_hash
    assert "no_such_table" in rows["GONE"]["error_message"]
    assert rows["FAILS"]["error_message"]
    assert len({row["evaluation_id"] for row in rows.values()}) == 4


def test_the_evaluation_that_sees_the_recovery_tells_how_long_it_took(readings: Lakehouse) -> None:
    timeline = [(0, 50.0), (1, 150.0), (2, 160.0), (3, 50.0), (4, 50.0), (5, 150.0), (6, 50.0)]
    for minute, cost in timeline:
        read(readings, cost)
        evaluate_alerts(readings, [alert(readings)], START + timedelta(minutes=minute), reopen=timedelta(0))
    rows = history(readings)
    assert [row["evaluation_status"] for row in rows] == ["OK", "TRIGGERED", "TRIGGERED", "OK", "OK", "TRIGGERED", "OK"]
    assert [row["previous_status"] for row in rows] == [None, "OK", "TRIGGERED", "TRIGGERED", "OK", "OK", "TRIGGERED"]
    assert [row["resolution_time_seconds"] for row in rows] == [None, None, None, 120.0, None, None, 60.0]


def test_an_error_between_is_no_recovery(readings: Lakehouse) -> None:
    broken = "SELECT cost FROM ${catalog}.${gold_schema}.gone"
    for minute, cost, query in [(0, 150.0, None), (1, 150.0, broken), (2, 50.0, None)]:
        read(readings, cost)
        changes = {"alert_query_template": query} if query else {}
        evaluate_alerts(readings, [alert(readings, **changes)], START + timedelta(minutes=minute))
    last = history(readings)[-1]
    assert (last["previous_status"], last["resolution_time_seconds"]) == ("ERROR", 120.0)


def test_no_alerts_write_nothing(readings: Lakehouse) -> None:
    before = readings.version(ALERT_HISTORY.name)
    assert evaluate_alerts(readings, [], START) == []
    assert readings.version(ALERT_HISTORY.name) == before

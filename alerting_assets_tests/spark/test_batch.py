"""Alerts judged together on Spark, and the import and the record of evaluations there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pyarrow as pa
import pytest

from alerting_assets.evaluation import evaluate_alerts
from alerting_assets.evaluation.due import Due
from alerting_assets.incidents.store import read_states
from alerting_assets.lakehouse.evaluation_history import EvaluationHistory
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
from alerting_assets.lakehouse.tables import ALERT_DEPLOYMENTS, ALERT_HISTORY, ALERT_INCIDENTS, ALERT_STATE
from alerting_assets_tests.decisions import EDGES, EMPTY, NOW
from alerting_assets_tests.evaluation.test_batch import QUERIES, READINGS, alert, assert_same, of_case
from alerting_assets_tests.evaluation.test_imported import deployments, evaluated, take
from alerting_assets_tests.profile import THOROUGH

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("jvm")]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory, jvm: None) -> Iterator[Lakehouse]:  # noqa: ARG001
    with LocalSparkLakehouse(tmp_path_factory.mktemp("batch"), "health_monitor", "gold") as engine:
        for spec in (ALERT_HISTORY, ALERT_STATE, ALERT_INCIDENTS, ALERT_DEPLOYMENTS, READINGS):
            engine.create_table(spec)
        yield engine


def test_queries_of_every_form_and_gated_alerts_in_one_batch(spark: Lakehouse) -> None:
    rows = {
        "alert_id": ["Q"] * 4,
        "position": pa.array([0, 1, 2, 3], pa.int32()),
        "string": ["x", "y", "a", None],
        "small_double": [1.0, 2.0, None, 4.0],
        "bigint": pa.array([1, None, 3, 4], pa.int64()),
        "timestamp": pa.array([NOW - timedelta(days=day) for day in range(4)], pa.timestamp("us", tz="UTC")),
    }
    spark.append("readings", pa.table(rows))
    table = "${catalog}.${gold_schema}.readings"
    alerts = [
        alert(spark, query.format(*[table] * query.count("{}")), aggregation_type=None if number % 2 else "MAX")
        for number, query in enumerate(list(QUERIES.values())[:: 1 if THOROUGH else 2])
    ]
    for fields, column, value, history in EDGES[::5] if THOROUGH else EDGES[-1:]:
        more = {"aggregation_type": None, "empty_result_state": "TRIGGERED", "threshold_value_double": None}
        case = {
            "fields": {**more, **fields},
            "column": column,
            "rows": [] if value is EMPTY else [value],
            "history": history,
        }
        alerts.append(of_case(spark, case))
    decisions = assert_same(spark, alerts)
    assert {decision.state for decision in decisions.values()} >= {"OK", "ERROR", "TRIGGERED"}


def test_an_evaluation_is_recorded_once_and_what_the_workspace_evaluated_is_imported_once(spark: Lakehouse) -> None:
    fires = alert(spark, "SELECT 150 AS cost")
    due = {fires.alert_id: Due(NOW, 0, NOW)}
    for seconds in (0, 1):
        evaluate_alerts(spark, [fires], NOW + timedelta(seconds=seconds), due=due)
    spark.append(ALERT_DEPLOYMENTS.name, deployments())
    EvaluationHistory(spark, "1").append([evaluated(1), evaluated(2, state="TRIGGERED", value=150.0)])
    assert [take(spark).rows, take(spark).rows] == [2, 0]
    mine = f"alert_id IN ('{fires.alert_id}', 'A')"
    rows = spark.read(ALERT_HISTORY.name, ["alert_id", "evaluated_by", "evaluation_status"], where=mine).to_pylist()
    assert sorted((row["alert_id"], row["evaluated_by"], row["evaluation_status"]) for row in rows) == sorted(
        [(fires.alert_id, "own", "TRIGGERED"), ("A", "workspace", "OK"), ("A", "workspace", "TRIGGERED")]
    )
    states = read_states(spark, timedelta(minutes=10)).by_id
    assert (states[fires.alert_id].open_incident is not None, states["A"].status) == (True, "OK")

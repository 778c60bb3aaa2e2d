"""Alerts judged together end in the same decisions as each by its own query."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.errors import AlertingError
from alerting_assets.evaluation import Decision, decide
from alerting_assets.evaluation.batch import Limits, judge_alerts
from alerting_assets.evaluation.decide import failed
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, Lakehouse, TableSpec
from alerting_assets.lakehouse.tables import ALERT_HISTORY, EXPECTED_RANGES, create_tables
from alerting_assets_tests.decisions import EDGES, EMPTY, NOW, TYPES, cases, history_table
from alerting_assets_tests.examples import compiled
from alerting_assets_tests.expected_values import range_table
from alerting_assets_tests.profile import THOROUGH, examples

pytestmark = pytest.mark.integration

READINGS = TableSpec(
    "readings",
    "A row for each reading of an alert, in the column of its type.",
    (
        Column("alert_id", "string"),
        Column("position", "int"),
        Column("double", "double"),
        Column("small_double", "double"),
        Column("bigint", "bigint"),
        Column("decimal", "decimal(12,2)"),
        Column("string", "string"),
        Column("boolean", "boolean"),
        Column("timestamp", "timestamp"),
    ),
    key=(),
)
NUMBERS = count()


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    with EmbeddedLakehouse(tmp_path_factory.mktemp("lakehouse"), "health_monitor", "gold") as engine:
        create_tables(engine)
        engine.create_table(READINGS)
        yield engine


def alert(engine: Lakehouse, query: str, **changes: Any) -> CompiledAlert:
    target = Target(*engine.namespace, "test", "w")
    return compiled(
        target, **{"alert_query_template": query, "alert_id": f"A-{next(NUMBERS)}", "aggregation_type": None, **changes}
    )


def one_by_one(engine: Lakehouse, alerts: Sequence[CompiledAlert], now: datetime) -> dict[str, Decision]:
    found = {}
    for item in alerts:
        try:
            found[item.alert_id] = decide(item, engine.query(at_moment(item.sql, now)))
        except AlertingError as error:
            found[item.alert_id] = failed(str(error))
    return found


def assert_same(engine: Lakehouse, alerts: Sequence[CompiledAlert], now: datetime = NOW) -> dict[str, Decision]:
    together = {alert_id: judged.decision for alert_id, judged in judge_alerts(engine, alerts, now).items()}
    for alert_id, alone in one_by_one(engine, alerts, now).items():
        both_failed = together[alert_id].error is not None and alone.error is not None
        for field in fields(Decision):
            if field.name == "error" and both_failed:
                continue  # which of several rows an engine meets first is its own affair
            ours, theirs = getattr(together[alert_id], field.name), getattr(alone, field.name)
            both_nan = isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours) and math.isnan(theirs)
            assert both_nan or (ours == theirs and type(ours) is type(theirs)), (alert_id, field.name, together, alone)
    return together


def of_case(engine: Lakehouse, case: dict[str, Any]) -> CompiledAlert:
    """The alert of a case, with its readings and its history in the tables."""
    name = f"A-{next(NUMBERS)}"
    column = case["column"].replace(" ", "_")
    order = "" if case["fields"]["aggregation_type"] else " ORDER BY position"
    query = f"SELECT `{column}` AS v FROM ${{catalog}}.${{gold_schema}}.readings WHERE alert_id = '{name}'{order}"
    rows = case["rows"]
    if rows:
        engine.append(
            "readings",
            pa.table(
                {
                    "alert_id": [name] * len(rows),
                    "position": pa.array(range(len(rows)), pa.int32()),
                    column: pa.array(rows, TYPES[case["column"]][1]),
                }
            ),
        )
    if case["history"]:
        history = history_table(case["history"])
        own = history.filter(pa.compute.equal(history.column("alert_id"), "COST-001"))
        ids = pa.array([f"{name} {number}" for number in range(own.num_rows)])
        own = own.set_column(own.schema.get_field_index("alert_id"), "alert_id", pa.array([name] * own.num_rows))
        engine.append(
            ALERT_HISTORY.name, own.set_column(own.schema.get_field_index("evaluation_id"), "evaluation_id", ids)
        )
    if ranges := case.get("ranges"):
        here = ".".join([*engine.namespace, "alert_anomaly_detector@serving"])
        own = [row for row in ranges if row["alert_id"] == "COST-001"]
        engine.append(EXPECTED_RANGES.name, range_table(own, alert_id=name, model_name=here))
    return alert(
        engine,
        query,
        **{"alert_id": name, "aggregation_column": "v", "schedule_cron": "0 0 * * * ?", **case["fields"]},
    )


@given(drawn=st.lists(st.sampled_from(sorted(Operator)).flatmap(cases), min_size=1, max_size=8))
@examples(10, 200)
def test_random_alerts_are_decided_as_by_their_own_queries(readings: Lakehouse, drawn: list[dict[str, Any]]) -> None:
    assert_same(readings, [of_case(readings, case) for case in drawn])


def test_the_edges_are_decided_as_by_their_own_queries(readings: Lakehouse) -> None:
    """NaN, the two zeros, NULL, no row, in one batch: every fourth of them, or all."""
    alerts = []
    for given_fields, column, value, history in EDGES if THOROUGH else EDGES[::4]:
        more = {"aggregation_type": None, "empty_result_state": "TRIGGERED", "threshold_value_double": None}
        rows = [] if value is EMPTY else [value]
        alerts.append(
            of_case(readings, {"fields": {**more, **given_fields}, "column": column, "rows": rows, "history": history})
        )
    assert_same(readings, alerts)


QUERIES = {
    "a filter and a sum": "SELECT SUM(`small_double`) AS cost FROM {} WHERE string <> 'x'",
    "another filter, the same sum": "SELECT SUM(`small_double`) AS cost FROM {} WHERE string <> 'y'",
    "no filter": "SELECT COUNT(*) AS cost FROM {}",
    "two aggregates": "SELECT SUM(bigint) * 100.0D / NULLIF(COUNT(*), 0) AS cost FROM {} WHERE bigint IS NOT NULL",
    "HAVING": "SELECT MAX(`small_double`) AS cost FROM {} HAVING COUNT(*) > 1000000",
    "a condition that is NULL": "SELECT COUNT(*) AS cost FROM {} WHERE string > NULL",
    "OR without parentheses": "SELECT COUNT(*) AS cost FROM {} WHERE position = 0 OR position = 1",
    "an alias": "SELECT MIN(r.position) AS cost FROM {} AS r WHERE r.position > 0",
    "a comment": "SELECT COUNT(*) AS cost -- WHERE\nFROM {} /* FROM */ WHERE position >= 0",
    "a clock": "SELECT COUNT(*) AS cost FROM {} WHERE timestamp < CURRENT_TIMESTAMP() - INTERVAL 1 DAY",
    "a window": "SELECT MAX(n) AS cost FROM (SELECT ROW_NUMBER() OVER (ORDER BY position) AS n FROM {}) AS numbered",
    "DISTINCT": "SELECT COUNT(DISTINCT string) AS cost FROM {}",
    "no row": "SELECT position AS cost FROM {} WHERE position < 0",
    "a scalar subquery": "SELECT COUNT(*) AS cost FROM {} WHERE position = (SELECT MAX(position) FROM {})",
    "GROUP BY": "SELECT string, COUNT(*) AS cost FROM {} GROUP BY string HAVING COUNT(*) > 1 ORDER BY string",
    "GROUP BY alone": "SELECT string, MAX(position) * 0 AS cost FROM {} GROUP BY string",
    "a semicolon in a text": "SELECT COUNT(*) AS cost FROM {} WHERE string <> 'a;b'",
    "one that fails": "SELECT SUM(CAST(string AS INT)) AS cost FROM {}",
    "another that fails": "SELECT MAX(CAST(CONCAT('x', string) AS DATE)) AS cost FROM {} WHERE string <> '1'",
    "division by zero": "SELECT SUM(position) / (COUNT(*) - COUNT(*)) AS cost FROM {}",
    "a table that is not there": "SELECT COUNT(*) AS cost FROM no_such_table",
    "an interval": "SELECT MAX(timestamp) - MIN(timestamp) AS cost FROM {}",
    "a struct": "SELECT named_struct('a', 1) AS cost",
    "no table": "SELECT 7 AS cost",
    "no such column": "SELECT 1 AS other",
}


@pytest.mark.parametrize("aggregation", [None, "COUNT", "MAX", "SUM", "COUNT_DISTINCT"])
def test_queries_of_every_form_in_one_batch(readings: Lakehouse, aggregation: str | None) -> None:
    rows = {
        "alert_id": ["Q"] * 4,
        "position": [0, 1, 2, 3],
        "string": ["x", "y", "a", None],
        "small_double": [1.0, 2.0, None, 4.0],
    }
    moments = [NOW - timedelta(days=day) for day in range(4)]
    readings.append(
        "readings",
        pa.table(
            {
                **rows,
                "position": pa.array(rows["position"], pa.int32()),
                "bigint": pa.array([1, None, 3, 4], pa.int64()),
                "timestamp": pa.array(moments, pa.timestamp("us", tz="UTC")),
            }
        ),
    )
    table = "(SELECT * FROM ${catalog}.${gold_schema}.readings WHERE alert_id = 'Q')"
    alerts = [
        alert(readings, query.format(*[name] * query.count("{}")), aggregation_type=aggregation)
        for query in QUERIES.values()
        for name in ("${catalog}.${gold_schema}.readings", table)
    ]
    decisions = assert_same(readings, alerts)
    assert {decision.state for decision in decisions.values()} >= {"ERROR", "OK"}


def test_alerts_over_one_table_share_a_statement_and_one_that_fails_costs_the_others_little(
    readings: Lakehouse,
) -> None:
    alerts = [
        alert(
            readings, f"SELECT COUNT(*) AS cost FROM ${{catalog}}.${{gold_schema}}.readings WHERE position > {number}"
        )
        for number in range(32)
    ]
    judged = judge_alerts(readings, alerts, NOW)
    assert {item.statement_alerts for item in judged.values()} == {32}
    broken = alert(
        readings, "SELECT MAX(CAST(CONCAT('x', alert_id) AS DOUBLE)) AS cost FROM ${catalog}.${gold_schema}.readings"
    )
    judged = judge_alerts(readings, [*alerts, broken], NOW)
    assert judged[broken.alert_id].decision.state == "ERROR"
    assert judged[broken.alert_id].statement_alerts == 1
    assert min(item.statement_alerts for alert_id, item in judged.items() if alert_id != broken.alert_id) >= 1
    assert sum(item.statement_alerts > 1 for item in judged.values()) >= 30
    known = judge_alerts(readings, [*alerts, broken], NOW, alone={broken.alert_id})
    assert {item.statement_alerts for alert_id, item in known.items() if alert_id != broken.alert_id} == {32}


def test_a_query_that_takes_too_long_costs_itself_only(readings: Lakehouse) -> None:
    slow = alert(
        readings,
        "SELECT COUNT(*) AS cost FROM (SELECT explode(sequence(1, 30000)) AS a) AS x "
        "CROSS JOIN (SELECT explode(sequence(1, 30000)) AS b) AS y WHERE SQRT(a * b) < 0",
    )
    quick = alert(readings, "SELECT 7 AS cost")
    judged = judge_alerts(readings, [slow, quick], NOW, limits=Limits(query_seconds=1.0))
    assert judged[quick.alert_id].decision.value == 7
    assert "1 second" in str(judged[slow.alert_id].decision.error)


def test_what_is_not_reached_in_the_time_of_a_run_says_so(readings: Lakehouse) -> None:
    judged = judge_alerts(readings, [alert(readings, "SELECT 7 AS cost")], NOW, limits=Limits(run_seconds=0.0))
    (only,) = judged.values()
    assert only.decision.state == "ERROR"
    assert only.decision.error == "was not run: the 0 seconds were over that all queries of a run may take together"


def test_progress_tells_every_alert_once(readings: Lakehouse) -> None:
    told: list[tuple[int, int]] = []
    lock = threading.Lock()

    def tell(done: int, total: int) -> None:
        with lock:
            told.append((done, total))

    alerts = [alert(readings, f"SELECT {number} AS cost") for number in range(5)]
    judge_alerts(readings, alerts, datetime(2026, 1, 1, tzinfo=UTC), on_progress=tell)
    assert told == [(number, 5) for number in range(1, 6)]


def test_all_clocks_of_a_run_say_the_same(readings: Lakehouse) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, 123_456, tzinfo=UTC)
    clocks = ["CURRENT_TIMESTAMP()", "now()", "current_timestamp"]
    alerts = [alert(readings, f"SELECT CAST(unix_micros({clock}) AS DOUBLE) AS cost") for clock in clocks]
    judged = judge_alerts(readings, alerts, now)
    assert {item.decision.value for item in judged.values()} == {float(int(now.timestamp() * 1_000_000))}

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.operators import Operator
from alerting_assets.configuration import definitions_from, rows_after_load, to_alerts
from alerting_assets.demo import DEMO_TABLES, build_demo, refresh_demo
from alerting_assets.demo.incidents import INGEST_JOBS, INTRUDER, Kind, incidents_for
from alerting_assets.demo.simulate import SIMULATIONS
from alerting_assets.evaluation import evaluate_alerts
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.validation import evaluable, validate_alerts

pytestmark = pytest.mark.integration

ALERTS = Path(__file__).parents[2] / "alerts"
NOW = datetime(2026, 11, 4, 13, 37, 12, 345678, tzinfo=UTC)  # a Wednesday
FIRING = {"COST-001", "SEC-001", "REL-001", "QUAL-001"}
BROKEN = {"BROKEN-001": "fact_invoices", "BROKEN-002": "duration_second"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """Generated up to the real now, as its queries read the clock."""
    with EmbeddedLakehouse(tmp_path_factory.mktemp("demo"), "health_monitor", "gold") as lakehouse:
        create_tables(lakehouse)
        build_demo(lakehouse, now=datetime.now(UTC))
        yield lakehouse


def simulated(name: str, after: datetime, until: datetime, seed: int = 7) -> pa.Table:
    (simulation,) = [one for one in SIMULATIONS if one.spec.name == name]
    incidents = incidents_for(NOW, since=NOW - timedelta(days=90))
    return pa.concat_tables(simulation.rows(seed, after, until, incidents))


@pytest.mark.parametrize("name", [one.spec.name for one in SIMULATIONS])
def test_a_period_is_the_same_generated_at_once_or_in_parts(name: str) -> None:
    start, middle = NOW - timedelta(hours=30), NOW - timedelta(hours=11, minutes=7)
    whole = simulated(name, start, NOW)
    parts = pa.concat_tables([simulated(name, start, middle), simulated(name, middle, NOW)])
    assert whole.num_rows > 0
    assert parts.equals(whole)
    assert name == "fact_table_freshness" or simulated(name, start, NOW, seed=8).num_rows != whole.num_rows


def test_weekends_are_quiet_and_afternoons_are_busy() -> None:
    def rows(day: datetime, hour: int = 0, hours: int = 24) -> int:
        return simulated("fact_usage", day + timedelta(hours=hour), day + timedelta(hours=hour + hours)).num_rows

    tuesday, sunday = datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    assert 0.4 < rows(sunday) / rows(tuesday) < 0.6
    assert rows(tuesday, 12, 4) > 2 * rows(tuesday, 0, 4)


def test_incidents_are_visible_where_they_are_labelled() -> None:
    by_kind = {incident.kind: incident for incident in incidents_for(NOW, since=NOW - timedelta(days=90))}
    spike = by_kind[Kind.COST_SPIKE]
    during = simulated("fact_usage", spike.starts_at, spike.ends_at)
    week = timedelta(days=7)
    before = simulated("fact_usage", spike.starts_at - week, spike.ends_at - week)
    assert pc.sum(during["list_cost"]).as_py() > 3 * pc.sum(before["list_cost"]).as_py()

    failing = by_kind[Kind.JOB_FAILURES]
    runs = simulated("fact_job_run_timeline", failing.starts_at, failing.ends_at).to_pylist()
    ingest = [run["result_state"] for run in runs if run["job_name"] in INGEST_JOBS]
    assert ingest.count("FAILED") > 0.7 * len(ingest)

    burst = by_kind[Kind.FAILED_ACCESS]
    events = simulated("fact_audit_logs", burst.starts_at, burst.ends_at).to_pylist()
    assert sum(event["user_name"] == INTRUDER for event in events) > 300


def test_the_demo_has_a_million_usage_rows_and_ends_now(demo: Lakehouse) -> None:
    (row,) = demo.query(
        "SELECT COUNT(*) AS n, MIN(usage_end_time) AS first, MAX(usage_end_time) AS last FROM health_monitor.gold.fact_usage"
    ).to_pylist()
    assert row["n"] >= 1_000_000
    assert timedelta(days=89) < row["last"] - row["first"] <= timedelta(days=90)
    assert demo.read("demo_incidents").num_rows == 11


def test_every_column_that_the_specification_reads_is_there(demo: Lakehouse) -> None:
    columns = {spec.name: {column.name for column in demo.table_columns(spec.name)} for spec in DEMO_TABLES}
    assert columns["fact_usage"] >= {"list_cost", "usage_date", "custom_tags"}
    assert columns["fact_job_run_timeline"] >= {"result_state", "start_time", "duration_seconds"}
    assert columns["fact_audit_logs"] >= {"event_date", "action_result", "action_name"}
    assert columns["fact_table_freshness"] >= {"table_name", "record_updated_timestamp"}


def test_building_again_does_nothing_and_refreshing_only_appends(lakehouse: Lakehouse) -> None:
    built = build_demo(lakehouse, now=NOW, days=5)
    assert build_demo(lakehouse, now=NOW + timedelta(hours=5), days=5) == {}
    before = {name: lakehouse.read(name) for name in built}
    added = refresh_demo(lakehouse, now=NOW + timedelta(hours=5))
    assert added["fact_usage"] > 1_000
    for name, rows in before.items():
        after = lakehouse.read(name)
        assert after.num_rows == rows.num_rows + added.get(name, 0)
        key = next(spec.key[0] for spec in DEMO_TABLES if spec.name == name)
        assert name == "fact_table_freshness" or len(pc.unique(after[key])) == after.num_rows
    assert refresh_demo(lakehouse, now=NOW + timedelta(hours=5)) == {}


def test_a_build_that_was_killed_is_completed_as_if_nothing_had_happened(lakehouse: Lakehouse, tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_demo(lakehouse, now=NOW, days=5, on_progress=stop)
    build_demo(lakehouse, now=NOW, days=5)
    with EmbeddedLakehouse(tmp_path / "other", "health_monitor", "gold") as other:
        build_demo(other, now=NOW, days=5)
        for spec in DEMO_TABLES:
            order = [(name, "ascending") for name in spec.key]
            assert lakehouse.read(spec.name).sort_by(order).equals(other.read(spec.name).sort_by(order)), spec.name


def test_the_demo_alerts_are_valid_and_fire_where_incidents_are(demo: Lakehouse) -> None:
    now = datetime.now(UTC)
    definitions = definitions_from(ALERTS, [])
    alerts = to_alerts(rows_after_load([], definitions), Target("health_monitor", "gold", "test", "w"))
    report = validate_alerts(demo, alerts, now)
    assert {verdict.alert_id: verdict.reason for verdict in report.quarantined}.keys() == BROKEN.keys()
    for verdict in report.quarantined:
        assert BROKEN[verdict.alert_id] in verdict.reason
    evaluations = evaluate_alerts(demo, evaluable(alerts, report.by_id), now)
    states: dict[str, Any] = {item.alert.alert_id: item.decision.state.value for item in evaluations}
    assert {name for name, state in states.items() if state == "TRIGGERED"} == FIRING
    assert set(states.values()) == {"OK", "TRIGGERED"}
    assert len(states) >= 12


def test_the_demo_alerts_use_every_operator() -> None:
    assert {alert.operator for alert in definitions_from(ALERTS, [])} == set(Operator)

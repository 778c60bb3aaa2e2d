from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.operators import Operator
from alerting_assets.configuration import ConfiguredAlert, definitions_from, rows_after_load, to_alerts
from alerting_assets.demo import DEMO_TABLES, build_demo, refresh_demo
from alerting_assets.demo.incidents import INGEST_JOBS, INTRUDER, STALE_TABLE_NAME, Kind, incidents_for
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
        start = day + timedelta(hours=hour)
        return len(simulated("fact_usage", start, start + timedelta(hours=hours)))

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

    untagged = by_kind[Kind.UNTAGGED]
    records = simulated("fact_usage", untagged.starts_at, untagged.ends_at)
    assert 0.5 < records["custom_tags"].null_count / records.num_rows < 0.7

    slow = by_kind[Kind.SLOW_JOBS]
    durations = simulated("fact_job_run_timeline", slow.starts_at, slow.ends_at)["duration_seconds"]
    usual = simulated("fact_job_run_timeline", slow.starts_at - week, slow.ends_at - week)["duration_seconds"]
    assert pc.mean(durations).as_py() > 3 * pc.mean(usual).as_py()

    looks = simulated("fact_table_freshness", NOW - timedelta(hours=1), NOW).to_pylist()
    late = [look["table_name"] for look in looks if look["hours_since_update"] > look["freshness_sla_hours"]]
    assert late == [STALE_TABLE_NAME]


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


def test_a_refresh_that_was_killed_is_completed_without_doubles(lakehouse: Lakehouse) -> None:
    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    build_demo(lakehouse, now=NOW, days=3)
    later = NOW + timedelta(hours=20)
    with pytest.raises(KeyboardInterrupt):
        refresh_demo(lakehouse, now=later, on_progress=stop)
    refresh_demo(lakehouse, now=later)
    for spec in DEMO_TABLES:
        keys = lakehouse.read(spec.name, spec.key)
        assert keys.group_by(list(spec.key)).aggregate([]).num_rows == keys.num_rows, spec.name
    assert refresh_demo(lakehouse, now=later) == {}


def test_incidents_of_one_kind_never_overlap_however_often_the_demo_is_refreshed(lakehouse: Lakehouse) -> None:
    build_demo(lakehouse, now=NOW, days=2)
    for hours in (1, 9, 10, 34, 35, 120):
        refresh_demo(lakehouse, now=NOW + timedelta(hours=hours))
    for kind in Kind:
        spans = sorted(
            (row["starts_at"], row["ends_at"])
            for row in lakehouse.read("demo_incidents").to_pylist()
            if row["kind"] == kind
        )
        assert all(start < end for start, end in spans)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans)), kind


def demo_alerts() -> list[ConfiguredAlert]:
    return to_alerts(rows_after_load([], definitions_from(ALERTS, [])), Target("health_monitor", "gold", "test", "w"))


def states(lakehouse: Lakehouse, clock: datetime | None = None) -> dict[str, str]:
    """Of every alert but the broken ones, by its own SQL; `clock` stands in for the SQL functions that read the time."""
    now = datetime.now(UTC)
    alerts = demo_alerts()
    good = evaluable(alerts, validate_alerts(lakehouse, alerts, now).by_id)
    if clock is not None:
        good = [dataclasses.replace(alert, sql=at(alert.sql, clock)) for alert in good]
    return {item.alert.alert_id: item.decision.state.value for item in evaluate_alerts(lakehouse, good, now)}


def at(sql: str, clock: datetime) -> str:
    fixed = sql.replace("CURRENT_TIMESTAMP()", f"TIMESTAMP '{clock:%Y-%m-%d %H:%M:%S}'")
    fixed = fixed.replace("CURRENT_DATE()", f"DATE '{clock:%Y-%m-%d}'")
    assert "CURRENT_" not in fixed.upper()
    return fixed


def firing(found: dict[str, str]) -> set[str]:
    assert len(found) >= 12
    assert set(found.values()) == {"OK", "TRIGGERED"}
    return {name for name, state in found.items() if state == "TRIGGERED"}


def test_the_broken_alerts_are_quarantined_for_the_reason_that_they_state(demo: Lakehouse) -> None:
    report = validate_alerts(demo, demo_alerts(), datetime.now(UTC))
    reasons = {verdict.alert_id: verdict.reason for verdict in report.quarantined}
    assert reasons.keys() == BROKEN.keys()
    for alert_id, missing in BROKEN.items():
        assert missing in reasons[alert_id]


def test_the_demo_alerts_fire_where_incidents_are(demo: Lakehouse) -> None:
    assert firing(states(demo)) == FIRING


@pytest.mark.parametrize(
    "clock",
    [
        pytest.param(datetime(2026, 11, 2, 0, 5, tzinfo=UTC), id="monday just after midnight"),
        pytest.param(datetime(2026, 11, 4, 13, 37, tzinfo=UTC), id="wednesday afternoon"),
        pytest.param(datetime(2026, 11, 8, 23, 58, tzinfo=UTC), id="sunday just before midnight"),
    ],
)
def test_the_same_alerts_fire_at_any_time_of_the_week_and_after_a_refresh(
    lakehouse: Lakehouse, clock: datetime
) -> None:
    create_tables(lakehouse)
    build_demo(lakehouse, now=clock, days=10)
    assert firing(states(lakehouse, clock)) == FIRING
    refresh_demo(lakehouse, now=clock + timedelta(days=1))
    assert firing(states(lakehouse, clock + timedelta(days=1))) == FIRING


def test_alerts_that_say_what_no_rows_mean_end_in_that_state_when_nothing_was_loaded(lakehouse: Lakehouse) -> None:
    create_tables(lakehouse)
    build_demo(lakehouse, now=NOW, days=3)
    found = states(lakehouse, NOW + timedelta(days=2))
    declared = {alert.alert_id: alert.empty_result_state for alert in definitions_from(ALERTS, [])}
    for alert_id in ("COST-001", "REL-001", "QUAL-003", "SEC-003"):
        assert declared[alert_id] != "OK"
        assert found[alert_id] == declared[alert_id], alert_id
    assert [name for name, state in found.items() if state == "ERROR"] == ["COST-001"]


def test_the_demo_alerts_use_every_operator() -> None:
    assert {alert.operator for alert in definitions_from(ALERTS, [])} == set(Operator)

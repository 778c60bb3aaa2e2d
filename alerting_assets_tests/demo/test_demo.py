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
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.configuration import ConfiguredAlert, plan_load, rows_after_load, to_alerts
from alerting_assets.configuration.templates import TemplateCatalog
from alerting_assets.demo import DEMO_TABLES, build_demo, demo_ends_at, refresh_demo
from alerting_assets.demo.build import SIMULATIONS
from alerting_assets.demo.incidents import (
    BURSTING_WAREHOUSE,
    INGEST_JOBS,
    INTRUDER,
    RELOADING_WAREHOUSE,
    STALE_TABLE_NAME,
    Incident,
    Kind,
    incidents_for,
)
from alerting_assets.evaluation import evaluate_alerts
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.validation import evaluable, validate_all_alert_queries
from alerting_assets_tests.shipped import shipped_definitions

pytestmark = pytest.mark.integration

ALERTS = shipped_definitions()
NOW = datetime(2026, 11, 4, 13, 37, 12, 345678, tzinfo=UTC)  # a Wednesday
FIRING = {"COST-001", "SEC-001", "REL-001", "QUAL-001", "PERF-003", "QUAL-007", "PERF-005", "PERF-006"}
"""With nothing learned yet. PERF-005 fires once a week."""
BROKEN = {"BROKEN-001": "fact_invoices", "BROKEN-002": "duration_second"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """Generated up to a moment that is set: what is in it must not depend on when the tests run."""
    with EmbeddedLakehouse(tmp_path_factory.mktemp("demo"), "health_monitor", "gold") as lakehouse:
        create_tables(lakehouse)
        build_demo(lakehouse, now=NOW)
        yield lakehouse


def all_incidents() -> list[Incident]:
    return incidents_for(NOW, since={spec.name: NOW - timedelta(days=90) for spec in DEMO_TABLES})


def simulated(name: str, after: datetime, until: datetime, seed: int = 7) -> pa.Table:
    (simulation,) = [one for one in SIMULATIONS if one.spec.name == name]
    return pa.concat_tables(simulation.rows(seed, after, until, all_incidents()))


@pytest.mark.parametrize("name", [one.spec.name for one in SIMULATIONS])
def test_a_period_is_the_same_generated_at_once_or_in_parts(name: str) -> None:
    start, middle = NOW - timedelta(hours=30), NOW - timedelta(hours=11, minutes=7)
    whole = simulated(name, start, NOW)
    parts = pa.concat_tables([simulated(name, start, middle), simulated(name, middle, NOW)])
    assert whole.num_rows > 0
    assert parts.equals(whole)
    assert not simulated(name, start, NOW, seed=8).equals(whole)


def test_weekends_are_quiet_and_afternoons_are_busy() -> None:
    def rows(day: datetime, hour: int = 0, hours: int = 24) -> int:
        start = day + timedelta(hours=hour)
        return len(simulated("fact_usage", start, start + timedelta(hours=hours)))

    tuesday, sunday = datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    assert 0.4 < rows(sunday) / rows(tuesday) < 0.6
    assert rows(tuesday, 12, 4) > 2 * rows(tuesday, 0, 4)


def test_incidents_are_visible_where_they_are_labelled() -> None:
    by_kind = {incident.kind: incident for incident in all_incidents()}
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

    queueing = by_kind[Kind.QUEUEING]
    waits = simulated("fact_query_history", queueing.starts_at, NOW)["waiting_at_capacity_duration_ms"].to_numpy()
    assert abs((waits >= 60_000).mean() - queueing.magnitude) < 0.07
    assert waits.max() <= 180_000
    before = simulated("fact_query_history", queueing.starts_at - week, NOW - week)
    assert pc.max(before["waiting_at_capacity_duration_ms"]).as_py() < 60_000

    lost = by_kind[Kind.NULLS]
    profiles = simulated("fact_column_profile", lost.starts_at - timedelta(microseconds=1), NOW).to_pylist()
    shares = {
        (look["observed_at"], look["table_name"], look["column_name"]): look["null_count"] / look["row_count"]
        for look in profiles
    }
    hit = {key: share for key, share in shares.items() if key[1:] == ("orders", "customer_id")}
    assert len(hit) == 5
    assert all(abs(share - lost.magnitude) < 0.01 for share in hit.values())
    assert all(share <= 0.03 for key, share in shares.items() if key not in hit)


def test_a_reload_recurs_weekly_and_a_burst_of_the_same_height_never_did() -> None:
    def statements(warehouse: str, until: datetime) -> int:
        rows = simulated("fact_query_history", until - timedelta(hours=1), until)
        return sum(name == warehouse for name in rows["warehouse_id"].to_pylist())

    week = timedelta(days=7)
    assert min(statements(RELOADING_WAREHOUSE, NOW - weeks * week) for weeks in range(3)) > 350
    assert max(statements(RELOADING_WAREHOUSE, NOW - timedelta(days=days)) for days in (1, 2, 3, 6)) < 100
    assert statements(BURSTING_WAREHOUSE, NOW) > 350
    assert max(statements(BURSTING_WAREHOUSE, NOW - weeks * week) for weeks in (1, 2)) < 100


def test_a_refresh_keeps_the_hour_of_the_week() -> None:
    known = all_incidents()
    later = NOW + timedelta(days=9, hours=5)
    new = incidents_for(later, since={"fact_query_history": NOW}, known=known)
    starts = [one.starts_at for one in (*known, *new) if one.kind is Kind.WEEKLY_RELOAD]
    assert len(starts) == 14
    assert {late - early for early, late in pairwise(starts)} == {timedelta(days=7)}


def test_what_goes_on_now_has_happened_before() -> None:
    for kind in (Kind.QUEUEING, Kind.NULLS):
        earlier, now = (incident for incident in all_incidents() if incident.kind is kind)
        assert earlier.ends_at < NOW - timedelta(days=14)
        assert now.starts_at < NOW < now.ends_at


def test_the_demo_has_a_million_usage_rows_of_ninety_days(demo: Lakehouse) -> None:
    (row,) = demo.query(
        "SELECT COUNT(*) AS n, MIN(usage_end_time) AS first, MAX(usage_end_time) AS last FROM health_monitor.gold.fact_usage"
    ).to_pylist()
    assert row["n"] >= 1_000_000
    assert timedelta(days=89) < row["last"] - row["first"] <= timedelta(days=90)
    assert demo.read("demo_incidents").num_rows == 29


def test_every_column_that_alerts_read_is_there(demo: Lakehouse) -> None:
    columns = {spec.name: {column.name for column in demo.table_columns(spec.name)} for spec in DEMO_TABLES}
    assert columns["fact_usage"] >= {"list_cost", "usage_date", "custom_tags", "job_id"}
    assert columns["fact_job_run_timeline"] >= {"result_state", "start_time", "duration_seconds"}
    assert columns["fact_audit_logs"] >= {"event_date", "action_result", "action_name", "ingested_at"}
    assert columns["fact_table_freshness"] >= {"table_name", "record_updated_timestamp"}
    for name, expected in NEW_TABLES.items():
        assert ", ".join(f"{column.name} {column.type}" for column in demo.table_columns(name)) == expected


NEW_TABLES = {
    "fact_query_history": "statement_id string, workspace_id bigint, warehouse_id string, executed_by string, start_time timestamp, "
    "end_time timestamp, execution_status string, total_duration_ms bigint, waiting_at_capacity_duration_ms bigint, read_bytes bigint",
    "fact_node_timeline": "cluster_id string, instance_id string, node_type string, driver boolean, start_time timestamp, "
    "end_time timestamp, cpu_user_percent double, mem_used_percent double",
    "fact_pipeline_update_timeline": "update_id string, workspace_id bigint, pipeline_id string, pipeline_name string, "
    "period_start_time timestamp, period_end_time timestamp, result_state string, trigger_type string",
    "fact_endpoint_usage": "request_id string, workspace_id bigint, endpoint_name string, requester string, "
    "request_time timestamp, status_code int, execution_duration_ms bigint",
    "fact_column_profile": "observed_at timestamp, table_name string, column_name string, row_count bigint, "
    "null_count bigint, distinct_count bigint",
}


def share(values: pa.ChunkedArray, *wanted: object) -> float:
    return float(pc.mean(pc.is_in(values, pa.array(wanted))).as_py())


def test_statements_hardly_ever_wait(demo: Lakehouse) -> None:
    rows = demo.read("fact_query_history").to_pandas()
    normal = rows[rows.waiting_at_capacity_duration_ms < 60_000]
    assert 0.11 < len(rows) / demo.read("fact_usage", ["record_id"]).num_rows < 0.13
    assert rows.waiting_at_capacity_duration_ms.median() == 0
    assert 0.015 < (normal.waiting_at_capacity_duration_ms > 0).mean() < 0.025
    assert (rows.total_duration_ms > rows.waiting_at_capacity_duration_ms).all()
    lasted = (rows.end_time - rows.start_time) / timedelta(milliseconds=1)
    assert (lasted == rows.total_duration_ms).all()
    assert set(rows.execution_status) == {"FINISHED", "FAILED", "CANCELED"}


def test_one_cluster_idles_at_night_and_all_work_by_day(demo: Lakehouse) -> None:
    rows = demo.read("fact_node_timeline").to_pandas()
    assert (rows.groupby("end_time").instance_id.nunique() == 12).all()
    assert len(rows) == 90 * 24 * 12
    assert (rows.end_time - rows.start_time == timedelta(hours=1)).all()
    assert rows[rows.driver].instance_id.nunique() == rows.cluster_id.nunique() == 4
    for column in (rows.cpu_user_percent, rows.mem_used_percent):
        assert column.between(0, 100).all()
    cpu = rows.groupby([rows.cluster_id, rows.start_time.dt.hour]).cpu_user_percent.mean().unstack()
    assert (cpu[12] > 20).all()
    assert sorted(cpu[2] < 5) == [False, False, False, True]


def test_pipelines_and_endpoints_seldom_fail(demo: Lakehouse) -> None:
    updates = demo.read("fact_pipeline_update_timeline")
    assert 0.16 < updates.num_rows / demo.read("fact_job_run_timeline", ["run_id"]).num_rows < 0.19
    assert 0.015 < share(updates["result_state"], "FAILED") < 0.025
    assert set(updates["result_state"].to_pylist()) == {"COMPLETED", "FAILED", "CANCELED"}
    assert pc.all(pc.less(updates["period_start_time"], updates["period_end_time"])).as_py()
    calls = demo.read("fact_endpoint_usage")
    assert 0.10 < calls.num_rows / demo.read("fact_usage", ["record_id"]).num_rows < 0.13
    assert len(pc.unique(calls["endpoint_name"])) == 4
    assert 0.004 < pc.mean(pc.greater_equal(calls["status_code"], 500)).as_py() < 0.006
    assert 0.008 < share(calls["status_code"], 429) < 0.012


def test_column_profiles_fit_the_tables_that_are_watched(demo: Lakehouse) -> None:
    profiles = demo.read("fact_column_profile").to_pandas()
    looks = demo.read("fact_table_freshness").to_pandas()
    assert set(profiles.observed_at.dt.hour) == {0, 6, 12, 18}
    assert (profiles.groupby(["observed_at", "table_name"]).column_name.nunique() == 3).all()
    both = profiles.merge(looks, on=["observed_at", "table_name"], suffixes=("", "_seen"))
    assert len(both) == len(profiles) == 90 * 4 * 30
    assert (both.row_count == both.row_count_seen).all()
    assert (profiles.distinct_count <= profiles.row_count - profiles.null_count).all()
    assert (profiles.null_count > 0.03 * profiles.row_count).sum() in (6 + 5, 6 + 6)  # looks at 36 hours, and at 30


def test_usage_of_jobs_names_the_job(demo: Lakehouse) -> None:
    usage = demo.read("fact_usage", ["billing_origin_product", "job_id"])
    of_jobs = pc.equal(usage["billing_origin_product"], "JOBS")
    assert pc.all(pc.equal(of_jobs, pc.is_valid(usage["job_id"]))).as_py()
    runs = demo.read("fact_job_run_timeline", ["job_id"])
    assert set(pc.unique(usage["job_id"]).to_pylist()) - {None} == set(pc.unique(runs["job_id"]).to_pylist())


def test_audit_events_arrive_minutes_later_and_tokens_are_rare(demo: Lakehouse) -> None:
    events = demo.read("fact_audit_logs").to_pandas()
    minutes = (events.ingested_at - events.event_time) / timedelta(minutes=1)
    assert minutes.between(1, 15).mean() > 0.9
    assert minutes.min() > 0
    assert minutes.max() < 180
    tokens = events[events.action_name == "generateDbToken"]
    assert 1 < len(tokens) / 90 < 3
    assert tokens.user_name.str.startswith("svc-").all()
    permissions = events[events.action_name == "updatePermissions"]
    assert 8 < len(permissions) / 90 < 12
    assert set(permissions.service_name) == {"unityCatalog"}
    assert (events[events.action_name == "login"].action_result == "FAILURE").mean() < 0.03


def test_building_again_does_nothing_and_refreshing_only_appends(lakehouse: Lakehouse) -> None:
    built = build_demo(lakehouse, now=NOW, days=5)
    assert build_demo(lakehouse, now=NOW + timedelta(hours=5), days=5) == {}
    before = {name: lakehouse.read(name) for name in built}
    added = refresh_demo(lakehouse, now=NOW + timedelta(hours=5))
    assert added["fact_usage"] > 1_000
    for name, rows in before.items():
        after = lakehouse.read(name)
        assert after.num_rows == rows.num_rows + added.get(name, 0)
        assert has_unique_keys(lakehouse, name)
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
        assert has_unique_keys(lakehouse, spec.name), spec.name
    assert refresh_demo(lakehouse, now=later) == {}


def has_unique_keys(lakehouse: Lakehouse, table: str) -> bool:
    (key,) = (list(spec.key) for spec in DEMO_TABLES if spec.name == table)
    keys = lakehouse.read(table, key)
    return bool(keys.group_by(key).aggregate([]).num_rows == keys.num_rows)


def test_a_demo_reaches_as_far_as_its_hourly_tables_though_profiles_are_rarer(lakehouse: Lakehouse) -> None:
    build_demo(lakehouse, now=NOW.replace(hour=17), days=1)
    end = demo_ends_at(lakehouse)
    assert end is not None
    assert end >= NOW.replace(hour=17, minute=0, second=0, microsecond=0)


OLD_TABLES = ("fact_usage", "fact_job_run_timeline", "fact_audit_logs", "fact_table_freshness", "demo_incidents")
LATER_COLUMNS = {"fact_usage": "job_id", "fact_audit_logs": "ingested_at"}


@pytest.fixture
def old_demo(lakehouse: Lakehouse, tmp_path: Path) -> dict[str, pa.Table]:
    """In `lakehouse`, what its first version left there."""
    tables = {}
    with EmbeddedLakehouse(tmp_path / "source", "health_monitor", "gold") as source:
        build_demo(source, now=NOW, days=40)
        for spec in DEMO_TABLES:
            if spec.name not in OLD_TABLES:
                continue
            columns = tuple(column for column in spec.columns if column.name != LATER_COLUMNS.get(spec.name))
            lakehouse.create_table(dataclasses.replace(spec, columns=columns))
            rows = source.read(spec.name, [column.name for column in columns])
            if spec.name == "demo_incidents":
                rows = rows.filter(pc.is_in(rows["table_name"], pa.array(OLD_TABLES)))
            if spec.name == "fact_audit_logs":
                rare = pc.is_in(rows["action_name"], pa.array(["generateDbToken", "updatePermissions"]))
                rows = rows.filter(pc.invert(rare))
            lakehouse.append(spec.name, rows)
            tables[spec.name] = lakehouse.read(spec.name)
    return tables


def assert_old_rows_are_as_they_were(lakehouse: Lakehouse, old_demo: dict[str, pa.Table]) -> None:
    for name, rows in old_demo.items():
        (key,) = (spec.key for spec in DEMO_TABLES if spec.name == name)
        order = [(column, "ascending") for column in key]
        now = lakehouse.read(name)
        kept = now.filter(pc.is_in(now[key[0]], rows[key[0]].combine_chunks()))
        assert kept.select(rows.column_names).sort_by(order).equals(rows.sort_by(order)), name
        if name in LATER_COLUMNS:
            later = LATER_COLUMNS[name]
            assert kept[later].null_count == kept.num_rows
        assert has_unique_keys(lakehouse, name), name


def test_refreshing_an_old_demo_adds_what_it_lacks(lakehouse: Lakehouse, old_demo: dict[str, pa.Table]) -> None:
    now = NOW + timedelta(hours=30)
    added = refresh_demo(lakehouse, now=now)
    assert_old_rows_are_as_they_were(lakehouse, old_demo)
    assert added.keys() == {spec.name for spec in DEMO_TABLES}
    assert added["fact_node_timeline"] == 90 * 24 * 12
    incidents = lakehouse.read("demo_incidents").to_pylist()
    kinds = [incident["kind"] for incident in incidents]
    assert kinds.count("QUEUEING") == kinds.count("NULLS") == 2
    assert {"COST_SPIKE", "QUEUEING", "NULLS"} <= {
        incident["kind"] for incident in incidents if incident["ends_at"] > now - timedelta(hours=6)
    }
    for name, column in LATER_COLUMNS.items():
        assert lakehouse.read(name, [column])[column].null_count < old_demo[name].num_rows + added[name]
    assert refresh_demo(lakehouse, now=now) == {}


@pytest.mark.thorough
def test_building_on_an_old_demo_fills_the_new_tables_and_a_refresh_the_others(
    lakehouse: Lakehouse, old_demo: dict[str, pa.Table]
) -> None:
    now = NOW + timedelta(days=7)
    added = build_demo(lakehouse, now=now, days=3)
    assert added.keys() == {*(spec.name for spec in DEMO_TABLES if spec.name not in OLD_TABLES), "demo_incidents"}
    refresh_demo(lakehouse, now=now)
    assert_old_rows_are_as_they_were(lakehouse, old_demo)
    spikes = [one for one in lakehouse.read("demo_incidents").to_pylist() if one["kind"] == "COST_SPIKE"]
    assert max(spike["ends_at"] for spike in spikes) > now - timedelta(hours=6)


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
    return to_alerts(rows_after_load([], plan_load(ALERTS, [])), Target("health_monitor", "gold", "test", "w"))


def states(lakehouse: Lakehouse, clock: datetime) -> dict[str, str]:
    """Of every alert but the broken ones, by its own SQL; `clock` stands in for the SQL functions that read the time."""
    alerts = demo_alerts()
    good = evaluable(alerts, validate_all_alert_queries(lakehouse, alerts, clock).by_id)
    good = [dataclasses.replace(alert, sql=at_moment(alert.sql, clock)) for alert in good]
    return {item.alert.alert_id: item.decision.state.value for item in evaluate_alerts(lakehouse, good, clock)}


def firing(found: dict[str, str]) -> set[str]:
    assert len(found) >= 12
    assert set(found.values()) == {"OK", "TRIGGERED"}
    return {name for name, state in found.items() if state == "TRIGGERED"}


def test_the_broken_alerts_are_quarantined_for_the_reason_that_they_state(demo: Lakehouse) -> None:
    report = validate_all_alert_queries(demo, demo_alerts(), NOW)
    reasons = {verdict.alert_id: verdict.reason for verdict in report.quarantined}
    assert reasons.keys() == BROKEN.keys()
    for alert_id, missing in BROKEN.items():
        assert missing in reasons[alert_id]


def test_the_demo_alerts_fire_where_incidents_are(demo: Lakehouse) -> None:
    assert firing(states(demo, NOW)) == FIRING


@pytest.mark.parametrize(
    "clock",
    [
        pytest.param(
            datetime(2026, 11, 2, 0, 5, tzinfo=UTC), id="monday just after midnight", marks=pytest.mark.thorough
        ),
        pytest.param(datetime(2026, 11, 4, 13, 37, tzinfo=UTC), id="wednesday afternoon"),
        pytest.param(
            datetime(2026, 11, 8, 23, 58, tzinfo=UTC), id="sunday just before midnight", marks=pytest.mark.thorough
        ),
    ],
)
def test_the_same_alerts_fire_at_any_time_of_the_week_and_after_a_refresh(
    lakehouse: Lakehouse, clock: datetime
) -> None:
    create_tables(lakehouse)
    build_demo(lakehouse, now=clock, days=15)
    assert firing(states(lakehouse, clock)) == FIRING
    refresh_demo(lakehouse, now=clock + timedelta(days=1))
    assert firing(states(lakehouse, clock + timedelta(days=1))) == FIRING - {"PERF-005"}


def test_alerts_that_say_what_no_rows_mean_end_in_that_state_when_nothing_was_loaded(lakehouse: Lakehouse) -> None:
    create_tables(lakehouse)
    build_demo(lakehouse, now=NOW, days=3)
    found = states(lakehouse, NOW + timedelta(days=2))
    declared = {alert.alert_id: alert.empty_result_state for alert in plan_load(ALERTS, []).definitions.alerts}
    for alert_id in ("COST-001", "REL-001", "QUAL-003", "SEC-003"):
        assert declared[alert_id] != "OK"
        assert found[alert_id] == declared[alert_id], alert_id
    assert [name for name, state in found.items() if state == "ERROR"] == ["COST-001"]


def test_the_demo_alerts_use_every_operator() -> None:
    assert {alert.operator for alert in plan_load(ALERTS, []).definitions.alerts} == set(Operator)


def test_most_demo_alerts_are_made_from_templates() -> None:
    alerts = plan_load(ALERTS, []).definitions.alerts
    assert sum(alert.template_id is not None for alert in alerts) / len(alerts) >= 0.55
    assert {alert.template_id for alert in alerts} >= set(TemplateCatalog())

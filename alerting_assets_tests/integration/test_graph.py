"""The whole graph through a real Dagster instance: real tables, real engine, real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
import requests
from deltalake import DeltaTable

from alerting_assets.assets.configurations import alert_configurations
from alerting_assets.assets.deployment import DEPLOYMENT_REPORT
from alerting_assets.assets.history import ALERT_HISTORY_KEY
from alerting_assets.assets.validation import DEPLOYED_ALERTS, VALIDATED_QUERIES, VALIDATION_REPORT
from alerting_assets.automation.partitions import SMALL_BATCH
from alerting_assets.deployment import find_work
from alerting_assets.evaluation.run import record
from alerting_assets.lakehouse.tables import ALERT_HISTORY, create_tables
from alerting_assets.validation import Group
from alerting_assets.workspace import open_workspace
from alerting_assets_tests.examples import values
from alerting_assets_tests.integration.platform import Platform, in_folder

pytestmark = pytest.mark.integration


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with in_folder(tmp_path) as made:
        yield made


GOOD, BAD = "SELECT cost FROM costs", "SELECT nope AS cost FROM costs"


def test_from_files_to_history_in_one_run_and_a_second_run_changes_nothing(platform: Platform) -> None:
    platform.define(A=GOOD, B=GOOD, BROKEN=BAD)
    assert platform.run().success
    assert set(platform.instance.get_dynamic_partitions("alert_id")) == {"A", "B", "BROKEN"}
    assert platform.checks() == {"A": "SUCCEEDED", "B": "SUCCEEDED", "BROKEN": "FAILED"}
    assert platform.materialized(VALIDATED_QUERIES) == {"A", "B"}, "what is quarantined is not green"
    observed = platform.observed(VALIDATED_QUERIES, "BROKEN")
    assert (observed["verdict"], observed["deployed"], "nope" in str(observed["refused_query"])) == (
        "INVALID",
        "not yet",
        True,
    )
    assert "nope" in str(observed["reason"])
    assert platform.materialized(DEPLOYED_ALERTS) == {"A", "B"}
    assert platform.observed(DEPLOYED_ALERTS, "BROKEN")["status"] == "INVALID"
    report = platform.metadata(DEPLOYMENT_REPORT)
    assert (report["created"], report["invalid"], report["requests_that_write"]) == (2, 1, 2)
    assert (platform.metadata(ALERT_HISTORY_KEY)["evaluated"], platform.metadata(ALERT_HISTORY_KEY)["triggered"]) == (
        2,
        2,
    )

    writes = platform.writes()
    assert platform.run().success
    report = platform.metadata(DEPLOYMENT_REPORT)
    assert (report["created"], report["unchanged"], report["requests_that_write"], platform.writes()) == (
        0,
        2,
        0,
        writes,
    )
    assert len(platform.observations(VALIDATED_QUERIES, "BROKEN")) == 1, "what is known is not told again"
    with platform.tables() as tables:
        assert tables.read(ALERT_HISTORY.name).num_rows == 4


def test_a_partition_shows_the_link_to_its_alert_and_the_text_that_is_deployed(platform: Platform) -> None:
    platform.define(A=GOOD)
    platform.run()
    (record,) = platform.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=DEPLOYED_ALERTS, asset_partitions=["A"]), limit=5
    ).records
    assert record.asset_materialization is not None
    link = record.asset_materialization.metadata["alert"].value
    page = requests.get(str(link), timeout=5)
    assert page.status_code == 200
    assert "A" in page.text
    (record,) = platform.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=VALIDATED_QUERIES, asset_partitions=["A"]), limit=5
    ).records
    assert record.asset_materialization is not None
    metadata = record.asset_materialization.metadata
    assert "LIMIT 1" in str(metadata["deployed_query"].value)
    shown = {name: metadata[name].value for name in ("owner", "condition", "schedule", "verdict")}
    assert shown == {
        "owner": "finops@example.com",
        "condition": "cost is greater than 100",
        "schedule": "0 0 8 * * ? (UTC)",
        "verdict": "VALID",
    }


def test_a_fixed_query_leaves_quarantine_and_a_broken_one_keeps_what_was_deployed(platform: Platform) -> None:
    platform.define(A=GOOD, B=BAD)
    platform.run()
    platform.define(A=BAD, B=GOOD)
    assert platform.run().success
    assert platform.checks() == {"A": "FAILED", "B": "SUCCEEDED"}
    assert platform.remote() == ["[WARNING] A", "[WARNING] B"]
    assert platform.observed(VALIDATED_QUERIES, "A")["verdict"] == "INVALID"
    assert platform.observed(DEPLOYED_ALERTS, "A")["status"] == "INVALID", (
        "it was CREATED, and is not up to date any more"
    )


def test_a_removed_definition_is_trashed_and_its_partition_goes(platform: Platform) -> None:
    platform.define(A=GOOD, B=GOOD)
    platform.run()
    platform.define(A=GOOD)
    assert platform.run().success
    assert platform.remote() == ["[WARNING] A"]
    assert platform.instance.get_dynamic_partitions("alert_id") == ["A"]
    assert platform.metadata(DEPLOYMENT_REPORT)["deleted"] == 1


def test_when_most_queries_fail_and_nobody_edited_them_nothing_is_deployed(platform: Platform) -> None:
    alerts = {f"A{number}": GOOD for number in range(5)}
    platform.define(**alerts)
    assert platform.run().success
    folder = platform.settings.lakehouse_root / platform.settings.catalog / platform.settings.schema
    (folder / "costs").rename(platform.settings.home / "costs")
    platform.define(**alerts, NEW="SELECT 150.0 AS cost")
    result = platform.run()
    assert not result.success
    checks = {item.check_name: item for item in result.get_asset_check_evaluations() if item.partition is None}
    assert checks["no_systemic_failure"].description.startswith("5 of 5 alerts that are deployed")
    assert platform.remote() == [f"[WARNING] A{number}" for number in range(5)]
    (platform.settings.home / "costs").rename(folder / "costs")
    assert platform.run().success
    assert "[WARNING] NEW" in platform.remote()


def test_bad_edits_hold_up_nobody_however_many_they_are(platform: Platform) -> None:
    platform.define(**{f"A{number}": GOOD for number in range(5)})
    assert platform.run().success
    edited = {"A4": GOOD.replace("cost", "cost + 1 AS cost", 1), **{f"A{number}": BAD for number in range(4)}}
    platform.define(**edited)
    ids = {"config": {"alert_ids": list(edited)}}
    assert platform.run("sync", config={"ops": {"validate": ids, "deploy": ids}}).success
    report = platform.metadata(DEPLOYMENT_REPORT)
    assert (report["updated"], report["invalid"], report["all_alerts"]) == (1, 4, "4 INVALID, 1 UPDATED")


def test_reports_are_about_all_alerts_whatever_the_run_was_about(platform: Platform) -> None:
    platform.define(A=GOOD, B=BAD, C=BAD)
    assert platform.run("sync").success
    ids = {"config": {"alert_ids": ["A"]}}
    assert platform.run("sync", config={"ops": {"validate": ids, "deploy": ids}}).success
    report = platform.metadata(VALIDATION_REPORT)
    assert (report["valid"], report["quarantined_count"], report["this_run"]) == (1, 2, "1 of 3 alerts")
    assert {record.data["alert_id"] for record in report["quarantined"].records} == {"B", "C"}
    report = platform.metadata(DEPLOYMENT_REPORT)
    assert (report["this_run"], report["all_alerts"]) == ("1 of 3 alerts", "1 CREATED, 2 INVALID")


def test_an_unknown_id_in_a_runs_config_is_an_error(platform: Platform) -> None:
    platform.define(COST_1=GOOD)
    ids = {"config": {"alert_ids": ["COST_2"]}}
    result = platform.run("sync", config={"ops": {"validate": ids, "deploy": ids}})
    assert "there is no alert 'COST_2'; did you mean 'COST_1'?" in platform.failure(result)


def test_a_batch_of_some_alerts_deploys_those_only(platform: Platform) -> None:
    platform.define(A=GOOD, B=GOOD, C=GOOD)
    ids = {"config": {"alert_ids": ["A", "C"]}}
    assert platform.run("sync", config={"ops": {"validate": ids, "deploy": ids}}).success
    assert platform.materialized(DEPLOYED_ALERTS) == {"A", "C"}
    assert platform.remote() == ["[WARNING] A", "[WARNING] C"]
    assert platform.run("sync").success
    assert platform.remote() == ["[WARNING] A", "[WARNING] B", "[WARNING] C"]


def test_a_person_materializes_one_partition(platform: Platform) -> None:
    platform.define(A=GOOD, B=GOOD)
    platform.instance.add_dynamic_partitions("alert_id", ["A", "B"])
    assert platform.run("sync", partition="A").success
    assert platform.materialized(DEPLOYED_ALERTS) == {"A"}
    assert platform.checks() == {"A": "SUCCEEDED"}


def test_a_person_materializes_a_range_of_partitions_in_one_run(platform: Platform) -> None:
    platform.define(A=GOOD, B=BAD, C=GOOD, D=GOOD)
    platform.instance.add_dynamic_partitions("alert_id", ["A", "B", "C", "D"])
    tags = {"dagster/asset_partition_range_start": "A", "dagster/asset_partition_range_end": "C"}
    assert "not deployed: B: " in platform.failure(platform.run("sync", tags=tags))
    assert platform.checks() == {"A": "SUCCEEDED", "B": "FAILED", "C": "SUCCEEDED"}
    assert platform.materialized(DEPLOYED_ALERTS) == {"A", "C"}
    assert platform.remote() == ["[WARNING] A", "[WARNING] C"]


def test_a_partition_that_is_not_fit_fails_with_its_reason_when_a_person_materializes_it(platform: Platform) -> None:
    platform.define(A=GOOD, B=BAD)
    assert platform.run("sync", assets=[dg.AssetKey("alert_configurations")]).success
    never = platform.run("sync", assets=[DEPLOYED_ALERTS], partition="A")
    assert "not deployed: A: was never validated in its present form" in platform.failure(never)
    invalid = platform.run("sync", assets=[VALIDATED_QUERIES], partition="B")
    assert "B is INVALID: " in platform.failure(invalid)
    assert "nope" in platform.failure(platform.run("sync", assets=[DEPLOYED_ALERTS], partition="B"))
    assert platform.remote() == []


def test_a_person_validates_and_deploys_one_partition_in_one_run(platform: Platform) -> None:
    platform.define(A=GOOD)
    assert platform.run("sync", assets=[dg.AssetKey("alert_configurations")]).success
    assert platform.run("sync", assets=[VALIDATED_QUERIES, DEPLOYED_ALERTS], partition="A").success
    assert (platform.remote(), platform.materialized(VALIDATED_QUERIES)) == (["[WARNING] A"], {"A"})


def test_the_graph_leads_from_configurations_through_the_gate_to_history(platform: Platform) -> None:
    graph = platform.definitions.resolve_asset_graph()
    way = ["alert_configurations", "validated_queries", "validation_report", "deployed_alerts", "deployment_report"]
    for earlier, later in pairwise([*way, "alert_history"]):
        assert dg.AssetKey(earlier) in graph.get(dg.AssetKey(later)).parent_keys


def test_a_backfill_runs_reports_and_partitions_apart(platform: Platform) -> None:
    platform.define(A=GOOD, B=GOOD)
    reports = [dg.AssetKey("alert_configurations"), VALIDATION_REPORT, DEPLOYMENT_REPORT]
    assert platform.run("sync", assets=reports).success
    assert (platform.writes(), platform.metadata(DEPLOYMENT_REPORT)["to_create"]) == (0, 2)
    assert platform.materialized(VALIDATED_QUERIES) == set()
    assert platform.run("sync", assets=[VALIDATED_QUERIES], partition="A").success
    assert platform.run("sync", assets=[DEPLOYED_ALERTS], partition="A").success
    assert platform.checks() == {"A": "SUCCEEDED"}
    assert platform.materialized(DEPLOYED_ALERTS) == {"A"}
    assert platform.remote() == ["[WARNING] A"]


def test_what_is_downstream_of_the_validation_deploys(platform: Platform) -> None:
    platform.define(A=GOOD)
    assert platform.run("sync", assets=[dg.AssetKey("alert_configurations")]).success
    downstream = dg.AssetSelection.assets(VALIDATED_QUERIES).downstream()
    chosen = downstream.resolve(platform.definitions.resolve_asset_graph())
    assert {VALIDATION_REPORT, DEPLOYED_ALERTS, DEPLOYMENT_REPORT, dg.AssetKey("alert_history")} <= chosen
    assert platform.run(assets=sorted(chosen)).success
    assert platform.remote() == ["[WARNING] A"]


def test_a_broken_file_is_a_failed_check_and_stops_nobody(platform: Platform) -> None:
    platform.define(A=GOOD)
    platform.run()
    (platform.settings.definitions / "more.yml").write_text("alerts: [")
    platform.define(A=GOOD, B=GOOD)
    result = platform.run()
    assert result.success
    (check,) = [item for item in result.get_asset_check_evaluations() if item.check_name == "definitions_are_right"]
    (problem,) = check.metadata["problems"].value.records
    assert (check.passed, problem.data["place"]) == (False, "more.yml:1")
    assert platform.remote() == ["[WARNING] A", "[WARNING] B"]


def test_strict_a_broken_file_stops_the_run_before_anything_is_written(platform: Platform) -> None:
    platform.define(A=GOOD)
    platform.run()
    (platform.settings.definitions / "more.yml").write_text("alerts: [")
    platform.define(A=GOOD, B=GOOD)
    platform.strict()
    assert "more.yml:1: YAML" in platform.failure(platform.run())
    assert platform.remote() == ["[WARNING] A"]


def test_a_workspace_that_is_away_fails_the_deploy_step_with_a_way_out(platform: Platform) -> None:
    platform.define(A=GOOD)
    platform.server.stop()
    result = platform.run()
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "deployed_destinations"
    assert "alerting workspace serve" in str(failure.step_failure_data.error)


def test_own_evaluation_decides_as_the_deployed_alert_does(platform: Platform) -> None:
    queries = {
        "FIRES": GOOD,
        "QUIET": "SELECT 1.0 AS cost",
        "EMPTY": "SELECT cost FROM costs WHERE cost < 0",
        "NULL": "SELECT CAST(NULL AS DOUBLE) AS cost",
        "FAILS": "SELECT CAST(raise_error('boom') AS DOUBLE) AS cost",
    }
    platform.define(**queries)
    assert platform.run().success
    with platform.tables() as tables:
        own = {row["alert_id"]: row["evaluation_status"] for row in tables.read(ALERT_HISTORY.name).to_pylist()}
    headers = {"Authorization": f"Bearer {platform.server.token}"}
    requests.post(f"{platform.server.address}/api/local/evaluate", headers=headers, timeout=30).raise_for_status()
    theirs = {
        alert.body["display_name"].removeprefix("[WARNING] "): alert.body["evaluation"]["state"]
        for alert in open_workspace(platform.settings).list_alerts()
    }
    assert own == {"FIRES": "TRIGGERED", "QUIET": "OK", "EMPTY": "OK", "NULL": "OK", "FAILS": "ERROR"}
    assert theirs == own


def test_the_code_location_is_what_the_docs_say() -> None:
    code = (
        "import time, sys; t = time.perf_counter()\n"
        "from alerting_assets.definitions import defs\n"
        "print(time.perf_counter() - t, *(name for name in ('pyspark', 'mlflow', 'sklearn', 'deltalake') if name in sys.modules))\n"
        "graph = defs.resolve_asset_graph()\n"
        "print(sorted(key.to_user_string() for key in graph.get_all_asset_keys()))\n"
        "print(sorted(job.name for job in defs.resolve_all_job_defs() if not job.name.startswith('__')))\n"
        "nodes = [graph.get(key) for key in graph.get_all_asset_keys()]\n"
        "print(all(node.group_name and node.description and node.owners for node in nodes))\n"
    )
    seconds, keys, jobs, described = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert seconds.split()[1:] == [], "heavy libraries are imported where they are used"
    assert keys == str(
        [
            "alert_configurations",
            "alert_history",
            "alert_incidents",
            "alert_silences",
            "alert_sync_metrics",
            "anomaly_model",
            "deployed_alerts",
            "deployed_destinations",
            "deployment_report",
            "expected_ranges",
            "notification_destinations",
            "notification_routes",
            "validated_queries",
            "validation_report",
        ]
    )
    assert jobs == str(
        [
            "check_drift",
            "evaluate",
            "everything",
            "learn",
            "maintain",
            "reconcile",
            "refresh_ranges",
            "revalidate",
            "review_models",
            "sync",
            "sync_changed",
            "train",
        ]
    )
    assert described == "True"


def check_of(platform: Platform, name: str) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(alert_configurations.key, name)
    (record,) = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    return record.event.dagster_event.event_specific_data


def test_a_failing_unit_test_is_a_failed_check_and_stops_nobody(platform: Platform) -> None:
    platform.define(A="SELECT cost FROM ${catalog}.${gold_schema}.costs")
    folder = platform.settings.definitions / "tests"
    folder.mkdir()
    test = "tests:\n  - {name: t, alert: A, as_of: 2026-11-02, given: {costs: [{cost: 150}]}, expect: {state: TRIGGERED}}\n"
    (folder / "a.yml").write_text(test)
    assert platform.run().success
    assert check_of(platform, "alert_tests_pass").passed
    (folder / "a.yml").write_text(test.replace("TRIGGERED", "OK"))
    assert platform.run().success
    failed = check_of(platform, "alert_tests_pass")
    assert (failed.passed, failed.description) == (False, "1 of 1 tests failed")
    assert platform.remote() == ["[WARNING] A"]


def test_a_bad_notification_text_is_a_failed_check_and_quarantines_its_alert(platform: Platform) -> None:
    query = "SELECT cost FROM ${catalog}.${gold_schema}.costs"
    alerts = [
        values(
            alert_id=name,
            alert_name=name,
            alert_query_template=query,
            aggregation_type=None,
            custom_subject_template=text,
        )
        for name, text in (("A", "{{ALERT_NAME}}"), ("B", "{{ALERT_NAM}}"))
    ]
    (platform.settings.definitions / "alerts.yml").write_text(json.dumps({"alerts": alerts}))
    assert platform.run().success
    failed = check_of(platform, "notification_texts_are_valid")
    assert (failed.passed, failed.description) == (False, "1 of 2 texts cannot be used")
    assert platform.remote() == ["[WARNING] A"]


def test_history_decides_in_the_workspace_as_it_does_here(platform: Platform) -> None:
    """`for_evaluations`: the deployed text reads the history that our own evaluations write."""
    fields = values(
        alert_id="A",
        alert_query_template="SELECT cost FROM ${catalog}.${gold_schema}.costs",
        aggregation_type=None,
        for_evaluations=2,
        schedule_cron="0 * * * * ?",
    )
    (platform.settings.definitions / "alerts.yml").write_text(json.dumps({"alerts": [fields]}))
    with platform.tables() as tables:
        create_tables(tables)
        earlier = {
            "evaluation_id": "1",
            "alert_id": "A",
            "evaluated_at": datetime.now(UTC) - timedelta(seconds=40),
            "evaluated_by": "own",
            "evaluation_status": "OK",
            "threshold_met": False,
            "ml_suppressed": False,
            "config_hash": "",
        }
        record(tables, [earlier])
    assert platform.run().success
    headers = {"Authorization": f"Bearer {platform.server.token}"}
    answer = requests.post(f"{platform.server.address}/api/local/evaluate", headers=headers, timeout=60).json()
    (theirs,) = answer["evaluations"]
    with platform.tables() as tables:
        (ours,) = [row for row in tables.read(ALERT_HISTORY.name).to_pylist() if row["evaluation_id"] != "1"]
    assert (theirs["state"], ours["evaluation_status"], ours["threshold_met"]) == ("OK", "OK", True)
    assert ours["query_result_value"] == 150.0


def test_a_group_that_an_earlier_one_stopped_does_not_pass(platform: Platform) -> None:
    good = "SELECT MAX(cost) AS cost FROM costs"
    platform.define(A=good, B=good)
    platform.run("sync")
    assert {group: platform.checks(group)["A"] for group in Group} == dict.fromkeys(Group, "SUCCEEDED")
    platform.define(A=f"{good}; {good}", B=good)
    result = platform.run("sync")
    before, failed = (Group.SYNTAX,), (Group.SAFETY, Group.REFERENCES, Group.ANALYSIS, Group.CONTRACT, Group.QUALITY)
    found = {group: platform.checks(group)["A"] for group in Group}
    assert found == {**dict.fromkeys(before, "SUCCEEDED"), **dict.fromkeys(failed, "FAILED")}
    said = {(item.check_name, item.partition): item.description for item in result.get_asset_check_evaluations()}
    assert said["analysis", "A"] == "not run: safety stopped before it (one_query)"
    passed = {(item.check_name, item.partition): item.passed for item in result.get_asset_check_evaluations()}
    assert {group: passed[group, None] for group in Group} == {group: passed[group, "A"] for group in Group}
    assert said["analysis", None] == "0 of 1 alerts have findings; not run for 1, which an earlier group stopped"


@pytest.mark.thorough
def test_of_a_large_batch_the_failures_are_recorded_and_what_follows_them(platform: Platform) -> None:
    names = [f"A{number:02}" for number in range(SMALL_BATCH)]
    platform.define(**dict.fromkeys(names, GOOD), BROKEN=BAD, SMALL=GOOD)
    assert platform.run("sync").success
    assert platform.checks() == {"BROKEN": "FAILED"}
    assert platform.materialized(VALIDATED_QUERIES) == {*names, "SMALL"}
    platform.define(**dict.fromkeys(names, GOOD.replace("cost", "cost + 0 AS cost", 1)), BROKEN=GOOD, SMALL=GOOD)
    assert platform.run("sync").success
    assert platform.checks() == {"BROKEN": "SUCCEEDED"}


def test_what_is_in_sync_is_not_shown_as_unsynced(platform: Platform) -> None:
    platform.define(A=GOOD, B=GOOD)
    assert platform.run().success
    assert platform.unsynced() == {}
    assert platform.run().success
    assert platform.unsynced() == {}, "a run that changes nothing"
    platform.define(A=GOOD, B=GOOD.replace("cost", "cost + 1 AS cost", 1))
    ids = {"config": {"alert_ids": ["B"]}}
    assert platform.run("sync", config={"ops": {"validate": ids, "deploy": ids}}).success
    assert platform.unsynced().keys() == {"alert_history"}, "what is deployed now was not evaluated yet"
    assert platform.run("evaluate").success
    assert platform.unsynced().keys() == {"anomaly_model", "expected_ranges"}, "what happened since is in neither yet"
    assert platform.run("train").success
    assert platform.run("refresh_ranges").success
    assert platform.run("reconcile").success
    assert platform.run("sync", assets=[VALIDATED_QUERIES], partition="A").success
    assert platform.unsynced() == {}


def test_the_reconciliation_deploys_whatever_the_feed_says(platform: Platform) -> None:
    platform.define(A=GOOD, B=GOOD)
    assert platform.run("sync").success
    workspace = open_workspace(platform.settings)
    (trashed,) = [alert.id for alert in workspace.list_alerts() if alert.body["display_name"] == "[WARNING] A"]
    workspace.trash_alert(trashed)
    with platform.tables() as tables:
        assert find_work(tables, platform.settings.environment, workspace.host, datetime.now(UTC)).is_nothing
    assert platform.run("reconcile").success
    assert platform.remote() == ["[WARNING] A", "[WARNING] B"]
    (schedule,) = [one for one in platform.definitions.schedules or () if one.name == "reconcile_daily"]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_the_maintenance_compacts_every_table(platform: Platform) -> None:
    platform.define(A=GOOD)
    for _ in range(3):
        platform.run("sync")
    files = len(
        DeltaTable(platform.settings.lakehouse_root / "health_monitor" / "gold" / "alert_sync_metrics").file_uris()
    )
    assert platform.run("maintain").success
    after = DeltaTable(platform.settings.lakehouse_root / "health_monitor" / "gold" / "alert_sync_metrics").file_uris()
    assert len(after) < files
    assert platform.run("sync").success

"""Evaluation in a real Dagster instance: what the schedule starts, what a failed query looks like, and what follows for incidents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from alerting_assets.assets.history import ALERT_HISTORY_KEY
from alerting_assets.assets.incidents import ALERT_INCIDENTS_KEY
from alerting_assets.assets.last_evaluations import LAST_EVALUATION_SUCCEEDED
from alerting_assets.assets.validation import DEPLOYED_ALERTS
from alerting_assets.automation.evaluation import look
from alerting_assets.evaluation.due import evaluation_id
from alerting_assets.lakehouse.evaluation_history import EvaluationHistory
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS
from alerting_assets.workspace.local.store import Evaluation
from alerting_assets_tests.examples import values
from alerting_assets_tests.integration.platform import Platform, in_folder

pytestmark = pytest.mark.integration

GOOD = "SELECT cost FROM ${catalog}.${gold_schema}.costs"
FAILS_WHEN_RUN = "SELECT CAST(CONCAT('x', CAST(cost AS STRING)) AS DOUBLE) AS cost FROM ${catalog}.${gold_schema}.costs"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with in_folder(tmp_path) as made:
        yield made


def define(platform: Platform, cron: str = "0 * * * * ?", **queries: str) -> None:
    alerts = [
        values(alert_id=name, alert_name=name, alert_query_template=query, aggregation_type=None, schedule_cron=cron)
        for name, query in queries.items()
    ]
    (platform.settings.definitions / "alerts.yml").write_text(json.dumps({"alerts": alerts}))


def evaluate(platform: Platform, now: datetime | None = None, **config: Any) -> Any:
    given = {**config, **({"now": now.isoformat()} if now else {})}
    return platform.run("evaluate", config={"ops": {"alert_history": {"config": given}}})


def history(platform: Platform) -> list[dict[str, Any]]:
    with platform.tables() as tables:
        return sorted(
            tables.read(ALERT_HISTORY.name).to_pylist(), key=lambda row: (row["evaluated_at"], row["alert_id"])
        )


def test_the_schedule_starts_one_run_for_what_is_due_and_none_where_nothing_is(platform: Platform) -> None:
    # In the midst of a minute: a second later is the same one.
    now = datetime.now(UTC).replace(second=30, microsecond=0)
    define(platform, A=GOOD, B=GOOD, BROKEN="SELECT cost FROM no_such_table")
    assert platform.run("sync").success
    assert isinstance(look(platform.instance, platform.settings, now), dg.SkipReason)
    soon = now + timedelta(minutes=2)
    request = look(platform.instance, platform.settings, soon)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {"ops": {"alert_history": {"config": {"only_due": True}}}}
    assert request.tags["alerting/reason"] == "2 alerts are due"
    assert evaluate(platform, soon, only_due=True).success
    assert [row["alert_id"] for row in history(platform)] == ["A", "B"]
    (first, _) = history(platform)
    due = soon.replace(second=0, microsecond=0)
    assert (first["due_at"], first["evaluated_at"]) == (due, soon)
    assert first["evaluation_id"] == evaluation_id("dev", "A", due)
    assert isinstance(look(platform.instance, platform.settings, soon), dg.SkipReason)
    assert evaluate(platform, soon + timedelta(seconds=1), only_due=True).success
    assert len(history(platform)) == 2


def test_what_a_killed_run_left_is_made_good_and_the_fire_times_before_are_counted(platform: Platform) -> None:
    define(platform, A=GOOD)
    assert platform.run("sync").success
    start = datetime.now(UTC).replace(second=30, microsecond=0)
    evaluate(platform, start + timedelta(minutes=1), only_due=True)
    evaluate(platform, start + timedelta(minutes=6), only_due=True)
    assert [row["missed"] for row in history(platform)][1:] == [4]


def test_the_schedule_sees_that_the_workspace_evaluated(platform: Platform) -> None:
    define(platform, cron="0 0 0 1 1 ?", A=GOOD)
    assert platform.run("sync").success
    now = datetime.now(UTC)
    with platform.tables() as tables:
        (remote,) = {row["databricks_alert_id"] for row in tables.read("alert_configurations").to_pylist()}
        fired = Evaluation(remote, now.isoformat(), "TRIGGERED", 150.0, 1, 5.0, None, "run-1", 100.0)
        EvaluationHistory(tables, "1").append([fired])
    request = look(platform.instance, platform.settings, now)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["alerting/reason"] == "the workspace evaluated alerts"
    assert evaluate(platform, only_due=True).success
    assert [(row["evaluation_id"], row["evaluated_by"]) for row in history(platform)] == [("run-1", "workspace")]
    assert platform.metadata(ALERT_HISTORY_KEY)["imported"] == 1
    assert platform.metadata(ALERT_INCIDENTS_KEY)["open"] == 1
    assert isinstance(look(platform.instance, platform.settings, now), dg.SkipReason)


def outcomes(platform: Platform) -> dict[str, str]:
    """Of the check on the last evaluation, by partition."""
    found = platform.instance.event_log_storage.get_asset_check_partition_info([LAST_EVALUATION_SUCCEEDED])
    return {item.partition_key: str(item.latest_execution_status.value) for item in found if item.partition_key}


def test_a_failed_evaluation_is_seen_at_its_alert_and_named(platform: Platform) -> None:
    define(platform, A=GOOD, FAILS=FAILS_WHEN_RUN)
    assert platform.run("sync").success
    result = evaluate(platform)
    said = {(one.check_name, one.partition): one for one in result.get_asset_check_evaluations()}
    assert said["no_evaluation_failed", None].description == "1 of 2 evaluations ended in an error: FAILS"
    assert said["last_evaluation_succeeded", None].description.endswith("failed when it was last run: FAILS")
    assert "x150" in said["last_evaluation_succeeded", "FAILS"].description
    assert outcomes(platform) == {"A": "SUCCEEDED", "FAILS": "FAILED"}
    assert not [event for event in evaluate(platform).get_asset_check_evaluations() if event.partition]
    define(platform, A=GOOD, FAILS=GOOD)
    assert platform.run("sync").success
    assert evaluate(platform).success
    assert outcomes(platform) == {"A": "SUCCEEDED", "FAILS": "SUCCEEDED"}


def test_an_incident_opens_and_closes(platform: Platform) -> None:
    define(platform, A=GOOD)
    assert platform.run().success
    assert platform.metadata(ALERT_INCIDENTS_KEY)["open"] == 1
    why = platform.observed(DEPLOYED_ALERTS, "A")["why"]
    assert "cost 150 is greater than 100" in why
    assert "alerts.yml" in why
    define(platform, A="SELECT 7 AS cost")
    assert platform.run().success
    with platform.tables() as tables:
        (incident,) = tables.read(ALERT_INCIDENTS.name).to_pylist()
    assert incident["resolved_at"] > incident["opened_at"]
    (_, recovered) = history(platform)
    assert recovered["resolution_time_seconds"] == incident["resolution_time_seconds"] > 0
    assert platform.metadata(ALERT_INCIDENTS_KEY)["open"] == 0


def test_a_run_is_about_the_alerts_of_its_config_only(platform: Platform) -> None:
    define(platform, A=GOOD, B=GOOD)
    assert platform.run("sync").success
    assert evaluate(platform, alert_ids=["B"]).success
    assert [row["alert_id"] for row in history(platform)] == ["B"]
    failure = platform.failure(evaluate(platform, alert_ids=["BB"]))
    assert "there is no alert 'BB'; did you mean 'B'?" in failure
    wrong = platform.failure(evaluate_at(platform, "yesterday"))
    assert "'yesterday' is no time" in wrong


def evaluate_at(platform: Platform, text: str) -> Any:
    return platform.run("evaluate", config={"ops": {"alert_history": {"config": {"now": text}}}})

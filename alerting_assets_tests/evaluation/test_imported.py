"""What the workspace evaluated comes into the history once, whatever is late, restarted or unreadable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.evaluation import run_evaluations
from alerting_assets.evaluation.imported import Imported, import_evaluations, view_of
from alerting_assets.incidents.store import read_states
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.evaluation_history import ALERT_EVALUATION_HISTORY, EvaluationHistory
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_DEPLOYMENTS, ALERT_HISTORY
from alerting_assets.settings import Settings
from alerting_assets.workspace.local.store import Evaluation
from alerting_assets_tests.examples import compiled

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
VIEW = "health_monitor.gold.alert_evaluation_history"
MINUTE = timedelta(minutes=1)


def deployments() -> pa.Table:
    """The alerts A and B, in two environments."""
    deployed = [
        {
            "environment": environment,
            "databricks_host": "http://here",
            "deployment_nonce": f"{alert_id}{environment}".ljust(32, "0"),
            "alert_id": alert_id,
            "databricks_alert_id": f"remote-{alert_id}-{environment}",
            "recorded_at": NOW,
            "trashed_at": None,
        }
        for alert_id in ("A", "B")
        for environment in ("dev", "prod")
    ]
    return pa.Table.from_pylist(deployed, arrow_schema(ALERT_DEPLOYMENTS))


@pytest.fixture
def tables(lakehouse: Lakehouse) -> Lakehouse:
    """A lakehouse in which the alerts A and B are deployed."""
    lakehouse.append(ALERT_DEPLOYMENTS.name, deployments())
    return lakehouse


def evaluated(number: int, **changes: Any) -> Evaluation:
    """By the workspace, so many minutes ago."""
    values = {
        "alert_id": "remote-A-dev",
        "evaluated_at": (NOW - number * MINUTE).isoformat(),
        "state": "OK",
        "value": 7.0,
        "row_count": 1,
        "duration_ms": 250.0,
        "error": None,
        "run_id": f"run-{number}",
        "threshold": 100.0,
        "notified": (),
        **changes,
    }
    return Evaluation(**values)


def workspace_says(tables: Lakehouse, *evaluations: Evaluation) -> None:
    EvaluationHistory(tables, "1").append(evaluations)


def alerts(tables: Lakehouse, **changes: Any) -> dict[str, CompiledAlert]:
    target = Target(*tables.namespace, "dev", "w")
    return {alert_id: compiled(target, alert_id=alert_id, **changes) for alert_id in ("A", "B")}


def take(tables: Lakehouse, **changes: Any) -> Imported:
    given = {
        "view": VIEW,
        "alerts": alerts(tables),
        "since": None,
        "now": NOW,
        "environment": "dev",
        "history_days": 400,
    }
    return import_evaluations(tables, **{**given, **changes})


def history(tables: Lakehouse) -> dict[str, dict[str, Any]]:
    return {row["evaluation_id"]: row for row in tables.read(ALERT_HISTORY.name).to_pylist()}


def test_an_evaluation_of_the_workspace_becomes_a_row_of_the_history(tables: Lakehouse) -> None:
    mail = ({"user_email": "a@example.com"},)
    workspace_says(
        tables,
        evaluated(3),
        evaluated(2, state="TRIGGERED", value=150.0, notified=mail),
        evaluated(1, state="ERROR", value=None, error="the table is gone", alert_id="remote-B-dev"),
    )
    assert take(tables) == Imported(VIEW, 3)
    rows = history(tables)
    fired, failed = rows["run-2"], rows["run-1"]
    assert (fired["alert_id"], fired["evaluated_by"], fired["evaluation_status"]) == ("A", "workspace", "TRIGGERED")
    assert (fired["query_result_value"], fired["threshold_value"], fired["threshold_met"]) == (150.0, 100.0, True)
    assert (fired["notified"], rows["run-3"]["notified"], fired["query_duration_ms"]) == (True, False, 250.0)
    assert fired["evaluated_at"] == NOW - 2 * MINUTE
    assert fired["config_hash"] == alerts(tables)["A"].config_hash
    assert (failed["alert_id"], failed["evaluation_status"]) == ("B", "ERROR")
    assert failed["error_message"] == "the table is gone"


@pytest.mark.parametrize(("value", "number", "text"), [("late", None, "late"), (True, 1.0, "true"), (None, None, None)])
def test_values_that_are_no_numbers(tables: Lakehouse, value: Any, number: float | None, text: str | None) -> None:
    workspace_says(tables, evaluated(1, value=value))
    take(tables)
    (row,) = history(tables).values()
    assert (row["query_result_value"], row["query_result_string"]) == (number, text)


def test_only_what_is_new_is_imported_and_what_comes_late_too(tables: Lakehouse) -> None:
    workspace_says(tables, evaluated(10), evaluated(5))
    assert take(tables).rows == 2
    assert take(tables, since=NOW - 5 * MINUTE).rows == 0
    workspace_says(tables, evaluated(7), evaluated(1))
    assert take(tables, since=NOW - 5 * MINUTE).rows == 2
    assert sorted(history(tables)) == ["run-1", "run-10", "run-5", "run-7"]


def test_what_is_not_ours_or_too_old_stays_out(tables: Lakehouse) -> None:
    workspace_says(
        tables,
        evaluated(1, alert_id="somebody else's"),
        evaluated(2, alert_id="remote-A-prod"),
        evaluated(60 * 24 * 8),
        evaluated(3),
    )
    assert take(tables, history_days=7).rows == 1
    assert list(history(tables)) == ["run-3"]


def test_an_alert_that_is_no_longer_configured_keeps_its_evaluations(tables: Lakehouse) -> None:
    workspace_says(tables, evaluated(1))
    assert take(tables, alerts={}).rows == 1
    assert history(tables)["run-1"]["alert_id"] == "A"


@pytest.mark.parametrize("fields", [{"for_evaluations": 3, "schedule_cron": "0 0 * * * ?"}, {"ml_model_enabled": True}])
def test_alerts_that_compare_with_history_or_have_a_model_are_not_imported(
    tables: Lakehouse, fields: dict[str, Any]
) -> None:
    """The workspace would say OK of an evaluation whose condition is met: it would keep the one from ever firing, and of the other it
    tells no value to learn from."""
    on_time = alerts(tables, **fields)
    workspace_says(tables, evaluated(1), evaluated(2, alert_id="remote-B-dev"))
    assert take(tables, alerts={"A": on_time["A"], "B": alerts(tables)["B"]}).rows == 1
    assert list(history(tables)) == ["run-2"]


def test_a_state_that_is_new_to_us_is_an_error_that_tells_it(tables: Lakehouse) -> None:
    workspace_says(tables, evaluated(1))
    seen = tables.read(ALERT_EVALUATION_HISTORY.name).to_pylist()[0]
    strange = {**seen, "evaluated_state": "SKIPPED", "alert_run_id": "run-2"}
    tables.append(
        ALERT_EVALUATION_HISTORY.name, pa.Table.from_pylist([strange], arrow_schema(ALERT_EVALUATION_HISTORY))
    )
    assert take(tables).rows == 2
    row = history(tables)["run-2"]
    assert (row["evaluation_status"], row["error_message"]) == ("ERROR", "the workspace says SKIPPED")


def test_a_view_that_cannot_be_read_is_a_finding_with_the_grants(tables: Lakehouse) -> None:
    imported = take(tables, view="system.alert.alert_evaluation_history")
    assert imported.rows == 0
    finding = str(imported.finding)
    assert "GRANT USE SCHEMA ON SCHEMA system.alert" in finding
    assert "GRANT SELECT ON TABLE system.alert.alert_evaluation_history" in finding
    assert "ALERTING_EVALUATION_HISTORY" in finding


def test_a_local_workspace_that_was_never_served_is_no_finding(tables: Lakehouse) -> None:
    assert take(tables) == Imported(VIEW)


def test_where_evaluations_come_from() -> None:
    assert view_of(Settings()) == VIEW
    assert view_of(Settings(evaluation_history="none")) is None
    assert view_of(Settings(evaluation_history="main.shared.evaluations")) == "main.shared.evaluations"
    databricks = Settings(workspace="databricks", lakehouse="warehouse")
    assert view_of(databricks) == "system.alert.alert_evaluation_history"


def test_a_run_leaves_to_the_workspace_what_it_evaluates(tables: Lakehouse) -> None:
    """And what is true of the alert then comes from there."""
    query = {"alert_query_template": "SELECT 7 AS cost", "schedule_cron": "0 0 * * * ?"}
    both = list(alerts(tables, **query).values())
    rows = [
        {
            "alert_id": alert_id,
            "schedule_cron": "0 0 * * * ?",
            "schedule_timezone": "UTC",
            "is_enabled": True,
            "created_at": NOW - timedelta(days=1),
            "databricks_alert_id": remote,
            "operator": "GREATER_THAN",
            "for_evaluations": None,
            "ml_model_enabled": False,
        }
        for alert_id, remote in (("A", "remote-A-dev"), ("B", None))
    ]
    workspace_says(tables, evaluated(0, state="TRIGGERED", value=150.0))
    run = run_evaluations(tables, rows, both, Settings(), NOW + MINUTE, only_due=True)
    assert run.imported.rows == 1
    assert [evaluation.alert.alert_id for evaluation in run.evaluations] == ["B"]
    state = read_states(tables, timedelta(minutes=10)).by_id["A"]
    assert (state.status, state.newest.evaluated_by) == ("TRIGGERED", "workspace")
    assert state.open_incident is not None
    again = run_evaluations(tables, rows, both, Settings(), NOW + 2 * MINUTE, only_due=True)
    assert (again.evaluations, again.imported.rows) == ([], 0)

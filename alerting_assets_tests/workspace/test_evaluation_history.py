"""The evaluations of the local workspace as a table."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.evaluation_history import ALERT_EVALUATION_HISTORY, EvaluationHistory
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets.workspace.local.store import Evaluation
from alerting_assets_tests.workspace.conftest import TOKEN, Server, sqlite_runner

pytestmark = pytest.mark.integration


def evaluation(**changes: Any) -> Evaluation:
    usual = {
        "alert_id": "remote-1",
        "evaluated_at": "2026-11-01T08:00:00.250Z",
        "state": "TRIGGERED",
        "value": 120.5,
        "row_count": 1,
        "duration_ms": 1500.0,
        "error": None,
        "run_id": "run-1",
        "threshold": 100.0,
        "notified": ({"user_email": "a@example.com"}, {"destination_id": "d-1"}),
    }
    return Evaluation(**{**usual, **changes})


def rows(lakehouse: EmbeddedLakehouse) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lakehouse.read(ALERT_EVALUATION_HISTORY.name).to_pylist()
    return sorted(found, key=lambda row: str(row["alert_run_id"]))


def test_a_row_has_what_databricks_has(lakehouse: EmbeddedLakehouse) -> None:
    EvaluationHistory(lakehouse, "1").append([evaluation()])
    assert rows(lakehouse) == [
        {
            "account_id": "local",
            "workspace_id": "1",
            "alert_id": "remote-1",
            "job_id": None,
            "task_key": None,
            "alert_run_id": "run-1",
            "evaluated_state": "TRIGGERED",
            "evaluated_source_result": {"double_value": 120.5, "string_value": None, "bool_value": None},
            "evaluated_threshold_result": {"double_value": 100.0, "string_value": None, "bool_value": None},
            "error_code": None,
            "error_message": None,
            "notified_subscriptions": [
                {"user_email": "a@example.com", "destination_id": None},
                {"user_email": None, "destination_id": "d-1"},
            ],
            "failed_subscriptions": [],
            "start_time": datetime(2026, 11, 1, 8, 0, 0, 250000, tzinfo=UTC),
            "end_time": datetime(2026, 11, 1, 8, 0, 1, 750000, tzinfo=UTC),
        }
    ]


def test_values_states_and_errors_become_what_the_table_knows(lakehouse: EmbeddedLakehouse) -> None:
    EvaluationHistory(lakehouse, "1").append(
        [
            evaluation(run_id="1", value=True, threshold="FAILED"),
            evaluation(run_id="2", state="UNKNOWN", value=None, threshold=None, notified=()),
            evaluation(run_id="3", state="ERROR", value=7, error="no such column", notified=()),
        ]
    )
    first, second, third = rows(lakehouse)
    assert first["evaluated_source_result"]["bool_value"] is True
    assert first["evaluated_threshold_result"]["string_value"] == "FAILED"
    assert (second["evaluated_state"], second["evaluated_source_result"], second["notified_subscriptions"]) == (
        "OK",
        None,
        [],
    )
    assert third["evaluated_source_result"]["double_value"] == 7.0
    assert (third["evaluated_state"], third["error_code"], third["error_message"]) == (
        "ERROR",
        "EVALUATION_FAILED",
        "no such column",
    )


def test_what_the_lakehouse_did_not_take_comes_with_the_next(
    lakehouse: EmbeddedLakehouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history = EvaluationHistory(lakehouse, "1")
    (table,) = (tmp_path / "lakehouse").rglob(ALERT_EVALUATION_HISTORY.name)
    shutil.move(table, tmp_path / "away")
    history.append([evaluation(run_id="1")])
    history.append([evaluation(run_id="2")])
    assert "2 evaluations of the local workspace wait to be appended" in caplog.text
    shutil.move(tmp_path / "away", table)
    for run_id in ("3", "4"):
        history.append([evaluation(run_id=run_id)])
    assert [row["alert_run_id"] for row in rows(lakehouse)] == ["1", "2", "3", "4"]


def test_evaluations_of_a_workspace_arrive_in_the_table(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> None:
    history = EvaluationHistory(lakehouse, "1")
    EvaluationHistory(lakehouse, "1")  # the table stays as it is
    with LocalWorkspaceServer(
        tmp_path / "workspace", sqlite_runner, port=None, token=TOKEN, on_evaluated=history.append
    ) as running:
        server = Server(running, tmp_path)
        alert = server.create()
        found = [server.json("POST", f"/api/local/alerts/{alert['id']}/evaluate") for _ in range(2)]
    assert {(row["alert_id"], row["alert_run_id"]) for row in rows(lakehouse)} == {
        (alert["id"], one["run_id"]) for one in found
    }
    sql = f"""
        SELECT get(notified_subscriptions, 0).user_email AS told, evaluated_source_result.double_value AS value
        FROM health_monitor.gold.{ALERT_EVALUATION_HISTORY.name} ORDER BY start_time"""
    assert lakehouse.query(sql).to_pylist() == [
        {"told": "a@example.com", "value": 120.5},
        {"told": None, "value": 120.5},  # it fires as before
    ]

"""Processes that evaluate, import and maintain are killed at any moment, and nothing is lost or there twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from alerting_assets.incidents.fold import state_row
from alerting_assets.incidents.news import States
from alerting_assets.incidents.store import read_states, rebuild
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.evaluation_history import ALERT_EVALUATION_HISTORY
from alerting_assets.lakehouse.tables import ALERT_DEPLOYMENTS, ALERT_HISTORY, ALERT_INCIDENTS, TABLES, create_tables
from alerting_assets.quartz import parse_quartz
from alerting_assets_tests.evaluation.evaluating import BEGIN, CRONS, MINUTE, SETTINGS, evaluate

pytestmark = pytest.mark.integration

LIVES_SECONDS = (1.5, 7.0)
"""A process begins to write about two seconds after its start."""


def kill_and_look(folder: Path, times: int) -> None:
    random.seed(times)
    (folder / "clock").write_text("0")
    with EmbeddedLakehouse(folder / "lakehouse", SETTINGS.catalog, SETTINGS.schema) as lakehouse:
        create_tables(lakehouse)
        deployed = {
            "environment": "dev",
            "databricks_host": "http://here",
            "deployment_nonce": "0" * 32,
            "alert_id": "THEIRS",
            "databricks_alert_id": "remote",
            "recorded_at": BEGIN,
            "trashed_at": None,
        }
        lakehouse.append(ALERT_DEPLOYMENTS.name, pa.Table.from_pylist([deployed], arrow_schema(ALERT_DEPLOYMENTS)))
    command = [sys.executable, "-m", "alerting_assets_tests.evaluation.evaluating", str(folder)]
    for _ in range(times):
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        time.sleep(random.uniform(*LIVES_SECONDS))
        assert process.poll() is None, process.communicate()[1].decode()[-2000:]
        process.kill()
        process.communicate()
    look(folder)


def look(folder: Path) -> None:
    minutes = int((folder / "clock").read_text())
    end = BEGIN + (minutes + 1) * MINUTE
    with EmbeddedLakehouse(folder / "lakehouse", SETTINGS.catalog, SETTINGS.schema) as lakehouse:
        evaluate(lakehouse, end)
        for spec in TABLES:
            assert lakehouse.query(f"SELECT COUNT(*) AS n FROM {spec.name}").num_rows == 1
        rows = lakehouse.read(ALERT_HISTORY.name).to_pylist()
        assert max(Counter(row["evaluation_id"] for row in rows).values()) == 1
        for alert_id, cron in CRONS.items():
            if alert_id == "THEIRS":
                continue
            answered = {row["due_at"]: row["missed"] for row in rows if row["alert_id"] == alert_id}
            waited = 0
            for moment in parse_quartz(cron).fire_times(BEGIN, ZoneInfo("UTC")):
                if moment > end:
                    break
                if moment in answered:
                    assert answered.pop(moment) == waited, (alert_id, moment)
                    waited = 0
                else:
                    waited += 1
            assert waited == 0, f"{alert_id}: the newest fire times were lost"
            assert not answered
        said = lakehouse.read(ALERT_EVALUATION_HISTORY.name, ["alert_run_id"]).column(0).to_pylist()
        theirs = [row["evaluation_id"] for row in rows if row["alert_id"] == "THEIRS"]
        assert sorted(theirs) == sorted(said)
        assert len(said) > 0
        reopen = timedelta(minutes=SETTINGS.reopen_minutes)
        states = stored(read_states(lakehouse, reopen))
        incidents = sorted(lakehouse.read(ALERT_INCIDENTS.name).to_pylist(), key=lambda row: row["incident_id"])
        rebuild(lakehouse, reopen)
        assert stored(read_states(lakehouse, reopen)) == states
        again = sorted(lakehouse.read(ALERT_INCIDENTS.name).to_pylist(), key=lambda row: row["incident_id"])
        assert again == incidents
        assert incidents


def stored(states: States) -> dict[str, dict[str, Any]]:
    return {alert_id: state_row(state) for alert_id, state in states.by_id.items()}


@pytest.mark.thorough
def test_two_kills(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 2)


@pytest.mark.thorough
def test_two_hundred_kills(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 200)

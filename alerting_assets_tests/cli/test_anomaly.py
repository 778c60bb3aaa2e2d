"""`alerting anomaly`: from an alert without a history to one that holds back, by commands."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alerting_assets.configuration import load_definitions
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets_tests.cli.home import Home

pytestmark = pytest.mark.integration

JOBS = TableSpec("jobs", "Costs of jobs.", (Column("at", "timestamp"), Column("cost", "double")), ("at",))
LAST_HOUR = "SELECT cost FROM ${catalog}.${gold_schema}.jobs WHERE at > NOW() - INTERVAL 1 HOUR AND at <= NOW()"


@pytest.fixture
def home(tmp_path: Path, empty_store: Path) -> Home:
    """Sixteen days of jobs, one an hour; a value over the threshold at the same hours of each day, the present one among them."""
    made = Home(tmp_path)
    shutil.copytree(empty_store, made.settings.home)
    hourly = {"alert_query_template": LAST_HOUR, "aggregation_type": "SUM", "schedule_cron": "0 0 * * * ?"}
    made.define(
        {"alert_id": "PEAKS", **hourly, "ml_model_enabled": True, "ml_shadow": False},
        {"alert_id": "TIMELESS", "ml_model_enabled": True},
        {"alert_id": "PLAIN", **hourly},
    )
    now = datetime.now(UTC)
    peaks = {(now + timedelta(hours=shift)).hour for shift in (-1, 0, 1)}
    at = [now - timedelta(minutes=30 * n) for n in range(-6, 2 * 24 * 16)]
    noise = np.random.default_rng(2).normal(size=len(at)).tolist()
    cost = [65.0 if moment.hour in peaks else 20 + value for moment, value in zip(at, noise, strict=True)]
    with made.tables() as tables:
        create_tables(tables)
        tables.create_table(JOBS)
        tables.append("jobs", pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "cost": cost}))
        load_definitions(tables, tmp_path / "alerts", now)
    return made


def test_from_no_history_to_a_value_that_is_held_back(home: Home) -> None:
    before = home.json("anomaly", "refresh", expect=1)
    assert before["written"] == 0
    assert "alerting anomaly train" in before["notes"][0]

    filled = home.json("anomaly", "backfill", "--all", "--days", "16", expect=1)
    by_id = {one["alert_id"]: one for one in filled["alerts"]}
    assert set(by_id) == {"PEAKS", "TIMELESS"}
    assert by_id["PEAKS"]["moments"] > 15 * 24
    assert "no clock function" in by_id["TIMELESS"]["refused"]

    trained = home.json("anomaly", "train")
    assert trained["is_serving"]
    after = home.json("anomaly", "refresh")
    assert (after["open"], after["closed"], after["failed"], after["notes"]) == (1, {"NO_HISTORY": 1}, {}, [])
    found = home.json("evaluate", "PEAKS")["evaluations"]
    assert [one["evaluation_status"] for one in found] == ["SUPPRESSED"]

    peaks, timeless = home.json("anomaly", "status")["alerts"]
    assert (peaks["mode"], peaks["model_version"], peaks["closed"]) == ("live", trained["version"], None)
    assert (peaks["decided"], peaks["held"], peaks["budget"]) == (1, 1, 0.9)
    assert (timeless["mode"], timeless["last_closed"]) == ("shadow", "NO_HISTORY")
    shown = home.run("anomaly", "status")
    assert "100% of 1" in shown.stdout
    back = home.json("anomaly", "rollback", "--to", trained["version"])
    assert (back["from"], back["to"]) == (trained["version"], trained["version"])


def test_a_review_says_what_is_missing(home: Home) -> None:
    peaks, timeless = home.json("anomaly", "review", expect=1)["alerts"]
    assert (peaks["alert_id"], peaks["tier"], timeless["tier"]) == ("PEAKS", "NONE", "NONE")
    assert "alerting anomaly backfill PEAKS" in peaks["advice"]


def test_a_wrong_call_says_what_is_right(home: Home) -> None:
    for arguments in (["anomaly", "backfill"], ["anomaly", "backfill", "PLAIN", "--all"]):
        done = home.run(*arguments)
        assert done.returncode == 2
        assert "--all" in done.stderr
    assert "did you mean 'PEAKS'" in home.run("anomaly", "backfill", "PEAK").stderr

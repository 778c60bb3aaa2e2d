"""The assets that learn what is usual and write what is expected, in a real Dagster instance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from alerting_assets.assets.anomaly_model import ANOMALY_MODEL_KEY
from alerting_assets.assets.expected_ranges import EXPECTED_RANGES_KEY, SUPPRESSION_IS_SOUND
from alerting_assets.configuration import load_definitions
from alerting_assets.lakehouse.tables import EXPECTED_RANGES, create_tables
from alerting_assets_tests.anomaly.histories import waves
from alerting_assets_tests.examples import values
from alerting_assets_tests.integration.platform import Platform, in_folder
from alerting_assets_tests.suppression.worlds import append_history, evaluation

pytestmark = pytest.mark.integration

DAYS = 20


@pytest.fixture
def platform(tmp_path: Path, empty_store: Path) -> Iterator[Platform]:
    shutil.copytree(empty_store, tmp_path, dirs_exist_ok=True)
    with in_folder(tmp_path) as made:
        yield made


def sound(platform: Platform) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(EXPECTED_RANGES_KEY, SUPPRESSION_IS_SOUND.name)
    (record,) = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    found: dg.AssetCheckEvaluation = record.event.dagster_event.event_specific_data
    return found


def test_ranges_follow_the_model_and_the_check_names_who_has_none(platform: Platform) -> None:
    alerts = [values(alert_id=name, alert_name=name, ml_model_enabled=name != "PLAIN") for name in ("WAVES", "PLAIN")]
    (platform.settings.definitions / "alerts.yml").write_text(json.dumps({"alerts": alerts}))
    now = datetime.now(UTC)
    with platform.tables() as tables:
        create_tables(tables)
        load_definitions(tables, platform.settings.definitions, now)
        hours = [now - timedelta(hours=n) for n in range(24 * DAYS)]
        pairs = zip(hours, waves(DAYS).tolist(), strict=True)
        append_history(tables, [evaluation(hour, value, "WAVES", threshold_met=value > 118) for hour, value in pairs])

    assert platform.run("refresh_ranges").success
    check = sound(platform)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "no version of the model serves yet" in str(check.description)
    assert "WAVES" in str(check.description)
    assert platform.metadata(EXPECTED_RANGES_KEY)["ranges_written"] == 0

    assert platform.run("train").success
    assert platform.run("refresh_ranges").success
    assert sound(platform).passed
    shown = platform.metadata(EXPECTED_RANGES_KEY)
    assert (shown["alerts"], shown["in_shadow"], shown["ranges_written"], shown["open"]) == (1, 1, 4, 1)
    assert (shown["held_in_28_days"], shown["would_be_held_in_28_days"]) == (0, 0)
    assert "data:image/png" in shown["most held"]
    with platform.tables() as tables:
        rows = tables.read(EXPECTED_RANGES.name).to_pylist()
    assert {row["alert_id"] for row in rows} == {"WAVES"}
    assert max(row["valid_until"] for row in rows) > now + timedelta(hours=3)


def test_a_drift_starts_a_training_once_and_the_review_names_it(platform: Platform) -> None:
    (platform.settings.definitions / "alerts.yml").write_text(
        json.dumps({"alerts": [values(alert_id="MOVED", alert_name="MOVED", ml_model_enabled=True)]})
    )
    now = datetime.now(UTC)
    value = waves(40)
    with platform.tables() as tables:
        create_tables(tables)
        load_definitions(tables, platform.settings.definitions, now)
        hours = [now - timedelta(hours=n) for n in reversed(range(len(value)))]
        rows = [evaluation(at, one, "MOVED") for at, one in zip(hours, value.tolist(), strict=True)]
        append_history(tables, rows[: -24 * 4])
    sensor = next(one for one in platform.definitions.sensors or () if one.name == "train_on_drift")

    def look(cursor: str | None) -> dg.SensorResult:
        resources = platform.definitions.resources or {}
        with dg.build_sensor_context(instance=platform.instance, cursor=cursor, resources=resources) as context:
            found = sensor(context)
        assert isinstance(found, dg.SensorResult)
        return found

    first = look(None)
    assert (first.run_requests, first.cursor) == ([], "[]")
    with platform.tables() as tables:
        append_history(
            tables, [{**row, "query_result_value": row["query_result_value"] + 500} for row in rows[-24 * 4 :]]
        )
    begun = look(first.cursor)
    assert [dict(one.tags)["alerting/reason"] for one in begun.run_requests or ()] == ["1 alerts drift"]
    again = look(begun.cursor)
    assert again.run_requests == []

    assert platform.run("review_models").success
    key = dg.AssetCheckKey(ANOMALY_MODEL_KEY, "models_fit")
    (record,) = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    check = record.event.dagster_event.event_specific_data
    assert (check.passed, check.description) == (False, "1 of 1 alerts with a model drift: MOVED")

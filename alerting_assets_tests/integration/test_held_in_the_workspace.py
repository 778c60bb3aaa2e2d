"""The deployed query holds back by itself: the workspace evaluates, and nothing of ours runs beside it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.configuration import set_fields
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets_tests.integration.test_silences import START, Life, life  # noqa: F401 — a fixture

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
MODEL = "health_monitor.gold.alert_anomaly_detector@serving"


def expect(life: Life, hour: datetime, upper: float, **changes: Any) -> None:  # noqa: F811
    row = {
        "alert_id": "LIFE",
        "model_name": MODEL,
        "valid_from": hour,
        "valid_until": hour + HOUR,
        "expected": 50.0,
        "upper": upper,
        "scale": 10.0,
        "model_version": "1",
        "created_at": START - HOUR,
        **changes,
    }
    life.lakehouse.append(EXPECTED_RANGES.name, pa.Table.from_pylist([row], schema=arrow_schema(EXPECTED_RANGES)))


def test_a_peak_that_recurs_is_held_and_the_same_height_at_another_hour_is_told(life: Life) -> None:  # noqa: F811
    set_fields(life.lakehouse, "LIFE", {"ml_model_enabled": "true", "ml_shadow": "false"}, START)
    life.sync()
    expect(life, START, upper=200.0)  # it measures 150, over its threshold of 100
    expect(life, START + HOUR, upper=120.0)
    assert life.workspace_says == ("OK", False)
    life.now += HOUR
    assert life.workspace_says == ("TRIGGERED", True)


def test_when_ranges_run_out_everything_is_told(life: Life) -> None:  # noqa: F811
    set_fields(life.lakehouse, "LIFE", {"ml_model_enabled": "true", "ml_shadow": "false"}, START)
    life.sync()
    expect(life, START, upper=200.0)
    assert life.workspace_says == ("OK", False)
    life.now += HOUR
    assert life.workspace_says == ("TRIGGERED", True)


def test_in_shadow_the_workspace_tells_everything(life: Life) -> None:  # noqa: F811
    set_fields(life.lakehouse, "LIFE", {"ml_model_enabled": "true"}, START)
    life.sync()
    expect(life, START, upper=200.0)
    assert life.workspace_says == ("TRIGGERED", True)
    (evaluation,) = life.evaluate(only_due=False)
    assert evaluation.row()["ml_shadow"] is True

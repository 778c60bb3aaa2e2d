"""The metric view of syncs: one file, two forms; the values of every measure from real rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from alerting_assets.analytics import SYNC_PERFORMANCE, create_metric_view, load_metric_view
from alerting_assets.deployment.metrics import SyncMetrics, store_metrics
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets_tests.deployment.syncs import measured
from alerting_assets_tests.golden import assert_matches

GOLDEN = Path(__file__).parent / "golden"


def at(hour: int, **values: Any) -> SyncMetrics:
    """A sync that started half past this hour."""
    started = datetime(2026, 2, 3, hour, 30, tzinfo=UTC)
    return replace(measured(), sync_started_at=started, **values)


SYNCS = (
    at(
        4,
        sync_run_id="whole",
        total_alerts=100,
        success_count=90,
        unchanged_count=80,
        total_duration_seconds=3.0,
        syncs_avoided=6,
        api_calls=30,
        avg_api_latency_ms=10.0,
    ),
    at(
        4,
        sync_run_id="one alert, which failed",
        total_alerts=1,
        total_duration_seconds=1.0,
        syncs_avoided=2,
        api_calls=10,
        avg_api_latency_ms=50.0,
    ),
    at(4, sync_run_id="a plan", dry_run=True, total_alerts=7, api_calls=1, avg_api_latency_ms=9_999.0, syncs_avoided=9),
    at(5, sync_run_id="no list", error_message="the workspace is away", total_duration_seconds=5.0),
)
MEASURED = [
    {
        "sync_date": date(2026, 2, 3),
        "sync_hour": 4,
        "total_syncs": 2,
        "success_rate": 90 / 101,
        "avg_duration": 2.0,
        "avg_api_latency": 20.0,
        "avoided_write_share": 80 / 101,
        "avoided_sync_share": 0.8,
    },
    {
        "sync_date": date(2026, 2, 3),
        "sync_hour": 5,
        "total_syncs": 1,
        "success_rate": None,
        "avg_duration": 5.0,
        "avg_api_latency": None,
        "avoided_write_share": None,
        "avoided_sync_share": 0.0,
    },
]


@pytest.mark.unit
def test_the_definition_is_one_of_databricks_metric_views() -> None:
    view = load_metric_view(SYNC_PERFORMANCE, "main", "gold")
    definition = YAML(typ="safe", pure=True).load(view.definition)
    assert definition.keys() == {"version", "comment", "source", "filter", "dimensions", "measures"}
    assert (definition["version"], definition["source"]) == ("1.1", "main.gold.alert_sync_metrics")
    assert [item["name"] for item in definition["dimensions"]] == ["sync_date", "sync_hour"]
    specified = ["total_syncs", "success_rate", "avg_duration", "avg_api_latency"]
    assert [item["name"] for item in definition["measures"]] == [
        *specified,
        "avoided_write_share",
        "avoided_sync_share",
    ]
    for item in definition["dimensions"]:
        assert item.keys() == {"name", "expr", "comment", "display_name"}
    for item in definition["measures"]:
        assert item.keys() == {"name", "expr", "comment", "display_name", "format"}
        assert item["format"]["type"] in ("number", "percentage")


@pytest.mark.unit
def test_the_plain_view_is_made_of_the_same_file() -> None:
    view = load_metric_view(SYNC_PERFORMANCE, "health_monitor", "gold")
    assert_matches(GOLDEN / f"{SYNC_PERFORMANCE}.sql", view.plain_sql + "\n")


@pytest.mark.integration
def test_every_measure_has_its_value(lakehouse: EmbeddedLakehouse) -> None:
    create_metric_view(lakehouse, SYNC_PERFORMANCE)
    assert lakehouse.query(f"SELECT * FROM {SYNC_PERFORMANCE}").num_rows == 0
    for sync in SYNCS:
        store_metrics(lakehouse, sync)
    rows = lakehouse.query(f"SELECT * FROM {SYNC_PERFORMANCE} ORDER BY sync_date, sync_hour").to_pylist()
    assert [list(row) for row in rows] == [list(row) for row in MEASURED]
    for row, expected in zip(rows, MEASURED, strict=True):
        assert row == pytest.approx(expected)


@pytest.mark.integration
def test_a_view_that_is_there_in_this_form_starts_no_sql_engine(tmp_path: Path) -> None:
    def open_tables() -> EmbeddedLakehouse:
        return EmbeddedLakehouse(tmp_path, "health_monitor", "gold")

    with open_tables() as tables:
        create_tables(tables)
        create_metric_view(tables, SYNC_PERFORMANCE)
        assert tables.engine_process_id is not None
    with open_tables() as tables:
        create_metric_view(tables, SYNC_PERFORMANCE)
        assert tables.engine_process_id is None
        tables.create_view(SYNC_PERFORMANCE, "SELECT 1 AS an_older_form")
    with open_tables() as tables:
        create_metric_view(tables, SYNC_PERFORMANCE)
        assert tables.query(f"SELECT total_syncs FROM {SYNC_PERFORMANCE}").num_rows == 0

"""The stage of the graph that shows what syncs cost, in a real Dagster instance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from alerting_assets.analytics import SYNC_PERFORMANCE
from alerting_assets.assets.metrics import alert_sync_metrics
from alerting_assets.deployment.metrics import SyncMetrics, store_metrics
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.resource import AlertingResource
from alerting_assets.settings import Settings
from alerting_assets_tests.deployment.syncs import START, measured

pytestmark = pytest.mark.integration


class Stage:
    """The asset alone, on tables of its own."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.settings = Settings(home=home)
        self._instance = instance

    def tables(self) -> EmbeddedLakehouse:
        return EmbeddedLakehouse(self.settings.lakehouse_root, self.settings.catalog, self.settings.schema)

    def store(self, *syncs: SyncMetrics) -> None:
        with self.tables() as tables:
            create_tables(tables)
            for sync in syncs:
                store_metrics(tables, sync)

    def metadata(self) -> dict[str, dg.MetadataValue[Any]]:
        """After a run."""
        run = dg.materialize(
            [alert_sync_metrics],
            instance=self._instance,
            resources={"alerting": AlertingResource.from_environment()},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert run.success
        event = self._instance.get_latest_materialization_event(alert_sync_metrics.key)
        assert event is not None
        assert event.asset_materialization is not None
        return dict(event.asset_materialization.metadata)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in [name for name in os.environ if name.startswith(("ALERTING_", "DATABRICKS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ALERTING_HOME", str(tmp_path))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Stage(tmp_path, instance)


def sync(number: int, **changes: Any) -> SyncMetrics:
    started = START + timedelta(minutes=number)
    return replace(measured(), sync_run_id=str(number), sync_started_at=started, **changes)


def test_no_sync_yet_is_said(stage: Stage) -> None:
    found = stage.metadata()
    assert (found["syncs"].value, found["last_syncs"].value) == ("no sync yet", "none")
    with stage.tables() as tables:
        assert tables.query(f"SELECT * FROM {SYNC_PERFORMANCE}").num_rows == 0


def test_the_newest_sync_is_plotted_and_the_last_ones_are_a_table(stage: Stage) -> None:
    stage.store(*(sync(number) for number in range(21)))
    newest = sync(
        22,
        total_alerts=100,
        success_count=99,
        error_count=1,
        unchanged_count=97,
        updated_count=2,
        avg_api_latency_ms=20.5,
        p95_api_latency_ms=40.0,
        max_api_latency_ms=41.0,
        api_calls=5,
        retries=1,
        syncs_avoided=3,
        total_duration_seconds=1.5,
    )
    stage.store(newest, sync(23, dry_run=True, api_calls=77))
    found = stage.metadata()
    numbers = {name: value.value for name, value in found.items() if isinstance(value.value, int | float)}
    assert numbers == {
        "duration_seconds": 1.5,
        "avg_api_latency_ms": 20.5,
        "p95_api_latency_ms": 40.0,
        "max_api_latency_ms": 41.0,
        "api_calls": 5,
        "retries": 1,
        "success_rate": 0.99,
        "avoided_write_share": 0.97,
        "avoided_sync_share": 0.75,
    }
    table = found["last_syncs"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = [record.data for record in table.records]
    assert (len(rows), rows[0]["dry run"], rows[1]["unchanged"], rows[1]["requests"]) == (20, True, 97, 5)


def test_a_sync_that_sent_nothing_leaves_a_gap_in_the_plots_of_latency(stage: Stage) -> None:
    stage.store(sync(1))
    names = set(stage.metadata())
    assert {"duration_seconds", "api_calls", "avoided_sync_share"} <= names
    assert names.isdisjoint({"avg_api_latency_ms", "p95_api_latency_ms", "max_api_latency_ms", "success_rate"})


def test_a_second_run_does_not_make_the_view_again(stage: Stage) -> None:
    stage.metadata()
    folder = stage.settings.lakehouse_root / stage.settings.catalog / stage.settings.schema
    view = folder / "_views" / f"{SYNC_PERFORMANCE}.sql"
    before = view.stat().st_mtime_ns
    stage.metadata()
    assert view.stat().st_mtime_ns == before

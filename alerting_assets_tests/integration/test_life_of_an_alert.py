"""What every sync must do (create, update, remove), told in three tests; and one alert from its creation to its removal, started by
the sensor, run by Dagster, looked at in the workspace over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from alerting_assets.assets.validation import DEPLOYED_ALERTS
from alerting_assets.automation.sensors import SENSOR, look
from alerting_assets.configuration import Row, delete_alert, read_rows, set_fields, target_of, to_alerts
from alerting_assets.definitions import code_location
from alerting_assets.deployment import Syncer, read_desired
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.resource import AlertingResource
from alerting_assets.settings import Settings
from alerting_assets.validation import policy_of, validate_all_alert_queries
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.deployment.world import World
from alerting_assets_tests.integration.test_graph import GOOD, Platform, platform

__all__ = ["platform"]

pytestmark = pytest.mark.integration


# -- the sync: an alert is created, updated and removed


class Specified:
    """An alert in the table, and `sync_alerts`."""

    def __init__(self, tables: Lakehouse, settings: Settings, world: World) -> None:
        self.tables, self.settings, self.world = tables, settings, world
        self.world.configure(
            "TEST-001",
            alert_name="Integration Test Alert",
            alert_description="Test for CI/CD validation",
            alert_query_template="SELECT COUNT(*) AS value FROM range(10)",
            aggregation_column="value",
            aggregation_type=None,
            severity="WARNING",
        )

    def set(self, **fields: str) -> None:
        set_fields(self.tables, "TEST-001", fields, datetime.now(UTC))

    def sync(self, *, delete_disabled: bool = False) -> None:
        settings = replace(self.settings, delete_disabled=delete_disabled)
        alerts = to_alerts(read_rows(self.tables), target_of(settings))
        validate_all_alert_queries(self.tables, alerts, datetime.now(UTC), policy_of(settings))
        syncer = Syncer.from_settings(settings, open_workspace(settings))
        syncer.sync(
            self.tables,
            lambda: read_desired(self.tables, settings, "local", datetime.now(UTC)),
            lambda: datetime.now(UTC),
        )

    def names(self) -> list[str]:
        return [body["display_name"] for body in self.world.remote()]

    def row(self) -> Row:
        return self.world.row("TEST-001")


@pytest.fixture
def specified(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> Iterator[Specified]:
    settings = Settings(home=tmp_path, definitions=tmp_path)
    with LocalWorkspaceServer(settings.workspace_root, lakehouse.query, port=0) as server:
        yield Specified(lakehouse, settings, World(lakehouse, server, tmp_path))


def test_create_alert_end_to_end(specified: Specified) -> None:
    specified.sync()
    assert specified.names() == ["[WARNING] Integration Test Alert"]
    assert specified.row()["databricks_alert_id"] == specified.world.remote()[0]["id"]
    assert specified.row()["last_sync_status"] == "CREATED"


def test_update_alert(specified: Specified) -> None:
    specified.sync()
    (before,) = specified.world.remote()
    specified.set(alert_query_template="SELECT COUNT(*) * 2 AS value FROM range(10)")
    specified.sync()
    (after,) = specified.world.remote()
    assert after["id"] == before["id"]
    assert "COUNT(*) * 2" in after["query_text"]
    assert specified.row()["last_sync_status"] == "UPDATED"
    found = specified.world.request("POST", f"/api/local/alerts/{after['id']}/evaluate")
    assert found["value"] == 20.0


def test_delete_disabled_alert(specified: Specified) -> None:
    specified.sync()
    specified.set(is_enabled="false")
    specified.sync(delete_disabled=True)
    assert specified.names() == []
    assert specified.row()["last_sync_status"] == "DELETED"
    assert specified.row()["databricks_alert_id"] is None


# -- the whole life, through Dagster


class Life:
    """The alert LIFE, a row that people edit, beside one that a file defines. What the sensor asks for is what runs."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        platform.define(STAYS=GOOD)
        with platform.tables() as tables:
            create_tables(tables)
        self.world = World(platform.tables(), platform.server, platform.settings.home)
        self.use(delete_disabled=False)

    def use(self, *, delete_disabled: bool) -> None:
        self.settings = replace(self.platform.settings, delete_disabled=delete_disabled)
        values: dict[str, Any] = {
            name: getattr(self.settings, name) for name in AlertingResource.model_fields if name != "schema_name"
        }
        values |= {"home": str(self.settings.home), "definitions": str(self.settings.definitions)}
        resource = AlertingResource(**values, schema_name=self.settings.schema)
        self.platform.definitions = code_location(resource)

    def set(self, **fields: str) -> None:
        set_fields(self.world.lakehouse, "LIFE", fields, datetime.now(UTC))

    def look(self) -> dg.RunRequest | None:
        """Of the sensor; the partitions that it asks for are added and removed, as the daemon does."""
        instance = self.platform.instance
        context = dg.build_sensor_context(instance=instance, sensor_name=SENSOR)
        found = look(context, self.settings, datetime.now(UTC))
        for request in found.dynamic_partitions_requests or []:
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                instance.add_dynamic_partitions("alert_id", list(request.partition_keys))
            else:
                for key in request.partition_keys:
                    instance.delete_dynamic_partition("alert_id", key)
        return next(iter(found.run_requests or []), None)

    def react(self) -> None:
        """The sensor sees the change and its run succeeds; then it sees nothing more to do."""
        request = self.look()
        assert request is not None
        assert request.run_config["ops"]["deploy"]["config"]["alert_ids"] == ["LIFE"]
        result = self.platform.run("sync_changed", config=request.run_config, tags=dict(request.tags))
        assert result.success
        assert self.look() is None

    @property
    def body(self) -> dict[str, Any]:
        """Of the one alert in the workspace that is not STAYS."""
        (found,) = self.others()
        return found

    def others(self) -> list[dict[str, Any]]:
        return [body for body in self.world.remote() if body["display_name"] != "[WARNING] STAYS"]

    def row(self) -> tuple[str, str | None]:
        row = self.world.row("LIFE")
        return row["last_sync_status"], row["databricks_alert_id"]

    def partitions(self) -> set[str]:
        return set(self.platform.instance.get_dynamic_partitions("alert_id"))

    def status_of_partition(self) -> Any:
        """Of its newest materialization: what the last sync that changed it says."""
        (record,) = self.platform.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=DEPLOYED_ALERTS, asset_partitions=["LIFE"]), limit=1
        ).records
        assert record.asset_materialization is not None
        found = record.asset_materialization.metadata
        return found["status"].value, found["databricks_alert_id"].value, found["display_name"].value


def test_the_whole_life_of_an_alert(platform: Platform) -> None:
    life = Life(platform)
    assert platform.run("sync").success
    assert life.look() is None
    assert (life.others(), life.partitions()) == ([], {"STAYS"})

    life.world.configure("LIFE", alert_name="Life", alert_query_template=GOOD, aggregation_type=None)
    life.react()
    first = life.body["id"]
    assert (life.body["display_name"], life.row()) == ("[WARNING] Life", ("CREATED", first))
    assert life.partitions() == {"STAYS", "LIFE"}
    assert life.status_of_partition() == ("CREATED", first, "[WARNING] Life")

    life.set(threshold_value_double="140")
    life.react()
    assert life.body["evaluation"]["threshold"]["value"]["double_value"] == 140.0
    assert (life.body["id"], life.row()) == (first, ("UPDATED", first))

    life.set(alert_name="Later life", severity="CRITICAL")
    life.react()
    assert (life.body["id"], life.body["display_name"]) == (first, "[CRITICAL] Later life")
    assert life.status_of_partition() == ("UPDATED", first, "[CRITICAL] Later life")

    life.set(is_enabled="false")
    life.react()
    assert (life.body["id"], life.body["schedule"]["pause_status"]) == (first, "PAUSED")
    life.set(is_enabled="true")
    life.react()
    assert (life.body["id"], life.body["schedule"]["pause_status"]) == (first, "UNPAUSED")

    life.use(delete_disabled=True)
    life.set(is_enabled="false")
    life.react()
    assert (life.others(), life.row()) == ([], ("DELETED", None))
    assert life.partitions() == {"STAYS", "LIFE"}, "it is still configured"
    life.set(is_enabled="true")
    life.react()
    second = life.body["id"]
    assert second != first
    assert life.row() == ("CREATED", second)
    assert life.status_of_partition() == ("CREATED", second, "[CRITICAL] Later life")

    before = life.body
    life.set(alert_query_template="SELECT nope AS cost FROM costs")
    life.react()
    assert life.body == before, "its last good form stays"
    assert life.row() == ("INVALID", second)
    assert "nope" in life.world.row("LIFE")["last_sync_error"]
    assert platform.checks()["LIFE"] == "FAILED"
    life.set(alert_query_template="SELECT cost + 1 AS cost FROM costs")
    life.react()
    assert (life.body["id"], life.row()) == (second, ("UPDATED", second))
    assert "cost + 1" in life.body["query_text"]
    assert platform.checks()["LIFE"] == "SUCCEEDED"

    delete_alert(life.world.lakehouse, "LIFE")
    life.react()
    assert life.others() == []
    assert life.partitions() == {"STAYS"}

    writes = len(life.world.writes())
    assert platform.run("sync").success
    assert len(life.world.writes()) == writes
    assert platform.remote() == ["[WARNING] STAYS"]

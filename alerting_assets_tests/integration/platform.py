"""A code location in a folder of its own, with the ports and the Dagster instance that it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import requests
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from alerting_assets.assets.validation import CHECKS
from alerting_assets.definitions import code_location
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.resource import AlertingResource
from alerting_assets.settings import Settings
from alerting_assets.validation import Group
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.examples import values
from alerting_assets_tests.profile import THOROUGH

COSTS = TableSpec("costs", "", (Column("cost", "double"),), key=())


class Platform:
    """A code location in a folder of its own, as `make run` has it."""

    def __init__(self, home: Path, server: LocalWorkspaceServer, instance: dg.DagsterInstance) -> None:
        self.settings = Settings(
            home=home, definitions=home / "alerts", requests_per_minute=100_000, request_burst=10_000
        )
        self.server = server
        self.instance = instance
        self.settings.definitions.mkdir()
        self.definitions = self._location(self.settings)
        with self.tables() as tables:
            tables.create_table(COSTS)
            tables.append("costs", pa.table({"cost": [150.0]}))

    def strict(self) -> None:
        """As with ALERTING_STRICT=true from now on."""
        self.definitions = self._location(replace(self.settings, strict=True))

    def _location(self, settings: Settings) -> dg.Definitions:
        fields = {name: getattr(settings, name) for name in AlertingResource.model_fields if name != "schema_name"}
        resource = AlertingResource(
            **{
                **fields,
                "home": str(settings.home),
                "definitions": str(settings.definitions),
                "schema_name": settings.schema,
            }
        )
        return code_location(resource)

    def tables(self) -> EmbeddedLakehouse:
        return EmbeddedLakehouse(self.settings.lakehouse_root, self.settings.catalog, self.settings.schema)

    def define(self, **queries: str) -> None:
        alerts = [
            values(alert_id=name, alert_name=name, alert_query_template=query, aggregation_type=None)
            for name, query in queries.items()
        ]
        (self.settings.definitions / "alerts.yml").write_text(json.dumps({"alerts": alerts}))

    def run(
        self,
        job: str = "everything",
        *,
        config: Mapping[str, Any] | None = None,
        partition: str | None = None,
        tags: dict[str, str] | None = None,
        assets: Sequence[dg.AssetKey] | None = None,
    ) -> Any:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            run_config={**quiet, **(config or {})},
            partition_key=partition,
            tags=tags,
            asset_selection=assets,
            raise_on_error=False,
        )

    def metadata(self, asset: dg.AssetKey) -> dict[str, Any]:
        event = self.instance.get_latest_materialization_event(asset)
        assert event is not None
        assert event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}

    def checks(self, group: Group = Group.ANALYSIS) -> dict[str, str]:
        """Latest result of the check of this group of rules, by partition."""
        found = self.instance.event_log_storage.get_asset_check_partition_info([CHECKS[group]])
        return {item.partition_key: str(item.latest_execution_status.value) for item in found if item.partition_key}

    def observations(self, asset: dg.AssetKey, partition: str) -> list[dict[str, Any]]:
        """Of a partition, the newest first."""
        wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[partition])
        found = [record.asset_observation for record in self.instance.fetch_observations(wanted, limit=10).records]
        return [{name: value.value for name, value in one.metadata.items()} for one in found if one is not None]

    def observed(self, asset: dg.AssetKey, partition: str) -> dict[str, Any]:
        return self.observations(asset, partition)[0]

    def unsynced(self) -> dict[str, str]:
        """Which assets and partitions Dagster shows as unsynced, each with the first cause that it names."""
        graph = self.definitions.resolve_asset_graph()
        found = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        places = [
            (key, partition)
            for key in graph.get_all_asset_keys()
            for partition in (
                self.instance.get_dynamic_partitions("alert_id") if graph.get(key).is_partitioned else [None]
            )
        ]
        return {
            f"{key.to_user_string()} {partition or ''}".strip(): causes[0].reason
            for key, partition in places
            if (causes := found.get_stale_root_causes(key, partition))
        }

    def failure(self, result: Any) -> str:
        return next(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)

    def materialized(self, asset: dg.AssetKey) -> set[str]:
        return self.instance.get_materialized_partitions(asset)

    def writes(self) -> int:
        headers = {"Authorization": f"Bearer {self.server.token}"}
        answer = requests.get(f"{self.server.address}/api/local/journal?writes=true", headers=headers, timeout=5).json()
        return len(answer["requests"])

    def fault(self, **rule: Any) -> None:
        headers = {"Authorization": f"Bearer {self.server.token}"}
        address = f"{self.server.address}/api/local/faults"
        requests.post(address, json=rule, headers=headers, timeout=5).raise_for_status()

    def heal(self) -> None:
        headers = {"Authorization": f"Bearer {self.server.token}"}
        requests.delete(f"{self.server.address}/api/local/faults", headers=headers, timeout=5).raise_for_status()

    def remote(self) -> list[str]:
        return sorted(alert.body["display_name"] for alert in open_workspace(self.settings).list_alerts())


def instance_in(folder: Path) -> dg.DagsterInstance:
    """In memory, which saves a third of the time of each run; in `make test-thorough` in files, as people have it. Files it is each time
    for the main job, `alerting dev` and the UI."""
    return dg.DagsterInstance.local_temp(str(folder)) if THOROUGH else dg.DagsterInstance.ephemeral(str(folder))


@contextmanager
def in_folder(folder: Path) -> Iterator[Platform]:
    settings = Settings(home=folder)
    with (
        EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema) as tables,
        LocalWorkspaceServer(settings.workspace_root, tables.query, port=0) as server,
        instance_in(folder) as instance,
    ):
        yield Platform(folder, server, instance)

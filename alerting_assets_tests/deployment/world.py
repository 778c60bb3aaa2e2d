"""A lakehouse with alerts, a real local workspace, and the sync between them: what the tests of the sync share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import requests

from alerting_assets.alerts.marker import read_marker
from alerting_assets.configuration import Row, read_rows, to_alerts
from alerting_assets.configuration.rows import as_table
from alerting_assets.deployment import DesiredAlert, Status, Syncer, SyncResult
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, ALERT_DEPLOYMENTS, SYNC_COLUMNS
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.examples import TARGET, configuration

LOCAL = replace(TARGET, warehouse_id="local")

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


class World:
    """A lakehouse with alerts, a local workspace, and the sync between them."""

    def __init__(self, lakehouse: Lakehouse, server: LocalWorkspaceServer, root: Path) -> None:
        self.lakehouse = lakehouse
        self.server = server
        self.settings = Settings(home=root, requests_per_minute=100_000, request_burst=10_000, max_concurrency=8)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {server.token}"

    def configure(self, *alert_ids: str, **changes: Any) -> None:
        alerts = [configuration(**{"alert_name": f"Alert {name}", "alert_id": name, **changes}) for name in alert_ids]
        self.lakehouse.merge(ALERT_CONFIGURATIONS.name, as_table(alerts, NOW), on=["alert_id"])

    def remove(self, alert_id: str) -> None:
        self.lakehouse.delete(ALERT_CONFIGURATIONS.name, pa.table({"alert_id": [alert_id]}))

    def forget(self) -> None:
        """As if the lakehouse was made anew."""
        known = self.lakehouse.read(ALERT_DEPLOYMENTS.name, ALERT_DEPLOYMENTS.key)
        self.lakehouse.delete(ALERT_DEPLOYMENTS.name, known)

    def blank(self) -> None:
        """As if the table was restored to a version before the deployment."""
        rows = self.lakehouse.read(ALERT_CONFIGURATIONS.name, ["alert_id", *SYNC_COLUMNS])
        empty = pa.Table.from_pylist([{"alert_id": row["alert_id"]} for row in rows.to_pylist()], schema=rows.schema)
        self.lakehouse.merge(ALERT_CONFIGURATIONS.name, empty, on=["alert_id"], update=SYNC_COLUMNS, insert=False)

    def desired(self) -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        rows = read_rows(self.lakehouse)
        return rows, [DesiredAlert.deploy(alert.compiled) for alert in to_alerts(rows, LOCAL) if alert.compiled]

    def sync(
        self, desired: Callable[[], tuple[Sequence[Row], Sequence[DesiredAlert]]] | None = None, **options: Any
    ) -> SyncResult:
        syncer = Syncer(open_workspace(self.settings), "test", self.settings.max_concurrency, **options)
        return syncer.sync(self.lakehouse, desired or self.desired, lambda: datetime.now(UTC))

    def request(self, method: str, path: str, **options: Any) -> Any:
        """By hand, past the product's client. A name that is taken is refused, as a person may find."""
        answer = self._session.request(method, f"{self.server.address}{path}", timeout=20, **options)
        assert answer.ok or "RESOURCE_ALREADY_EXISTS" in answer.text, answer.text
        return answer.json()

    def fault(self, **rule: Any) -> None:
        self.request("POST", "/api/local/faults", json=rule)

    def purge(self, remote_id: str) -> None:
        """As if it had never been, or could not be seen: unlike a trashed one it does not answer by its id."""
        self.request("DELETE", f"/api/2.0/alerts/{remote_id}", params={"purge": "true"})

    def heal(self) -> None:
        self.request("DELETE", "/api/local/faults")

    def writes(self) -> list[dict[str, Any]]:
        found = self.request("GET", "/api/local/journal", params={"writes": "true"})["requests"]
        return [request for request in found if request["path"].startswith("/api/2.0/alerts")]

    def remote(self) -> list[dict[str, Any]]:
        return [alert.body for alert in open_workspace(self.settings).list_alerts()]

    def remote_ids(self) -> list[str]:
        """alert_ids by marker, sorted; alerts without a marker of ours by their display name."""
        markers = [(read_marker(body["query_text"]), body["display_name"]) for body in self.remote()]
        return sorted(marker.alert_id if marker else name for marker, name in markers)

    def row(self, alert_id: str) -> Row:
        return next(row for row in read_rows(self.lakehouse) if row["alert_id"] == alert_id)


def counts(result: SyncResult) -> dict[str, int]:
    return {status.value: result.count(status) for status in Status if result.count(status)}


def assert_settled(world: World, *alert_ids: str) -> None:
    """Exactly these are deployed, and a further sync writes neither to the workspace nor to the table."""
    assert world.remote_ids() == sorted(alert_ids)
    writes, version = len(world.writes()), world.lakehouse.version(ALERT_CONFIGURATIONS.name)
    result = world.sync()
    assert counts(result) == ({"UNCHANGED": len(alert_ids)} if alert_ids else {})
    assert (len(world.writes()), world.lakehouse.version(ALERT_CONFIGURATIONS.name)) == (writes, version)


def writable(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What creates another alert like this one, with changes."""
    kept = {name: body[name] for name in ("query_text", "warehouse_id", "evaluation", "schedule")}
    evaluation = {
        name: value for name, value in body["evaluation"].items() if name not in ("state", "last_evaluated_at")
    }
    return {**kept, "evaluation": evaluation, **changes}


def assert_recorded(world: World) -> None:
    """Every alert in the workspace is known by its id."""
    known = {row["databricks_alert_id"] for row in read_rows(world.lakehouse)}
    assert {body["id"] for body in world.remote()} <= known

"""A real local workspace server, the product's client for it, and the plain databricks-sdk. Its SQL runs on SQLite: enough for a
server that takes any function from text to Arrow."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.version import __version__ as sdk_version

from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.client import DatabricksWorkspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.workspace.bodies import alert_body

TOKEN = "dapi-for-tests-only"
SDK_VERSION = tuple(int(part) for part in sdk_version.split("."))
"""`make test` runs on the one of requirements.lock, `make test-sdk-latest` on the newest."""


def sqlite_runner(sql: str) -> pa.Table:
    """Backticks, CTEs, aggregates and literals: as much Spark as these tests write."""
    with sqlite3.connect(":memory:") as database:
        cursor = database.execute(sql)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    return pa.table({name: [row[index] for row in rows] for index, name in enumerate(names)})


class Server:
    """A running server and the requests that only tests make of it."""

    def __init__(self, server: LocalWorkspaceServer, root: Path) -> None:
        self.server, self.root = server, root
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {server.token}"

    @property
    def address(self) -> str:
        return self.server.address

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.address + path, timeout=20, **options)

    def json(self, method: str, path: str, **options: Any) -> Any:
        answer = self.request(method, path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, **changes: Any) -> dict[str, Any]:
        created: dict[str, Any] = self.json("POST", "/api/2.0/alerts", json=alert_body(**changes))
        return created

    def fault(self, fault: str, method: str | None = None, path: str = "/api/2.0/alerts*", **rule: Any) -> None:
        match = {"path": path, **({"method": method} if method else {})}
        self.json("POST", "/api/local/faults", json={"fault": fault, "match": match, **rule})

    def journal(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json("GET", "/api/local/journal", params=query)["requests"]
        return found

    def requests(self, method: str, path: str = "/api/2.0/alerts") -> list[dict[str, Any]]:
        return [entry for entry in self.journal() if entry["method"] == method and entry["path"] == path]

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json("GET", "/api/2.0/alerts", params={"page_size": 100})["alerts"]
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("home")
    settings = Settings(home=root)
    with LocalWorkspaceServer(settings.workspace_root, sqlite_runner, port=None, token=TOKEN) as server:
        yield Server(server, root)


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """Empty of alerts, destinations and faults; the journal goes on."""
    yield running
    running.json("DELETE", "/api/local/faults")
    while destinations := running.json("GET", "/api/2.0/notification-destinations")["results"]:
        for destination in destinations:
            running.json("DELETE", f"/api/2.0/notification-destinations/{destination['id']}")
    while alerts := running.alerts():
        for alert in alerts:
            running.json("DELETE", f"/api/2.0/alerts/{alert['id']}", params={"purge": "true"})


@pytest.fixture
def settings(server: Server) -> Settings:
    return Settings(home=server.root, requests_per_minute=100_000, request_burst=10_000)


@pytest.fixture
def workspace(settings: Settings) -> DatabricksWorkspace:
    return open_workspace(settings)


@pytest.fixture
def sdk(server: Server) -> WorkspaceClient:
    return WorkspaceClient(config=Config(host=server.address, token=TOKEN, auth_type="pat"))


@pytest.fixture
def databricks(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DatabricksWorkspace]:
    """The port to whatever DATABRICKS_HOST names, as on Databricks."""

    def connect(address: str) -> DatabricksWorkspace:
        monkeypatch.setenv("DATABRICKS_HOST", address + "/")
        monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
        return open_workspace(Settings(workspace="databricks", requests_per_minute=100_000, request_burst=10_000))

    return connect

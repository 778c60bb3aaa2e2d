"""The workspace port over the real databricks-sdk. What the API does: docs/architecture.md, "The Alerts API"."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from alerting_assets.errors import (
    SettingsError,
    WorkspaceError,
    WorkspaceNotFound,
    WorkspaceRejected,
    WorkspaceUnavailable,
)
from alerting_assets.settings import Settings
from alerting_assets.workspace.destinations import DestinationsClient
from alerting_assets.workspace.endpoint import Endpoint, endpoint_file
from alerting_assets.workspace.failures import Hints
from alerting_assets.workspace.paging import every_item
from alerting_assets.workspace.port import RemoteAlert, RemoteDestination, Request
from alerting_assets.workspace.sdk import Config
from alerting_assets.workspace.secret_scopes import read_secret
from alerting_assets.workspace.transport import NoRetries, Transport

ALERTS = "/api/2.0/alerts"
ALERT = "/api/2.0/alerts/{id}"
LOCAL_HOST = "local"
DEADLINE_SECONDS = 60.0
STATEMENT_REQUESTS_PER_MINUTE = 3_000
"""Nothing is published; the service asks for pauses by 429."""


class DatabricksWorkspace:
    """address: the workspace's URL; identity: what `host` says; alert_page: path of an alert's page, with `{id}`."""

    def __init__(self, transport: Transport, *, address: str, identity: str, alert_page: str) -> None:
        self._transport, self._address = transport, address
        self._identity, self._alert_page = identity, alert_page
        self._destinations = DestinationsClient(transport, address)

    @property
    def host(self) -> str:
        return self._identity

    @property
    def requests(self) -> tuple[Request, ...]:
        return self._transport.requests

    @property
    def reads(self) -> int:
        return self._transport.reads

    @property
    def writes(self) -> int:
        return self._transport.writes

    @property
    def retries(self) -> int:
        return self._transport.retries

    def list_alerts(self) -> list[RemoteAlert]:
        alerts: dict[str, RemoteAlert] = {}  # an alert can stand on two pages when others vanish between the requests
        # The service says `alerts`; databricks-sdk 0.60 reads `results`, and so finds an empty list where there are alerts.
        names = ("alerts", "results")
        for body in every_item(self._transport, ALERTS, names, address=self._address, what="Alerts v2"):
            alert = self._remote(body)
            alerts[alert.id] = alert
        return list(alerts.values())

    def get_alert(self, alert_id: str) -> RemoteAlert:
        return self._remote(self._transport.call("GET", _path(alert_id), ALERT))

    def create_alert(self, body: dict[str, Any]) -> RemoteAlert:
        _refuse_nan(body)
        answer = self._transport.call("POST", ALERTS, ALERTS, body=body)
        try:
            return self._remote(answer)
        except WorkspaceError as error:
            raise WorkspaceUnavailable(f"{error}; it is unknown whether the alert was created") from error

    def update_alert(self, alert_id: str, body: dict[str, Any], update_mask: Sequence[str]) -> RemoteAlert:
        _refuse_nan(body)
        query = {"update_mask": ",".join(update_mask)}
        return self._remote(self._transport.call("PATCH", _path(alert_id), ALERT, query=query, body=body))

    def trash_alert(self, alert_id: str) -> None:
        try:
            self._transport.call("DELETE", _path(alert_id), ALERT)
        except WorkspaceNotFound:
            return  # already gone, perhaps by a request of ours whose answer was lost

    def list_destinations(self) -> list[RemoteDestination]:
        return self._destinations.list_all()

    def get_destination(self, destination_id: str) -> RemoteDestination:
        return self._destinations.get(destination_id)

    def create_destination(self, body: dict[str, Any]) -> RemoteDestination:
        return self._destinations.create(body)

    def update_destination(self, destination_id: str, body: dict[str, Any]) -> RemoteDestination:
        return self._destinations.update(destination_id, body)

    def delete_destination(self, destination_id: str) -> None:
        self._destinations.delete(destination_id)

    def read_secret(self, scope: str, key: str) -> str:
        return read_secret(self._transport, scope, key, address=self._address)

    def alert_url(self, alert_id: str) -> str:
        return self._address + self._alert_page.format(id=quote(alert_id, safe=""))

    def stop(self) -> None:
        self._transport.stop()

    def _remote(self, body: Any) -> RemoteAlert:
        if not isinstance(body, dict) or not isinstance(body.get("id"), str) or not body["id"]:
            raise WorkspaceError(f"{self._address} answered with an alert that has no id")
        return RemoteAlert(body["id"], body)


def connect(settings: Settings, *, deadline_seconds: float = DEADLINE_SECONDS) -> DatabricksWorkspace:
    """Sends nothing but what the SDK's constructor may look up. Raises SettingsError, WorkspaceUnavailable."""
    config, hints = _sign_in(settings)
    address = str(config.host).rstrip("/")
    rate = settings.requests_per_minute
    # As long as it takes until each of the threads had a turn: a low rate is no reason to fail.
    deadline_seconds += settings.max_concurrency * 60 / rate
    transport = _transport(config, hints, rate, settings.request_burst, deadline_seconds)
    if settings.workspace == "databricks":
        return DatabricksWorkspace(transport, address=address, identity=address, alert_page="/sql/alerts-v2/{id}")
    return DatabricksWorkspace(transport, address=address, identity=LOCAL_HOST, alert_page="/alerts/{id}")


def connect_for_statements(settings: Settings) -> Transport:
    """The way to the statement execution API of the same workspace; its limits are not those of the alerts API."""
    config, hints = _sign_in(settings)
    rate = STATEMENT_REQUESTS_PER_MINUTE
    return _transport(config, hints, rate, rate, DEADLINE_SECONDS)


def _sign_in(settings: Settings) -> tuple[Config, Hints]:
    if settings.workspace == "databricks":
        config = _config()
        host = str(config.host).rstrip("/")
        return config, Hints(
            host=host,
            away=f"is the workspace at {host} up? for the local one run `alerting workspace serve` and set ALERTING_WORKSPACE=local",
            denied="check DATABRICKS_TOKEN (or what else the databricks-sdk signs in with) and the permissions of that principal",
        )
    endpoint = Endpoint.read(settings.workspace_root)
    file = endpoint_file(settings.workspace_root)
    return _config(host=endpoint.address, token=endpoint.token, auth_type="pat"), Hints(
        host=f"the local workspace ({endpoint.address})",
        away=f"is the server that {file} names still running? if not, run `alerting workspace serve`",
        denied=f"{file} holds another token than the server at that address: stop the server and run `alerting workspace serve`",
    )


def _transport(
    config: Config, hints: Hints, requests_per_minute: int, burst: int, deadline_seconds: float
) -> Transport:
    return Transport(
        config,
        hints,
        requests_per_minute=requests_per_minute,
        burst=burst,
        deadline_seconds=deadline_seconds,
        # Plain http is this machine, where a refused connection hardly mends itself: waiting would only delay the message.
        connect_deadline_seconds=1.0 if str(config.host).startswith("http://") else 5.0,
    )


def _config(**credentials: Any) -> Config:
    """The SDK's own, from environment variables and profiles, where no credentials are given."""
    try:
        # The time limits hold for what the SDK looks up by itself, too.
        return Config(clock=NoRetries(), retry_timeout_seconds=1, http_timeout_seconds=30.0, **credentials)
    except ValueError as error:
        raise SettingsError(
            f"no sign-in to Databricks: {error}; set DATABRICKS_HOST and DATABRICKS_TOKEN, or use ALERTING_WORKSPACE=local"
        ) from error


def _path(alert_id: str) -> str:
    return f"{ALERTS}/{quote(alert_id, safe='')}"


def _refuse_nan(body: Mapping[str, Any]) -> None:
    try:
        json.dumps(body, allow_nan=False)
    except ValueError as error:
        name = body.get("display_name", "without a name")
        raise WorkspaceRejected(
            f"alert {name!r}: the body holds a number that JSON cannot express (NaN or infinity)"
        ) from error

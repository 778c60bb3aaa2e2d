"""The notification destinations of a workspace, over its transport.

What the API does: docs/architecture.md, "Notification destinations"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from alerting_assets.errors import WorkspaceError, WorkspaceNotFound, WorkspaceUnavailable
from alerting_assets.workspace.paging import every_item
from alerting_assets.workspace.port import RemoteDestination
from alerting_assets.workspace.transport import Transport

DESTINATIONS = "/api/2.0/notification-destinations"
DESTINATION = "/api/2.0/notification-destinations/{id}"


class DestinationsClient:
    """address: the workspace's URL, for messages."""

    def __init__(self, transport: Transport, address: str) -> None:
        self._transport, self._address = transport, address

    def list_all(self) -> list[RemoteDestination]:
        found: dict[str, RemoteDestination] = {}  # one can stand on two pages when others vanish between the requests
        what = "notification destinations"
        for body in every_item(self._transport, DESTINATIONS, ("results",), address=self._address, what=what):
            destination = self._remote(body)
            found[destination.id] = destination
        return list(found.values())

    def get(self, destination_id: str) -> RemoteDestination:
        return self._remote(self._transport.call("GET", _path(destination_id), DESTINATION))

    def create(self, body: dict[str, Any]) -> RemoteDestination:
        answer = self._transport.call("POST", DESTINATIONS, DESTINATIONS, body=body, secrets=frozenset(_secrets(body)))
        try:
            return self._remote(answer)
        except WorkspaceError as error:
            raise WorkspaceUnavailable(
                f"{error}; it is unknown whether the notification destination was created"
            ) from error

    def update(self, destination_id: str, body: dict[str, Any]) -> RemoteDestination:
        secrets = frozenset(_secrets(body))
        return self._remote(
            self._transport.call("PATCH", _path(destination_id), DESTINATION, body=body, secrets=secrets)
        )

    def delete(self, destination_id: str) -> None:
        try:
            self._transport.call("DELETE", _path(destination_id), DESTINATION)
        except WorkspaceNotFound:
            return  # already gone, perhaps by a request of ours whose answer was lost

    def _remote(self, body: Any) -> RemoteDestination:
        if not isinstance(body, dict) or not isinstance(body.get("id"), str) or not body["id"]:
            raise WorkspaceError(f"{self._address} answered with a notification destination that has no id")
        name, kind = body.get("display_name"), body.get("destination_type")
        return RemoteDestination(body["id"], str(name or ""), str(kind or ""), _told(body.get("config")))


def _told(config: Any) -> dict[str, Any] | None:
    """What may be known of a configuration: addresses, and whether secrets are set. The service tells nothing else; if it ever does,
    it is not passed on."""
    if not isinstance(config, Mapping):
        return None
    return {
        kind: {name: value for name, value in fields.items() if name == "addresses" or isinstance(value, bool)}
        for kind, fields in config.items()
        if isinstance(fields, Mapping)
    }


def _secrets(body: Mapping[str, Any]) -> Iterator[str]:
    """Every text of the configuration but e-mail addresses: URLs and user names are as secret as passwords to this API."""
    config = body.get("config")
    for kind, fields in config.items() if isinstance(config, Mapping) else ():
        if kind != "email" and isinstance(fields, Mapping):
            yield from (value for value in fields.values() if isinstance(value, str) and value)


def _path(destination_id: str) -> str:
    return f"{DESTINATIONS}/{quote(destination_id, safe='')}"

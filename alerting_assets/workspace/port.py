"""The port to a Databricks workspace: alerts and notification destinations in and out, as plain JSON bodies of its API, and the
secrets of its secret scopes.

Bodies are dicts and not the SDK's types on purpose: the types of databricks-sdk 0.60 lack fields (run_as), read the alert list
under the wrong key, and drop what they do not know (docs/architecture.md, "The Alerts API").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class RemoteAlert:
    """An alert as the workspace describes it; `body` is the whole answer, output-only fields included."""

    id: str
    body: dict[str, Any] = field(repr=False)

    @property
    def is_active(self) -> bool:
        return bool(self.body.get("lifecycle_state", "ACTIVE") == "ACTIVE")


@dataclass(frozen=True)
class RemoteDestination:
    """A notification destination as the workspace describes it.

    type: EMAIL, SLACK, WEBHOOK, PAGERDUTY, MICROSOFT_TEAMS, or what the service adds some day.
    config: what the service tells of its configuration, as `{"email": {"addresses": [...]}}` or `{"slack": {"url_set": True}}`;
    secrets can be written, never read. None where it tells nothing: in lists, and to those who are no workspace admins."""

    id: str
    name: str
    type: str
    config: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Request:
    """One HTTP request that was sent.

    kind: the path with ids replaced by a placeholder.
    status: the HTTP status, or None where no answer came.
    latency_ms: from sending to the answer, without waits of ours."""

    method: str
    kind: str
    status: int | None
    latency_ms: float

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


class Workspace(Protocol):
    """The port itself. Thread-safe; raises WorkspaceErrors only.

    What is safe to repeat (GET, PATCH, DELETE) is retried inside, and so are the pauses made that 429 and 503 ask for:
    `Retry-After` is honoured by all threads. A creation is never repeated after it may have arrived. What is secret in a body or an
    answer is in no error, no record of a request and no log."""

    @property
    def host(self) -> str:
        """What identifies this workspace in stored state: the URL without a trailing slash, or `local` for the local server."""
        ...

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests sent so far, repetitions included, oldest first. Of very many, only the newest are kept."""
        ...

    @property
    def retries(self) -> int:
        """How many of the requests sent so far were repetitions."""
        ...

    @property
    def reads(self) -> int:
        """How many requests that only read were sent so far, repetitions included."""
        ...

    @property
    def writes(self) -> int:
        """How many requests that may change something were sent so far, repetitions included."""
        ...

    def list_alerts(self) -> list[RemoteAlert]:
        """The alerts of all pages, in the service's order. Raises WorkspaceError when any page fails or has neither `alerts` nor
        `results`: a partial list is never returned."""
        ...

    def get_alert(self, alert_id: str) -> RemoteAlert:
        """The alert with this id, also one in the trash. Raises WorkspaceNotFound."""
        ...

    def create_alert(self, body: dict[str, Any]) -> RemoteAlert:
        """Create an alert from a body of the Alerts v2 API. Raises WorkspaceUnavailable when it is unknown whether the alert was
        created."""
        ...

    def update_alert(self, alert_id: str, body: dict[str, Any], update_mask: Sequence[str]) -> RemoteAlert: ...

    def trash_alert(self, alert_id: str) -> None:
        """Move an alert to the trash. An alert that is already gone is no error."""
        ...

    def list_destinations(self) -> list[RemoteDestination]:
        """The notification destinations of all pages, in the service's order, without their configurations. Names may occur twice.
        Raises WorkspaceError when any page fails: a partial list is never returned."""
        ...

    def get_destination(self, destination_id: str) -> RemoteDestination:
        """Raises WorkspaceNotFound."""
        ...

    def create_destination(self, body: dict[str, Any]) -> RemoteDestination:
        """Create a destination from a body `{"display_name": ..., "config": {<kind>: {...}}}`. Raises WorkspaceUnavailable when it is
        unknown whether the destination was created."""
        ...

    def update_destination(self, destination_id: str, body: dict[str, Any]) -> RemoteDestination:
        """Change the name, the configuration (as a whole), or both. Raises WorkspaceRejected for a configuration of another type,
        which can never be changed."""
        ...

    def delete_destination(self, destination_id: str) -> None:
        """Delete a destination, for good, whether alerts use it or not. One that is already gone is no error."""
        ...

    def read_secret(self, scope: str, key: str) -> str:
        """The text of a secret. Raises WorkspaceNotFound, and WorkspaceError for what is empty or no text."""
        ...

    def alert_url(self, alert_id: str) -> str:
        """The address of the alert's page, for people to open."""
        ...

    def stop(self) -> None:
        """End this port for good; may be called from any thread.

        No further request is sent, and calls that wait (for the rate limit, a pause, a retry) end at once with
        WorkspaceUnavailable. Requests under way end as usual."""
        ...

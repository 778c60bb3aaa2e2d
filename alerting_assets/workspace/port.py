"""The port to a Databricks workspace: alerts in and out, as plain JSON bodies of the Alerts v2 API.

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
class Request:
    """One HTTP request that was sent. kind: the path with ids replaced; status: None without an answer."""

    method: str
    kind: str
    status: int | None
    latency_ms: float

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


class Workspace(Protocol):
    """Retries of what is safe to repeat (GET, PATCH, DELETE) and pauses on 429/503 (Retry-After honoured, shared by all threads)
    are done inside; `create_alert` is never repeated after it may have arrived. Thread-safe. Errors: the WorkspaceError tree."""

    @property
    def host(self) -> str:
        """What identifies this workspace in stored state: the URL without a trailing slash, or `local` for the local server."""
        ...

    @property
    def requests(self) -> tuple[Request, ...]:
        """Those sent so far, repetitions included, oldest first; of very many the newest."""
        ...

    @property
    def retries(self) -> int:
        """Repetitions among the requests sent so far."""
        ...

    @property
    def reads(self) -> int:
        """Requests sent so far that only read, repetitions included."""
        ...

    @property
    def writes(self) -> int:
        """Requests sent so far that may change something, repetitions included."""
        ...

    def list_alerts(self) -> list[RemoteAlert]:
        """All pages. Raises WorkspaceError when any page fails or has neither `alerts` nor `results`: never a partial list."""
        ...

    def get_alert(self, alert_id: str) -> RemoteAlert:
        """Raises WorkspaceNotFound."""
        ...

    def create_alert(self, body: dict[str, Any]) -> RemoteAlert:
        """Raises WorkspaceUnavailable when it is unknown whether the alert was created."""
        ...

    def update_alert(self, alert_id: str, body: dict[str, Any], update_mask: Sequence[str]) -> RemoteAlert: ...

    def trash_alert(self, alert_id: str) -> None:
        """An alert that is already gone is fine."""
        ...

    def alert_url(self, alert_id: str) -> str:
        """The page a person opens."""
        ...

    def stop(self) -> None:
        """For good, from any thread: no further request is sent, and calls that wait (for the rate limit, a pause, a retry) end at
        once with WorkspaceUnavailable. Requests under way end as usual."""
        ...

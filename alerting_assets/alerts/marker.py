"""The marker at the head of every query we deploy: the alert's identity in the workspace (docs/architecture.md, "Identity")."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARKER = re.compile(
    r"\A/\* alerting_assets alert_id=(?P<alert_id>[A-Z0-9_-]{1,64}) environment=(?P<environment>[A-Za-z0-9_-]{1,64})"
    r" nonce=(?P<nonce>[0-9a-f]{32}) \*/(?:\n|\Z)"
)


@dataclass(frozen=True)
class Marker:
    """nonce: 32 hex digits, new for every creation that is sent."""

    alert_id: str
    environment: str
    nonce: str

    def __str__(self) -> str:
        return f"/* alerting_assets alert_id={self.alert_id} environment={self.environment} nonce={self.nonce} */"


def mark(query_text: str, marker: Marker) -> str:
    return f"{marker}\n{query_text}"


def read_marker(query_text: str) -> Marker | None:
    """None for any text that does not begin with exactly our marker: such an alert is not ours."""
    found = _MARKER.match(query_text)
    return Marker(**found.groupdict()) if found else None

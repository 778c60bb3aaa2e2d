"""Which remote alert belongs to which configuration (docs/architecture.md, "Identity").

How a remote alert is recognised, in this order; only alerts whose marker names this environment are ever considered:

1. the stored id, when its marker names the alert: that is the one, whatever its nonce;
2. where no id is stored, the stored nonce, or one that we drew (`registry`): a creation whose answer was lost (several: the oldest,
   the others are copies);
3. content that is exactly what would be deployed: to take it over changes nothing;
4. any other marker, where nothing was ever remembered: the lakehouse was made anew.

A marker alone proves where a query came from, and not whose it is now: people copy alerts. What else bears one is told in every plan,
and neither changed nor trashed, unless its nonce is one that we drew for it (a leftover).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alerting_assets.alerts.marker import Marker, read_marker
from alerting_assets.workspace.port import RemoteAlert


@dataclass(frozen=True)
class SyncState:
    """What the last sync wrote to the alert's row (tables.SYNC_COLUMNS)."""

    alert_id: str
    databricks_alert_id: str | None = None
    databricks_host: str | None = None
    databricks_display_name: str | None = None
    deployment_nonce: str | None = None
    applied_hash: str | None = None
    last_sync_status: str | None = None
    last_sync_error: str | None = None
    failed_syncs: int | None = None
    routed_to: str | None = None
    applied_silences: str | None = None

    @property
    def is_reserved(self) -> bool:
        """Whether `alerting adopt` is about to hand that remote alert over and has not come to it yet. A sync that runs meanwhile
        leaves it alone."""
        return self.databricks_alert_id is not None and self.deployment_nonce is None and self.applied_hash is None

    def on(self, host: str) -> SyncState:
        """The part of this that is about the workspace `host`: nothing, if it was stored for another one."""
        return self if self.databricks_host == host else SyncState(self.alert_id)


def read_state(rows: Iterable[Mapping[str, Any]]) -> dict[str, SyncState]:
    names = SyncState.__dataclass_fields__
    return {row["alert_id"]: SyncState(**{name: row[name] for name in names}) for row in rows}


@dataclass(frozen=True)
class Ours:
    """A remote alert that bears, or is about to bear, a marker of this environment."""

    alert: RemoteAlert
    nonce: str


def marker_of(alert: RemoteAlert) -> Marker | None:
    return read_marker(str(alert.body.get("query_text") or ""))


def ours_in(active: Iterable[RemoteAlert], environment: str) -> dict[str, list[Ours]]:
    """The remote alerts of this environment by alert_id, in the order of the list: the oldest first."""
    found: dict[str, list[Ours]] = {}
    for alert in active:
        marker = marker_of(alert)
        if marker is not None and marker.environment == environment:
            found.setdefault(marker.alert_id, []).append(Ours(alert, marker.nonce))
    return found

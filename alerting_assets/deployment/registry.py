"""What we deployed, remembered by the nonces that we drew (table `alert_deployments`). It outlives the rows of the configuration: a
removed definition, or a table that was restored to an older version.

A marker says where a query came from; whoever copies an alert copies that, too. An alert is ours when its nonce is one that we drew,
and its id the one that the workspace answered. Where that answer was lost, it is the oldest alert with the nonce."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa

from alerting_assets.deployment.actions import Outcome, Status
from alerting_assets.deployment.identity import Ours, SyncState
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_DEPLOYMENTS

_KEPT = (Status.CREATED, Status.UPDATED, Status.UNCHANGED)


@dataclass(frozen=True)
class Deployed:
    """remote_id: None until the workspace answered to the creation. is_trashed: by a sync; it is remembered all the same."""

    nonce: str
    alert_id: str
    remote_id: str | None = None
    is_trashed: bool = False


@dataclass(frozen=True)
class Registry:
    """by_nonce: of one environment and workspace. is_new: nothing was ever remembered, as after an upgrade from a version that did
    not, or with a lakehouse that was made anew; markers alone are then believed, once."""

    by_nonce: Mapping[str, Deployed] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        return not self.by_nonce

    def owns(self, candidate: Ours, others: Sequence[Ours]) -> bool:
        """others: all alerts in the workspace with a marker of the same alert, the oldest first."""
        known = self.by_nonce.get(candidate.nonce)
        if known is None:
            return False
        oldest = next(one for one in others if one.nonce == candidate.nonce)
        return candidate is oldest if known.remote_id is None else candidate.alert.id == known.remote_id

    def with_ids(self, state: Mapping[str, SyncState], host: str) -> dict[str, SyncState]:
        """The state of the rows, with what is remembered of alerts whose rows say nothing of a deployment: they were restored from
        an older version of the table."""
        latest = {one.alert_id: one for one in self.by_nonce.values() if one.remote_id and not one.is_trashed}
        found = {}
        for alert_id, known in state.items():
            remembered = latest.get(alert_id)
            is_blank = known == SyncState(alert_id)
            if remembered is not None and is_blank:
                known = replace(
                    known,
                    databricks_alert_id=remembered.remote_id,
                    databricks_host=host,
                    deployment_nonce=remembered.nonce,
                )
            found[alert_id] = known
        return found


def read_registry(lakehouse: Lakehouse, environment: str, host: str) -> Registry:
    rows = [
        row
        for row in lakehouse.read(ALERT_DEPLOYMENTS.name).to_pylist()
        if row["environment"] == environment and row["databricks_host"] == host
    ]
    rows.sort(key=lambda row: row["recorded_at"])
    found = (
        Deployed(row["deployment_nonce"], row["alert_id"], row["databricks_alert_id"], row["trashed_at"] is not None)
        for row in rows
    )
    return Registry({one.nonce: one for one in found})


def remember(lakehouse: Lakehouse, deployed: Iterable[Deployed], *, environment: str, host: str, now: datetime) -> None:
    """Store them in one MERGE; where there are none, no commit is made."""
    rows = [
        {
            "environment": environment,
            "databricks_host": host,
            "deployment_nonce": one.nonce,
            "alert_id": one.alert_id,
            "databricks_alert_id": one.remote_id,
            "recorded_at": now,
            "trashed_at": now if one.is_trashed else None,
        }
        for one in deployed
    ]
    if rows:
        table = pa.Table.from_pylist(rows, schema=arrow_schema(ALERT_DEPLOYMENTS))
        lakehouse.merge(ALERT_DEPLOYMENTS.name, table, on=ALERT_DEPLOYMENTS.key)


def news(outcomes: Iterable[Outcome], registry: Registry) -> list[Deployed]:
    """What the outcomes of a sync say that is not remembered yet."""
    found = {}
    for outcome in outcomes:
        if outcome.status in _KEPT and outcome.remote_id is not None and outcome.nonce is not None:
            one = Deployed(outcome.nonce, outcome.alert_id, outcome.remote_id)
            if registry.by_nonce.get(outcome.nonce) != one:
                found[outcome.nonce] = one
        elif outcome.status is Status.DELETED and outcome.planned.nonce is not None:
            one = Deployed(outcome.planned.nonce, outcome.alert_id, outcome.planned.remote_id, is_trashed=True)
            if registry.by_nonce.get(one.nonce) != one:
                found[one.nonce] = one
    return list(found.values())

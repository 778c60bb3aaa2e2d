"""What a sync stores in the rows of alert_configurations: tables.SYNC_COLUMNS and nothing else, and no row that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from alerting_assets.deployment.identity import SyncState
from alerting_assets.deployment.outcome import Outcome, Status
from alerting_assets.deployment.plan import Action
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, SYNC_COLUMNS


def store_nonces(lakehouse: Lakehouse, nonces: Mapping[str, str], host: str) -> None:
    """Store the nonces of creations that are about to be sent. Whatever the rows say about an earlier deployment no longer holds,
    and is cleared."""
    rows = [
        {
            "alert_id": alert_id,
            "databricks_alert_id": None,
            "databricks_host": host,
            "deployment_nonce": nonce,
            "applied_hash": None,
        }
        for alert_id, nonce in nonces.items()
    ]
    _merge(lakehouse, rows, ("databricks_alert_id", "databricks_host", "deployment_nonce", "applied_hash"))


def write_back(
    lakehouse: Lakehouse, outcomes: Iterable[Outcome], state: Mapping[str, SyncState], host: str, now: datetime
) -> None:
    """Store what became of each alert, in one MERGE of the rows that say something new; where there are none, no commit is made.
    Rows that are gone by now stay gone."""
    rows = []
    for outcome in outcomes:
        if outcome.planned.is_leftover or not outcome.planned.is_configured:
            continue  # its row says nothing about a leftover, and a removed alert has none
        before = state.get(outcome.alert_id, SyncState(outcome.alert_id))
        after = _state_after(outcome, before, host)
        if after != before:
            rows.append({**asdict(after), "last_synced_at": now})
    _merge(lakehouse, rows, SYNC_COLUMNS)


def _state_after(outcome: Outcome, before: SyncState, host: str) -> SyncState:
    planned, compiled = outcome.planned, outcome.planned.compiled
    known = before.on(host)
    if outcome.status is Status.ERROR:
        # The nonce that was stored for a creation stays: by it the next sync finds an alert that was created after all.
        created = SyncState(outcome.alert_id, databricks_host=host, deployment_nonce=outcome.nonce)
        return replace(
            created if planned.action is Action.CREATE else before,
            last_sync_status=outcome.status.value,
            last_sync_error=outcome.error,
            failed_syncs=(before.failed_syncs or 0) + 1,
        )
    if planned.action is Action.KEPT:
        return before
    if planned.action is Action.DELETE:
        return SyncState(outcome.alert_id, last_sync_status=outcome.status.value)
    if compiled is None:
        is_nowhere = not planned.is_enabled and before.databricks_host in (None, host)
        if is_nowhere and before.last_sync_status == Status.DELETED:
            return before
        kept = SyncState(outcome.alert_id) if is_nowhere else before
        return replace(
            kept, last_sync_status=Status.INVALID.value, last_sync_error=planned.held_reason, failed_syncs=None
        )
    if outcome.remote_id is None:  # disabled, and not deployed here
        elsewhere = before.databricks_host not in (None, host)
        was_deleted = before.last_sync_status == Status.DELETED
        status = Status.DELETED if was_deleted else outcome.status
        return before if elsewhere else SyncState(outcome.alert_id, last_sync_status=status.value)
    settled = outcome.status is Status.UNCHANGED and known.last_sync_status in (Status.CREATED, Status.UPDATED)
    return SyncState(
        outcome.alert_id,
        outcome.remote_id,
        host,
        outcome.remote_name,
        outcome.nonce,
        compiled.config_hash,
        known.last_sync_status if settled else outcome.status.value,
    )


def _merge(lakehouse: Lakehouse, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    if not rows:
        return
    whole = arrow_schema(ALERT_CONFIGURATIONS)
    schema = pa.schema([whole.field(name) for name in ("alert_id", *columns)])
    lakehouse.merge(
        ALERT_CONFIGURATIONS.name,
        pa.Table.from_pylist(list(rows), schema=schema),
        on=["alert_id"],
        update=columns,
        insert=False,
    )

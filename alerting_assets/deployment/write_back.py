"""What a sync stores in the rows of alert_configurations: tables.SYNC_COLUMNS and nothing else, and no row that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from alerting_assets.deployment.outcome import Outcome, Status
from alerting_assets.deployment.plan import Action, SyncState
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, SYNC_COLUMNS


def store_nonces(lakehouse: Lakehouse, nonces: Mapping[str, str], host: str) -> None:
    """For creations that are about to be sent; whatever was stored of an earlier deployment no longer holds."""
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
    """One MERGE of the rows that say something new; none, no commit. Rows that are gone by now stay gone."""
    rows = []
    for outcome in outcomes:
        if outcome.planned.action is Action.DELETE:
            continue  # of a removed alert, which has no row; or a leftover, which its row says nothing about
        before = state.get(outcome.alert_id, SyncState(outcome.alert_id))
        after = _state_after(outcome, before, host)
        if after != before:
            rows.append({**asdict(after), "last_synced_at": now})
    _merge(lakehouse, rows, SYNC_COLUMNS)


def _state_after(outcome: Outcome, before: SyncState, host: str) -> SyncState:
    compiled = outcome.planned.compiled
    known = before.on(host)
    match outcome.status:
        case Status.CREATED | Status.UPDATED | Status.UNCHANGED if compiled is not None:
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
        case Status.UNCHANGED:  # disabled, and not deployed here
            elsewhere = before.databricks_host not in (None, host)
            return before if elsewhere else SyncState(outcome.alert_id, last_sync_status=outcome.status.value)
        case Status.ERROR if outcome.planned.action is Action.CREATE:
            # The nonce that was stored for it stays: by it the next sync finds an alert that was created after all.
            return SyncState(
                outcome.alert_id,
                databricks_host=host,
                deployment_nonce=outcome.nonce,
                last_sync_status=outcome.status.value,
                last_sync_error=outcome.error,
            )
        case _:
            return replace(before, last_sync_status=outcome.status.value, last_sync_error=outcome.error)


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

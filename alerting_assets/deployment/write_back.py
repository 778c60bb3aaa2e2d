"""What a sync stores in the rows of alert_configurations: tables.SYNC_COLUMNS and nothing else, and no row that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from alerting_assets.deployment.actions import Create, Outcome, Status
from alerting_assets.deployment.identity import SyncState
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
            "applied_silences": None,
        }
        for alert_id, nonce in nonces.items()
    ]
    columns = ("databricks_alert_id", "databricks_host", "deployment_nonce", "applied_hash", "applied_silences")
    _merge(lakehouse, rows, columns)


def write_back(
    lakehouse: Lakehouse,
    outcomes: Iterable[Outcome],
    state: Mapping[str, SyncState],
    host: str,
    now: datetime,
    routed_to: Mapping[str, str | None],
) -> None:
    """Store what became of each alert, in one MERGE of the rows that say something new; where there are none, no commit is made.
    Rows that are gone by now stay gone. routed_to: what routes do to each alert."""
    rows = []
    for outcome in outcomes:
        if not outcome.planned.is_configured:
            continue  # its row says nothing about a leftover, and a removed alert has none
        before = state.get(outcome.alert_id, SyncState(outcome.alert_id))
        after = replace(_state_after(outcome, before, host), routed_to=routed_to.get(outcome.alert_id))
        if after != before:
            rows.append({**asdict(after), "last_synced_at": now})
    _merge(lakehouse, rows, SYNC_COLUMNS)


def _state_after(outcome: Outcome, before: SyncState, host: str) -> SyncState:
    if outcome.status is not Status.ERROR:
        return outcome.planned.state_after(outcome, before, host)
    # The nonce that was stored for a creation stays: by it the next sync finds an alert that was created after all.
    created = SyncState(outcome.alert_id, databricks_host=host, deployment_nonce=outcome.nonce)
    return replace(
        created if isinstance(outcome.planned, Create) else before,
        last_sync_status=outcome.status.value,
        last_sync_error=outcome.error,
        failed_syncs=(before.failed_syncs or 0) + 1,
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

"""What is stored about deployed destinations: in their rows, and in `destination_deployments`, which outlives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta

import pyarrow as pa

from alerting_assets.configuration import Row
from alerting_assets.deployment.actions import Action, Status
from alerting_assets.deployment.destination_plan import DestinationState, KnownDeployment, PlannedDestination
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import (
    DESTINATION_DEPLOYMENTS,
    DESTINATION_SYNC_COLUMNS,
    NOTIFICATION_DESTINATIONS,
)

LOOK_AGAIN = timedelta(hours=1)
"""After so long it is asked again whether alerts still use a destination that is not configured any more."""


@dataclass(frozen=True)
class DestinationOutcome:
    planned: PlannedDestination
    status: Status
    remote_id: str | None = None
    error: str | None = None

    @property
    def destination_id(self) -> str:
        return self.planned.destination_id


def state_of(row: Row) -> DestinationState:
    return DestinationState(**{one.name: row[one.name] for one in fields(DestinationState)})


def known_deployments(lakehouse: Lakehouse, environment: str, host: str) -> list[KnownDeployment]:
    return [
        KnownDeployment(
            row["destination_id"], row["databricks_destination_id"], row["was_created"], row["found_in_use_at"]
        )
        for row in lakehouse.read(DESTINATION_DEPLOYMENTS.name).to_pylist()
        if (row["environment"], row["databricks_host"]) == (environment, host) and row["removed_at"] is None
    ]


def may_look_again(one: KnownDeployment, now: datetime) -> bool:
    return one.found_in_use_at is None or now >= one.found_in_use_at + LOOK_AGAIN


def remember(
    lakehouse: Lakehouse,
    outcomes: Iterable[DestinationOutcome],
    known: Sequence[KnownDeployment],
    *,
    environment: str,
    host: str,
    now: datetime,
) -> None:
    """What is deployed by us, and what became of that which is not configured any more."""
    remembered = {one.remote_id: one for one in known}
    where = {"environment": environment, "databricks_host": host}
    new, ended = [], []
    for outcome in outcomes:
        if outcome.remote_id is None or outcome.status is Status.ERROR:
            continue
        row = {**where, "databricks_destination_id": outcome.remote_id}
        if outcome.remote_id not in remembered:
            was_created = outcome.planned.action is Action.CREATE
            new.append(
                {**row, "destination_id": outcome.destination_id, "was_created": was_created, "recorded_at": now}
            )
        elif outcome.status is Status.DELETED:
            ended.append({**row, "found_in_use_at": None, "removed_at": now})
        elif outcome.planned.desired is None and may_look_again(remembered[outcome.remote_id], now):
            ended.append({**row, "found_in_use_at": now, "removed_at": None})
    name, key, whole = (
        DESTINATION_DEPLOYMENTS.name,
        DESTINATION_DEPLOYMENTS.key,
        arrow_schema(DESTINATION_DEPLOYMENTS),
    )
    if new:
        lakehouse.merge(name, pa.Table.from_pylist(new, schema=whole), on=key)
    if ended:
        columns = ("found_in_use_at", "removed_at")
        schema = pa.schema([whole.field(column) for column in (*key, *columns)])
        lakehouse.merge(name, pa.Table.from_pylist(ended, schema=schema), on=key, update=columns, insert=False)


def write_back(
    lakehouse: Lakehouse, outcomes: Iterable[DestinationOutcome], rows: Sequence[Row], host: str, now: datetime
) -> None:
    """What became of each, in one MERGE of the rows that say something new."""
    state = {row["destination_id"]: state_of(row) for row in rows}
    news = []
    for outcome in outcomes:
        if outcome.planned.desired is None:
            continue
        before = state[outcome.destination_id]
        after = _state_after(outcome, before, host)
        if after != before:
            news.append({**asdict(after), "last_synced_at": now})
    if news:
        whole = arrow_schema(NOTIFICATION_DESTINATIONS)
        names = ("destination_id", *DESTINATION_SYNC_COLUMNS)
        table = pa.Table.from_pylist(news, schema=pa.schema([whole.field(name) for name in names]))
        lakehouse.merge(
            NOTIFICATION_DESTINATIONS.name,
            table,
            on=["destination_id"],
            update=DESTINATION_SYNC_COLUMNS,
            insert=False,
        )


def _state_after(outcome: DestinationOutcome, before: DestinationState, host: str) -> DestinationState:
    planned, desired = outcome.planned, outcome.planned.desired
    known = before.on(host)
    if outcome.status in (Status.ERROR, Status.INVALID):
        failures = (known.failed_syncs or 0) + 1 if outcome.status is Status.ERROR else None
        tried = desired.configuration.config_hash if desired and desired.configuration else known.applied_hash
        return replace(
            known,
            databricks_host=host,
            applied_hash=tried,
            last_sync_status=outcome.status.value,
            last_sync_error=outcome.error,
            failed_syncs=failures,
        )
    assert desired is not None
    assert desired.configuration is not None
    settled = outcome.status is Status.UNCHANGED and known.last_sync_status in (Status.CREATED, Status.UPDATED)
    return DestinationState(
        outcome.destination_id,
        outcome.remote_id,
        host,
        desired.new_fingerprint if planned.sends else known.secret_fingerprint,
        desired.configuration.config_hash,
        known.last_sync_status if settled else outcome.status.value,
    )

"""What a sync has to do next about destinations, told by the tables alone, and which alerts it is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.routes import Routing
from alerting_assets.configuration import (
    DESTINATION,
    ROUTE,
    ConfiguredDestination,
    Row,
    read_listed,
    read_rows,
    routed_alerts,
    routing_of,
    to_configured,
)
from alerting_assets.deployment.actions import Status
from alerting_assets.deployment.destination_plan import PlannedDestination
from alerting_assets.deployment.destination_records import known_deployments, may_look_again
from alerting_assets.deployment.work import Work, pause_after
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import NOTIFICATION_DESTINATIONS
from alerting_assets.settings import Settings


def with_destinations(work: Work, lakehouse: Lakehouse, settings: Settings, host: str, now: datetime) -> Work:
    """The work with the destinations that are due, and with the alerts that use them."""
    due = due_destinations(lakehouse, settings.environment, host, now)
    if not due:
        return work
    version = lakehouse.version(NOTIFICATION_DESTINATIONS.name)
    alert_ids = work.alert_ids
    if alert_ids is not None:
        alert_ids |= users_of(read_rows(lakehouse), due, routing_of(read_listed(lakehouse, ROUTE)))
    return replace(
        work,
        alert_ids=alert_ids,
        reason=f"{'' if work.is_nothing else work.reason + ', '}destinations: {', '.join(sorted(due)[:5])}",
        change=f"{work.change}{version.table_id}:{version.version}",
        destinations=frozenset(due),
    )


def due_destinations(lakehouse: Lakehouse, environment: str, host: str, now: datetime) -> set[str]:
    """The destinations about which a sync has something to do, told by the tables alone: those that changed, that failed and are due
    again, and that are deployed and not configured any more. That a secret was changed where it lies, no table tells."""
    rows = read_listed(lakehouse, DESTINATION)
    found = set()
    for one in to_configured(DESTINATION, rows):
        found |= {one.identity} if _is_due(one, host, now) else set()
    current = {row["databricks_destination_id"] for row in rows if row["databricks_host"] == host}
    gone = [one for one in known_deployments(lakehouse, environment, host) if one.remote_id not in current]
    return found | {one.destination_id for one in gone if may_look_again(one, now)}


def _is_due(one: ConfiguredDestination, host: str, now: datetime) -> bool:
    row = one.row
    if row["last_sync_status"] is None or row["databricks_host"] != host:
        return True
    if row["last_sync_status"] == Status.ERROR and now >= row["last_synced_at"] + pause_after(row["failed_syncs"] or 1):
        return True
    if one.definition is None:
        return bool(row["last_sync_status"] != Status.INVALID)
    return bool(row["applied_hash"] != one.definition.config_hash)


def users_of(rows: Iterable[Row], destination_ids: Collection[str], routing: Routing) -> frozenset[str]:
    """The alerts that tell one of these destinations, because their rows or their routes say so."""
    wanted = set(destination_ids)
    told = routed_alerts(rows, routing)
    return frozenset(alert_id for alert_id, routed in told.items() if not wanted.isdisjoint(routed.channels))


def look_ahead(target: Target, planned: Iterable[PlannedDestination]) -> Target:
    """The target of a plan: a destination that is yet to be created and cannot be is closed."""
    failing = {one.destination_id: f"cannot be used: {one.error}" for one in planned if one.error and not one.remote_id}
    addresses = {name: value for name, value in target.addresses.items() if name not in failing}
    return replace(target, addresses=addresses, closed={**target.closed, **failing})

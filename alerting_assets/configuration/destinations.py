"""Notification destinations: the kind of definitions that they are, and what alerts can name as a channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.definitions import DESTINATIONS
from alerting_assets.alerts.destinations import (
    OWNED_DESTINATION_COLUMNS,
    DestinationConfiguration,
    parse_destination,
)
from alerting_assets.configuration.listed import Configured, Kind, read_listed, to_configured
from alerting_assets.configuration.routes import ROUTE, routing_of
from alerting_assets.configuration.rows import Row, target_of
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import NOTIFICATION_DESTINATIONS
from alerting_assets.settings import Settings

DESTINATION = Kind(
    NOTIFICATION_DESTINATIONS,
    DESTINATIONS,
    "destination",
    "destination_id",
    OWNED_DESTINATION_COLUMNS,
    parse_destination,
)
ConfiguredDestination = Configured[DestinationConfiguration]


def is_enabled(one: ConfiguredDestination) -> bool:
    """Whether messages may go there; a row that cannot be read is what it says it is."""
    return one.row["is_enabled"] is not False


def target_in(
    lakehouse: Lakehouse,
    settings: Settings,
    host: str | None = None,
    rows: Sequence[Row] | None = None,
    routes: Sequence[Row] | None = None,
) -> Target:
    """The target of an environment with its channels: destinations, and the names that ALERTING_CHANNELS sets; and with its routes.

    host: of the workspace that alerts are about to be deployed to; there a destination without an id is closed. None: for a look ahead,
        in which a destination that is yet to be created counts as there.
    rows, routes: of notification_destinations and notification_routes, where not those of the tables."""
    addresses: dict[str, tuple[str, ...]] = dict(settings.addresses)
    closed: dict[str, str] = {}
    for one in to_configured(DESTINATION, read_listed(lakehouse, DESTINATION) if rows is None else rows):
        name, row = one.identity, one.row
        addresses.pop(name, None)
        remote_id = row["databricks_destination_id"] if host in (None, row["databricks_host"]) else None
        if one.definition is None:
            closed[name] = f"cannot be used: {'; '.join(str(problem) for problem in one.problems)}"
        elif not is_enabled(one):
            closed[name] = "is disabled"
        elif remote_id is not None or host is None:
            addresses[name] = (remote_id or f"new:{name}",)
        else:
            closed[name] = f"is not in the workspace: {row['last_sync_error'] or 'run `alerting apply`'}"
    routing = routing_of(read_listed(lakehouse, ROUTE) if routes is None else routes)
    return replace(target_of(settings), addresses=addresses, closed=closed, routing=routing)


def destinations_in_words(rows: Iterable[Row]) -> dict[str, str]:
    """destination_id → its name, and by which way it is reached."""
    return {
        row[
            "destination_id"
        ]: f"{row['destination_name']}: {', '.join(row['email_addresses'] or ()) or row['destination_type']}"
        for row in rows
    }


def grouping_notes(rows: Iterable[Row], workspace: str) -> list[str]:
    """What people should know about group_by. workspace: as ALERTING_WORKSPACE has it."""
    grouped = sorted(row["destination_id"] for row in rows if row["group_by"])
    if workspace == "local" or not grouped:
        return []
    return [f"group_by has no effect on what Databricks sends by itself (destinations: {', '.join(grouped)})"]

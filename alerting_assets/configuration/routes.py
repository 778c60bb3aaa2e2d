"""Routes: the kind of definitions that they are, and what the rows of their table say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.routes import (
    FIRST,
    OWNED_ROUTE_COLUMNS,
    OWNER,
    STEP,
    Route,
    RouteConfiguration,
    Routed,
    RouteSubject,
    Routing,
    parse_route,
)
from alerting_assets.configuration.listed import InOrder, Kind, to_configured
from alerting_assets.configuration.rows import Row, unreachable
from alerting_assets.lakehouse.tables import NOTIFICATION_ROUTES
from alerting_assets.settings import ROUTING_FILE, is_address

ROUTE: Kind[RouteConfiguration] = Kind(
    NOTIFICATION_ROUTES,
    "routes",
    "route",
    "route_id",
    OWNED_ROUTE_COLUMNS,
    parse_route,
    InOrder(ROUTING_FILE, "position", FIRST, STEP),
)


def routing_of(rows: Iterable[Row]) -> Routing:
    """What the rows of notification_routes say, also those that cannot be used."""
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        by_id.setdefault(row["route_id"], []).append(row)
    return Routing.of(
        [
            Route.right(one.definition)
            if one.definition
            else Route.wrong(one.identity, by_id[one.identity], "; ".join(_plain(problem) for problem in one.problems))
            for same in by_id.values()
            for one in to_configured(ROUTE, same)
        ]
    )


def routed_alerts(rows: Iterable[Mapping[str, Any]], routing: Routing) -> dict[str, Routed]:
    """alert_id → whom it tells, by name. rows: of alert_configurations, right or wrong."""
    return {row["alert_id"]: routing.decide(RouteSubject.of_row(row)) for row in rows}


def route_notes(target: Target) -> list[str]:
    """Sentences about routes that are right and reach nobody, or not those whom people may expect."""
    found = list(target.routing.notes)
    for route in target.routing.routes:
        names = route.configuration.channels if route.configuration else ()
        unmapped = [name for name in names if not (is_address(name) or name in target.addresses or name == OWNER)]
        if unmapped:
            found.append(f"route {route.route_id}: {'; '.join(unreachable(unmapped, target))}")
    return found


def _plain(problem: Any) -> str:
    return f"{problem.field}: {problem.message}" if problem.field else str(problem.message)

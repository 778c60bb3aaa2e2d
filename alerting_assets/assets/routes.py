"""Whom alerts tell that name no channels: `alerts/routing.yml` into `notification_routes`."""

import dagster as dg

from alerting_assets.assets.configurations import GROUP, OWNERS, alert_configurations
from alerting_assets.assets.destinations import notification_destinations
from alerting_assets.assets.tables import load_counts, problem_table, table
from alerting_assets.automation.partitions import WHOLE
from alerting_assets.configuration import (
    ROUTE,
    load_listed,
    read_listed,
    read_rows,
    route_notes,
    routed_alerts,
    target_in,
)
from alerting_assets.lakehouse.tables import NOTIFICATION_ROUTES
from alerting_assets.resource import AlertingResource

ROUTES_ARE_RIGHT = dg.AssetCheckSpec(
    "routes_are_right",
    asset="notification_routes",
    description="The file of routes can be used; if not, all routes stay as they were last right. A warning: a route that never counts, or "
    "that tells somebody who is not there.",
)


@dg.asset(
    deps=[alert_configurations, notification_destinations],
    group_name=GROUP,
    check_specs=[ROUTES_ARE_RIGHT],
    owners=OWNERS,
    kinds={"deltalake", "yaml"},
    description=(
        "The Delta table of all routes: whom alerts tell that name no channels themselves. `alerts/routing.yml` is merged into it, whole "
        "or not at all, in its order. The first route that means an alert counts."
    ),
)
def notification_routes(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse, settings = alerting.get_lakehouse(), alerting.settings
    result = load_listed(ROUTE, lakehouse, settings.definitions, alerting.now(), strict=settings.strict)
    for problem in result.problems:
        context.log.warning("%s", problem)
    target = target_in(lakehouse, settings)
    rows = {row["route_id"]: row for row in read_listed(lakehouse, ROUTE)}
    routed = routed_alerts(read_rows(lakehouse), target.routing).values()
    decided = [one.route.route_id for one in routed if one.route is not None]
    wrong = [f"route {route.route_id}: {route.problem}" for route in target.routing.routes if route.problem]
    notes = [*wrong, *route_notes(target)]
    for note in notes:
        context.log.warning("%s", note)
    return dg.MaterializeResult(
        data_version=WHOLE,
        metadata={
            "dagster/row_count": len(rows),
            "dagster/table_name": ".".join([*lakehouse.namespace, NOTIFICATION_ROUTES.name]),
            **load_counts(result),
            "routed_alerts": len(decided),
            "routes": table(
                [
                    {
                        "position": route.position,
                        "route_id": route.route_id,
                        "means": route.matcher.in_words() if route.matcher else None,
                        "tells": route.configuration.channels_in_words if route.configuration else None,
                        "alerts": decided.count(route.route_id),
                        "managed_by": rows[route.route_id]["managed_by"],
                        "definition": route.problem or rows[route.route_id]["definition_error"] or "right",
                    }
                    for route in target.routing.routes
                ]
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=ROUTES_ARE_RIGHT.name,
                passed=not (result.problems or notes),
                severity=dg.AssetCheckSeverity.ERROR if result.problems or wrong else dg.AssetCheckSeverity.WARN,
                description=f"{len(result.problems)} problems, {len(result.kept)} rows kept as they were last right, {len(notes)} notes",
                metadata={
                    "problems": problem_table(result.problems, "route_id"),
                    "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in notes) or "none"),
                },
            )
        ],
    )

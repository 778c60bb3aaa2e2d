"""Whom alerts tell: YAML files into `notification_destinations`, and these into the workspace, before the alerts that use them."""

import dagster as dg

from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.tables import load_counts, problem_table, table
from alerting_assets.automation.partitions import WHOLE
from alerting_assets.configuration import DESTINATION, load_listed, read_listed
from alerting_assets.deployment import DestinationSyncer, Status
from alerting_assets.lakehouse.tables import NOTIFICATION_DESTINATIONS
from alerting_assets.resource import AlertingResource

DESTINATIONS_ARE_RIGHT = dg.AssetCheckSpec(
    "destinations_are_right",
    asset="notification_destinations",
    description="Every definition can be used. One that cannot keeps its row as it was last right.",
)
NO_DESTINATION_FAILED = dg.AssetCheckSpec(
    "no_destination_failed",
    asset="deployed_destinations",
    description="Every destination is in the workspace as configured. An alert that uses one that is not is held back.",
)


@dg.asset(
    group_name=GROUP,
    check_specs=[DESTINATIONS_ARE_RIGHT],
    owners=OWNERS,
    kinds={"deltalake", "yaml"},
    description=(
        "The Delta table of all notification destinations. Definitions in `alerts/destinations/*.yml`, or in a list `destinations:` beside "
        "alerts, are merged into it. It holds references to secrets, and no secret."
    ),
)
def notification_destinations(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse, settings = alerting.get_lakehouse(), alerting.settings
    result = load_listed(DESTINATION, lakehouse, settings.definitions, alerting.now(), strict=settings.strict)
    for problem in result.problems:
        context.log.warning("%s", problem)
    rows = read_listed(lakehouse, DESTINATION)
    return dg.MaterializeResult(
        data_version=WHOLE,
        metadata={
            "dagster/row_count": len(rows),
            "dagster/table_name": ".".join([*lakehouse.namespace, NOTIFICATION_DESTINATIONS.name]),
            **load_counts(result),
            "destinations": table(
                [
                    {
                        "destination_id": row["destination_id"],
                        "name": row["destination_name"],
                        "type": row["destination_type"],
                        "grouped by": row["group_by"],
                        "enabled": row["is_enabled"],
                        "owner": row["owner"],
                        "managed_by": row["managed_by"],
                        "definition": row["definition_error"] or "right",
                    }
                    for row in rows
                ]
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=DESTINATIONS_ARE_RIGHT.name,
                passed=not result.problems,
                severity=dg.AssetCheckSeverity.ERROR,
                description=f"{len(result.problems)} problems, {len(result.kept)} rows kept as they were last right",
                metadata={"problems": problem_table(result.problems, "destination_id")},
            )
        ],
    )


@dg.asset(
    deps=[notification_destinations],
    group_name=GROUP,
    check_specs=[NO_DESTINATION_FAILED],
    owners=OWNERS,
    kinds={"databricks"},
    description=(
        "The workspace's notification destination of every row: created, updated, found by its name or left alone. One that is not "
        "configured any more is deleted once no alert of the workspace uses it."
    ),
)
def deployed_destinations(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse, workspace = alerting.get_lakehouse(), alerting.get_workspace()
    result = DestinationSyncer.from_settings(alerting.settings, workspace).sync(lakehouse, alerting.now)
    for outcome in result.errors:
        context.log.error("destination %s: %s", outcome.destination_id, outcome.error)
    return dg.MaterializeResult(
        data_version=WHOLE,
        metadata={
            **{status.value.lower(): sum(one.status is status for one in result.outcomes) for status in Status},
            "workspace": workspace.host,
            "destinations": table(
                [
                    {
                        "destination_id": one.destination_id,
                        "name": one.planned.name,
                        "status": one.status.value,
                        "reason": one.error or one.planned.reason,
                        "databricks_destination_id": one.remote_id,
                    }
                    for one in result.outcomes
                ]
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=NO_DESTINATION_FAILED.name,
                passed=not result.errors,
                severity=dg.AssetCheckSeverity.ERROR,
                description=f"{len(result.errors)} of {len(result.outcomes)} destinations are not as configured",
                metadata={
                    "failed": table(
                        [{"destination_id": one.destination_id, "error": one.error} for one in result.errors]
                    )
                },
            )
        ],
    )

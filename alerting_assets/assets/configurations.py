"""Stage 1: YAML files into `alert_configurations`, and a partition for every alert."""

from collections import Counter

import dagster as dg

from alerting_assets.assets.tables import problem_table, table
from alerting_assets.automation.partitions import WHOLE, add_partitions
from alerting_assets.configuration import load_definitions, read_rows
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets.resource import AlertingResource

GROUP = "alerting"
OWNERS = ["team:platform"]


DEFINITIONS_ARE_RIGHT = dg.AssetCheckSpec(
    "definitions_are_right",
    asset="alert_configurations",
    description="Every definition can be used. One that cannot holds back its own alert only: the row stays as it was last right.",
)


@dg.asset(
    group_name=GROUP,
    check_specs=[DEFINITIONS_ARE_RIGHT],
    owners=OWNERS,
    kinds={"deltalake", "yaml"},
    description=(
        "The Delta table of all alerts. Definitions in `alerts/*.yml` are merged into it: only rows that differ are written, and rows "
        "that people made by other means are theirs. A row becomes a partition of the stages behind."
    ),
)
def alert_configurations(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse = alerting.get_lakehouse()
    settings = alerting.settings
    result = load_definitions(
        lakehouse,
        settings.definitions,
        alerting.now(),
        strict=settings.strict,
        max_delete_percent=settings.max_delete_percent,
    )
    for problem in result.problems:
        context.log.warning("%s", problem)
    rows = read_rows(lakehouse)
    add_partitions(context.instance, [row["alert_id"] for row in rows])
    return dg.MaterializeResult(
        data_version=WHOLE,
        metadata={
            "dagster/row_count": len(rows),
            "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_CONFIGURATIONS.name]),
            "delta_version": lakehouse.version(ALERT_CONFIGURATIONS.name).version,
            "added": len(result.added),
            "changed": len(result.changed),
            "removed": len(result.removed),
            "unchanged": len(result.unchanged),
            "kept": len(result.kept),
            "enabled": sum(row["is_enabled"] for row in rows),
            "by_domain": dict(Counter(row["agent_domain"] for row in rows)),
            "definitions": dg.MetadataValue.path(str(alerting.settings.definitions.absolute())),
            "alerts": table(
                [
                    {
                        "alert_id": row["alert_id"],
                        "name": row["alert_name"],
                        "severity": row["severity"],
                        "domain": row["agent_domain"],
                        "schedule": row["schedule_cron"],
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
                check_name=DEFINITIONS_ARE_RIGHT.name,
                passed=not result.problems,
                severity=dg.AssetCheckSeverity.ERROR,
                description=f"{len(result.problems)} problems in {settings.definitions.name}/, "
                f"{len(result.kept)} rows kept as they were last right",
                metadata={"problems": problem_table(result.problems, "alert_id")},
            )
        ],
    )

"""Stage 1: YAML files into `alert_configurations`, and a partition for every alert."""

from collections import Counter

import dagster as dg

from alerting_assets.assets.tables import table
from alerting_assets.automation.partitions import add_partitions
from alerting_assets.configuration import load_definitions, read_rows
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets.resource import AlertingResource

GROUP = "alerting"
OWNERS = ["team:platform"]


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"deltalake", "yaml"},
    description=(
        "The Delta table of all alerts. Definitions in `alerts/*.yml` are merged into it: only rows that differ are written, and rows "
        "that people made by other means are theirs. A row becomes a partition of the stages behind."
    ),
)
def alert_configurations(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult[None]:
    lakehouse = alerting.get_lakehouse()
    result = load_definitions(lakehouse, alerting.settings.definitions, alerting.now())
    rows = read_rows(lakehouse)
    add_partitions(context.instance, [row["alert_id"] for row in rows])
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_CONFIGURATIONS.name]),
            "delta_version": lakehouse.version(ALERT_CONFIGURATIONS.name).version,
            "added": len(result.added),
            "changed": len(result.changed),
            "removed": len(result.removed),
            "unchanged": len(result.unchanged),
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
                    }
                    for row in rows
                ]
            ),
        }
    )

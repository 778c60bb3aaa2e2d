"""What follows from the history: the incidents, and what is true of each alert now."""

import statistics
from datetime import timedelta

import dagster as dg

from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.history import ALERT_HISTORY_KEY
from alerting_assets.assets.tables import table
from alerting_assets.deployment.recoveries import recoveries_in_words, recoveries_json, tell_recoveries
from alerting_assets.incidents.store import catch_up
from alerting_assets.lakehouse.tables import ALERT_INCIDENTS
from alerting_assets.resource import AlertingResource

ALERT_INCIDENTS_KEY = dg.AssetKey("alert_incidents")
LATELY = timedelta(days=30)


@dg.asset(
    key=ALERT_INCIDENTS_KEY,
    deps=[ALERT_HISTORY_KEY],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"deltalake"},
    description=(
        "One row for every incident, from the first TRIGGERED of an alert to its recovery, with its peak, its evaluations, and what people "
        "said of it: acknowledgement and label. Beside it alert_state holds what is true of each alert now. Both follow alert_history. "
        "Recoveries that the workspace cannot tell, those of silenced alerts, are told from here."
    ),
)
def alert_incidents(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse, now = alerting.get_lakehouse(), alerting.now()
    states = catch_up(lakehouse, alerting.settings.reopen)
    recoveries = tell_recoveries(lakehouse, alerting.settings, now)
    for sentence in recoveries_in_words(recoveries):
        context.log.info("%s", sentence)
    rows = lakehouse.read(ALERT_INCIDENTS.name).to_pylist()
    is_open = [row for row in rows if row["resolved_at"] is None]
    times = [
        row["resolution_time_seconds"]
        for row in rows
        if row["resolved_at"] is not None and row["resolved_at"] > now - LATELY
    ]
    return dg.MaterializeResult(
        metadata={
            "incidents": len(rows),
            "open": len(is_open),
            "not_acknowledged": sum(row["acknowledged_by"] is None for row in is_open),
            "resolved_in_30_days": len(times),
            "median_minutes_to_resolve": round(statistics.median(times) / 60, 1) if times else 0.0,
            "alerts_ever_evaluated": len(states.by_id),
            **{f"recoveries_{name}": value for name, value in recoveries_json(recoveries).items()},
            "open incidents": table(
                [
                    {
                        "alert_id": row["alert_id"],
                        "opened (UTC)": f"{row['opened_at']:%Y-%m-%d %H:%M:%S}",
                        "evaluations": row["evaluations"],
                        "peak": row["peak_value"],
                        "reopened": row["reopened"],
                        "acknowledged by": row["acknowledged_by"],
                        "incident_id": row["incident_id"],
                    }
                    for row in sorted(is_open, key=lambda row: row["opened_at"], reverse=True)
                ]
            ),
            "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_INCIDENTS.name]),
            "delta_version": lakehouse.version(ALERT_INCIDENTS.name).version,
        }
    )

"""What the last evaluations say about the deployed alerts."""

from collections.abc import Iterator

import dagster as dg

from alerting_assets.alerts.operators import State
from alerting_assets.assets.history import ALERT_HISTORY_KEY
from alerting_assets.assets.tables import listed
from alerting_assets.assets.validation import DEPLOYED_ALERTS
from alerting_assets.automation.partitions import (
    ALERTS,
    CheckOutcome,
    has_no_version,
    known_partitions,
    record_checks,
)
from alerting_assets.configuration import places_of, read_rows
from alerting_assets.incidents.store import read_states
from alerting_assets.resource import AlertingResource

LAST_EVALUATION_SUCCEEDED = dg.AssetCheckKey(DEPLOYED_ALERTS, "last_evaluation_succeeded")


@dg.multi_asset_check(
    name="last_evaluations",
    specs=[
        dg.AssetCheckSpec(
            LAST_EVALUATION_SUCCEEDED.name,
            asset=DEPLOYED_ALERTS,
            additional_deps=[ALERT_HISTORY_KEY],
            partitions_def=ALERTS,
            description="The alert's query ran when it was last evaluated. An alert whose query fails tells nobody anything.",
        )
    ],
)
def last_evaluations(
    context: dg.AssetCheckExecutionContext, alerting: AlertingResource
) -> Iterator[dg.AssetCheckResult]:
    lakehouse = alerting.get_lakehouse()
    states = read_states(lakehouse, alerting.settings.reopen)
    partitions = known_partitions(context.instance)
    failing = [
        alert_id
        for alert_id in sorted(partitions & states.by_id.keys())
        if states.by_id[alert_id].status == State.ERROR
    ]
    rows = {row["alert_id"]: row for row in read_rows(lakehouse)} if failing else {}
    places = places_of(alerting.settings.definitions, [rows[alert_id] for alert_id in failing if alert_id in rows])
    outcomes = {}
    for alert_id in sorted(partitions & states.by_id.keys()):
        state = states.by_id[alert_id]
        outcomes[alert_id] = CheckOutcome(
            passed=state.status != State.ERROR,
            description=state.newest.error_message
            or f"{state.status} at {state.newest.evaluated_at:%Y-%m-%d %H:%M:%S} UTC",
            metadata={
                "state": state.status,
                "since": state.since.isoformat(),
                "evaluated_by": state.newest.evaluated_by,
                **({"owner": rows[alert_id]["owner"]} if alert_id in rows else {}),
                **({"place": f"{place.file}:{place.line}"} if (place := places.get(alert_id)) else {}),
            },
            is_warning=True,
        )
    record_checks(context.op_execution_context, LAST_EVALUATION_SUCCEEDED, outcomes, only_changes=True)
    has_no_version(context.op_execution_context, DEPLOYED_ALERTS)
    yield dg.AssetCheckResult(
        check_name=LAST_EVALUATION_SUCCEEDED.name,
        asset_key=DEPLOYED_ALERTS,
        passed=not failing,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"the query of {len(failing)} of {len(outcomes)} alerts failed when it was last run{listed(failing)}",
    )

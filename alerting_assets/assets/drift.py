"""Does the workspace still hold what was deployed? A look that changes nothing."""

from collections.abc import Iterator

import dagster as dg

from alerting_assets.assets.tables import Cell, table
from alerting_assets.assets.validation import DEPLOYED_ALERTS
from alerting_assets.deployment import PlannedAction, Syncer, read_desired
from alerting_assets.deployment.render import short
from alerting_assets.resource import AlertingResource


@dg.asset_check(
    asset=DEPLOYED_ALERTS,
    name="no_drift",
    description=(
        "No deployed alert was changed or trashed in the workspace by hand. `alerting plan` shows the same; the next full sync puts it "
        "right, and `alerting apply --keep-remote` leaves it."
    ),
)
def no_drift(alerting: AlertingResource) -> dg.AssetCheckResult:
    host = alerting.get_workspace().host
    rows, desired = read_desired(alerting.get_lakehouse(), alerting.settings, host, alerting.now())
    syncer = Syncer.from_settings(alerting.settings, alerting.get_workspace())
    plan = syncer.plan(rows, desired, syncer.registry(alerting.get_lakehouse()))
    drifted = [action for action in plan.actions if action.is_drift]
    return dg.AssetCheckResult(
        passed=not drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(drifted)} of {plan.deployed} deployed alerts differ from what was deployed",
        metadata={"drift": table([cell for action in drifted for cell in _cells(action)])},
    )


def _cells(action: PlannedAction) -> Iterator[dict[str, Cell]]:
    common: dict[str, Cell] = {"alert_id": action.alert_id, "name": action.name, "what": action.reason}
    if not action.fields:
        yield {**common, "field": None, "configured": None, "in the workspace": None}
    for item in action.fields:
        yield {**common, "field": item.path, "configured": short(item.new), "in the workspace": short(item.old)}

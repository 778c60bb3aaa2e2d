"""Stage 3: valid alerts into the workspace."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.destinations import deployed_destinations
from alerting_assets.assets.routes import notification_routes
from alerting_assets.assets.silences import alert_silences
from alerting_assets.assets.tables import table
from alerting_assets.assets.validation import DEPLOYED_ALERTS, VALIDATED_QUERIES, VALIDATION_REPORT
from alerting_assets.automation.partitions import (
    ALERTS,
    Batch,
    drop_partitions,
    has_no_version,
    is_in_run,
    known_partitions,
    materialized,
    record_materializations,
    record_observations,
    refuse_unknown,
    requested_ids,
)
from alerting_assets.configuration import Row, read_rows, to_alerts
from alerting_assets.deployment import (
    HELD_BACK,
    Action,
    DesiredAlert,
    Outcome,
    Plan,
    Status,
    Syncer,
    SyncResult,
    read_desired,
)
from alerting_assets.lakehouse.port import TableVersion
from alerting_assets.resource import AlertingResource
from alerting_assets.validation import validate_all_alert_queries
from alerting_assets.workspace.port import Workspace


class Deployment(Batch):
    """What a deployment is about.

    table_id, version: the version of alert_configurations up to which `alert_ids` are all that changed, as a sensor found it; the
        sync then remembers that everything up to there is deployed.
    syncs_avoided: looks of the sensor since the last run that found nothing."""

    table_id: str | None = Field(default=None)
    version: int | None = Field(default=None)
    syncs_avoided: int = Field(default=0)

    @property
    def up_to(self) -> TableVersion | None:
        return None if self.table_id is None or self.version is None else TableVersion(self.table_id, self.version)


DEPLOYMENT_REPORT = dg.AssetKey("deployment_report")
NO_ALERT_FAILED = dg.AssetCheckKey(DEPLOYMENT_REPORT, "no_alert_failed")


@dg.multi_asset(
    name="deploy",
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,  # a backfill runs partitioned and unpartitioned assets in runs of their own
    specs=[
        dg.AssetSpec(
            DEPLOYED_ALERTS,
            partitions_def=ALERTS,
            deps=[VALIDATION_REPORT, deployed_destinations, notification_routes, alert_silences],
            skippable=True,
            group_name=GROUP,
            owners=OWNERS,
            kinds={"databricks", "sql"},
            description=(
                "The Databricks SQL alert of every valid configuration, brought to what is configured: created, updated, adopted or left "
                "alone; alerts whose configuration is gone are trashed. What is not ours is never touched."
            ),
        ),
        dg.AssetSpec(
            DEPLOYMENT_REPORT,
            deps=[VALIDATION_REPORT, DEPLOYED_ALERTS],
            group_name=GROUP,
            owners=OWNERS,
            kinds={"python"},
            description="All alerts: what is deployed and what is not, and why; and what the last sync did.",
        ),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            NO_ALERT_FAILED.name, asset=DEPLOYMENT_REPORT, description="Every request of the sync was carried out."
        )
    ],
)
def deployed_alerts(
    context: dg.AssetExecutionContext, config: Deployment, alerting: AlertingResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    lakehouse, workspace, settings = alerting.get_lakehouse(), alerting.get_workspace(), alerting.settings
    wanted = requested_ids(context, config)
    if not context.run.is_partitioned:
        has_no_version(context, DEPLOYED_ALERTS)
    before = {row["alert_id"]: row for row in read_rows(lakehouse)}
    refuse_unknown(wanted, [*before, *known_partitions(context.instance)])
    if context.run.is_partitioned and is_in_run(context, VALIDATED_QUERIES):
        # Nothing in Dagster makes that step come first: the report that stands between them has no partitions and is not in the run.
        chosen = to_alerts([before[name] for name in sorted(wanted or ()) if name in before], alerting.target)
        validate_all_alert_queries(lakehouse, chosen, alerting.now(), alerting.policy)

    def read() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        return read_desired(lakehouse, settings, workspace.host, alerting.now())

    syncer = Syncer.from_settings(
        settings,
        workspace,
        wanted,
        started_by=f"dagster run {context.run_id}",
        syncs_avoided=config.syncs_avoided,
    )
    if DEPLOYED_ALERTS not in context.selected_asset_keys:
        yield from _look_only(context, syncer.dry_run(lakehouse, read, alerting.now), list(before.values()), workspace)
        return
    result = syncer.sync(lakehouse, read, alerting.now, up_to=config.up_to)
    for outcome in result.errors:
        context.log.error("alert %s: %s failed: %s", outcome.alert_id, outcome.planned.action.value, outcome.error)

    known = materialized(context.instance, DEPLOYED_ALERTS) if wanted is None else set()
    deployed = [
        outcome for outcome in result.outcomes if outcome.remote_id and outcome.status not in (*HELD_BACK, Status.ERROR)
    ]
    news = [outcome for outcome in deployed if outcome.status is not Status.UNCHANGED or outcome.alert_id not in known]
    record_materializations(
        context,
        DEPLOYED_ALERTS,
        {outcome.alert_id: _metadata(outcome, workspace) for outcome in news},
        made_from=[VALIDATION_REPORT, deployed_destinations.key, notification_routes.key, alert_silences.key],
    )
    unfit = [outcome for outcome in result.outcomes if outcome.status in (*HELD_BACK, Status.ERROR)]
    record_observations(
        context,
        DEPLOYED_ALERTS,
        {
            outcome.alert_id: _metadata(outcome, workspace)
            for outcome in unfit
            if outcome.alert_id in before and _is_news(outcome, before[outcome.alert_id])
        },
    )

    rows = read_rows(lakehouse)
    if DEPLOYMENT_REPORT in context.selected_asset_keys:
        yield dg.MaterializeResult(
            asset_key=DEPLOYMENT_REPORT, data_version=_version(rows), metadata=_report(result, rows, workspace)
        )
    if NO_ALERT_FAILED in context.selected_asset_check_keys:
        yield dg.AssetCheckResult(
            asset_key=DEPLOYMENT_REPORT,
            check_name=NO_ALERT_FAILED.name,
            passed=not result.errors,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"{len(result.errors)} of {len(result.outcomes)} alerts failed",
            metadata={
                "failed": table([{"alert_id": outcome.alert_id, "error": outcome.error} for outcome in result.errors])
            },
        )
    # The run's last step: a run for a partition that is gone would be refused.
    failed = {outcome.alert_id for outcome in result.errors}
    drop_partitions(context.instance, {row["alert_id"] for row in rows} | failed, of=wanted)
    if context.run.is_partitioned and unfit:
        reasons = "; ".join(f"{outcome.alert_id}: {outcome.error}" for outcome in unfit)
        raise dg.Failure(f"not deployed: {reasons}", allow_retries=False)


def _version(rows: Sequence[Row]) -> dg.DataVersion:
    """The same as long as the same is deployed: what evaluates it is then not unsynced."""
    deployed = sorted(f"{row['alert_id']} {row['applied_hash']}" for row in rows if row["databricks_alert_id"])
    return dg.DataVersion(hashlib.sha256("\n".join(deployed).encode()).hexdigest()[:32])


def _look_only(
    context: dg.AssetExecutionContext, plan: Plan, rows: Sequence[Row], workspace: Workspace
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The report without the alerts, as the unpartitioned run of a backfill has it: it tells what a sync would do, and nothing is
    written."""
    yield dg.MaterializeResult(
        asset_key=DEPLOYMENT_REPORT,
        data_version=_version(rows),
        metadata={
            **{f"to_{action.value.lower()}": len(plan.of(action)) for action in Action},
            "workspace": workspace.host,
            "environment": plan.environment,
            "alerts": table(
                [
                    {"alert_id": item.alert_id, "action": item.action.value, "reason": item.reason}
                    for item in plan.actions
                ]
            ),
        },
    )
    if NO_ALERT_FAILED in context.selected_asset_check_keys:
        yield dg.AssetCheckResult(
            asset_key=DEPLOYMENT_REPORT,
            check_name=NO_ALERT_FAILED.name,
            passed=True,
            description="nothing was deployed in this run",
        )


def _is_news(outcome: Outcome, row: Row) -> bool:
    return (outcome.status.value, outcome.error) != (row["last_sync_status"], row["last_sync_error"])


def _metadata(outcome: Outcome, workspace: Workspace) -> Mapping[str, Any]:
    metadata: dict[str, Any] = {
        "status": outcome.status.value,
        "reason": outcome.error or outcome.planned.reason,
        "display_name": outcome.remote_name or outcome.planned.name,
    }
    if outcome.remote_id is not None:
        metadata["alert"] = dg.MetadataValue.url(workspace.alert_url(outcome.remote_id))
        metadata["databricks_alert_id"] = outcome.remote_id
    return metadata


def _report(result: SyncResult, rows: Sequence[Row], workspace: Workspace) -> Mapping[str, Any]:
    """All alerts as their rows say now; the counts are of this sync."""
    reasons = {outcome.alert_id: outcome.error or outcome.planned.reason for outcome in result.outcomes}
    states = Counter(row["last_sync_status"] or "not yet" for row in rows)
    return {
        "this_run": f"{len(result.outcomes)} of {len(rows)} alerts",
        "all_alerts": ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "none",
        **{status.value.lower(): result.count(status) for status in Status},
        "adopted": sum(outcome.planned.action is Action.ADOPT for outcome in result.outcomes),
        "workspace": workspace.host,
        "requests_that_read": workspace.reads,
        "requests_that_write": workspace.writes,
        "environment": result.plan.environment,
        "alerts": table(
            [
                {
                    "alert_id": row["alert_id"],
                    "name": row["alert_name"],
                    "status": row["last_sync_status"] or "not yet",
                    "reason": reasons.get(row["alert_id"]) or row["last_sync_error"],
                    "in this run": row["alert_id"] in reasons,
                    "alert": workspace.alert_url(row["databricks_alert_id"]) if row["databricks_alert_id"] else None,
                }
                for row in rows
            ]
        ),
        "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in result.plan.notes) or "none"),
    }

"""Stage 3: valid alerts into the workspace."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.tables import table
from alerting_assets.assets.validation import VALIDATION_REPORT
from alerting_assets.automation.partitions import (
    ALERTS,
    Batch,
    drop_partitions,
    materialized,
    record_materializations,
    requested_ids,
)
from alerting_assets.configuration import Row, read_rows
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


DEPLOYED_ALERTS = dg.AssetKey("deployed_alerts")
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
            deps=[VALIDATION_REPORT],
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
            deps=[VALIDATION_REPORT],
            group_name=GROUP,
            owners=OWNERS,
            kinds={"python"},
            description="What the last sync did, alert by alert, with its reason.",
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

    def read() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        return read_desired(lakehouse, settings)

    syncer = Syncer.from_settings(
        settings,
        workspace,
        wanted,
        started_by=f"dagster run {context.run_id}",
        syncs_avoided=config.syncs_avoided,
    )
    if DEPLOYED_ALERTS not in context.selected_asset_keys:
        yield from _look_only(context, syncer.dry_run(lakehouse, read, alerting.now), workspace)
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
        context, DEPLOYED_ALERTS, {outcome.alert_id: _metadata(outcome, workspace) for outcome in news}
    )

    if DEPLOYMENT_REPORT in context.selected_asset_keys:
        yield dg.MaterializeResult(asset_key=DEPLOYMENT_REPORT, metadata=_report(result, workspace))
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
    drop_partitions(context.instance, {row["alert_id"] for row in read_rows(lakehouse)} | failed, of=wanted)


def _look_only(
    context: dg.AssetExecutionContext, plan: Plan, workspace: Workspace
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The report without the alerts, as the unpartitioned run of a backfill has it: it tells what a sync would do, and nothing is
    written."""
    yield dg.MaterializeResult(
        asset_key=DEPLOYMENT_REPORT,
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


def _metadata(outcome: Outcome, workspace: Workspace) -> Mapping[str, Any]:
    assert outcome.remote_id is not None
    return {
        "alert": dg.MetadataValue.url(workspace.alert_url(outcome.remote_id)),
        "display_name": outcome.remote_name or outcome.planned.name,
        "status": outcome.status.value,
        "reason": outcome.planned.reason,
        "databricks_alert_id": outcome.remote_id,
    }


def _report(result: SyncResult, workspace: Workspace) -> Mapping[str, Any]:
    return {
        **{status.value.lower(): result.count(status) for status in Status},
        "adopted": sum(outcome.planned.action is Action.ADOPT for outcome in result.outcomes),
        "workspace": workspace.host,
        "requests_that_read": workspace.reads,
        "requests_that_write": workspace.writes,
        "environment": result.plan.environment,
        "alerts": table(
            [
                {
                    "alert_id": outcome.alert_id,
                    "status": outcome.status.value,
                    "reason": outcome.error or outcome.planned.reason,
                    "alert": workspace.alert_url(outcome.remote_id) if outcome.remote_id else None,
                }
                for outcome in result.outcomes
            ]
        ),
        "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in result.plan.notes) or "none"),
    }

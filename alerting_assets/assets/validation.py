"""Stage 2: a verdict on every alert's query, and the gate in front of deployment."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from alerting_assets.assets.configurations import GROUP, OWNERS, alert_configurations
from alerting_assets.assets.resource import AlertingResource
from alerting_assets.assets.tables import table
from alerting_assets.automation.partitions import (
    ALERTS,
    Batch,
    CheckOutcome,
    materialized,
    record_checks,
    record_materializations,
    requested_ids,
)
from alerting_assets.configuration import ConfiguredAlert, read_rows, to_alerts
from alerting_assets.lakehouse.tables import ALERT_QUERY_VALIDATIONS
from alerting_assets.validation import AlertVerdict, ValidationReport, Verdict, validate_alerts

VALIDATED_QUERIES = dg.AssetKey("validated_queries")
VALIDATION_REPORT = dg.AssetKey("validation_report")
QUERY_IS_VALID = dg.AssetCheckKey(VALIDATED_QUERIES, "query_is_valid")
BATCH_IS_SANE = dg.AssetCheckKey(VALIDATION_REPORT, "batch_is_sane")

MAX_QUARANTINED_SHARE = 0.5
MIN_BATCH = 4
"""Fewer quarantined alerts than this are never systemic."""


@dg.multi_asset(
    name="validate",
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,  # a backfill runs partitioned and unpartitioned assets in runs of their own
    specs=[
        dg.AssetSpec(
            VALIDATED_QUERIES,
            partitions_def=ALERTS,
            deps=[alert_configurations],
            skippable=True,
            group_name=GROUP,
            owners=OWNERS,
            kinds={"sql", "deltalake"},
            description=(
                "Every alert's query, proven to be one read-only query and analysed by the engine in exactly the form that is deployed. "
                "An alert that fails is quarantined: it alone is not deployed, and what was deployed before stays up."
            ),
        ),
        dg.AssetSpec(
            VALIDATION_REPORT,
            deps=[alert_configurations],
            group_name=GROUP,
            owners=OWNERS,
            kinds={"python"},
            description="The batch at a glance: who is valid, who is quarantined and why. Its blocking check gates deployment.",
        ),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            QUERY_IS_VALID.name,
            asset=VALIDATED_QUERIES,
            partitions_def=ALERTS,
            description="The alert's query can be deployed. Failed: the alert is quarantined.",
        ),
        dg.AssetCheckSpec(
            BATCH_IS_SANE.name,
            asset=VALIDATION_REPORT,
            blocking=True,
            description="Not most of the batch is broken. If it is, the cause is no single query, and nothing is deployed.",
        ),
    ],
)
def validated_queries(
    context: dg.AssetExecutionContext, config: Batch, alerting: AlertingResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    lakehouse = alerting.get_lakehouse()
    wanted = requested_ids(context, config)
    alerts = [
        alert
        for alert in to_alerts(read_rows(lakehouse), alerting.target)
        if wanted is None or alert.alert_id in wanted
    ]
    report = validate_alerts(lakehouse, alerts, alerting.now())
    for verdict in report.quarantined:
        context.log.warning("alert %s is quarantined: %s", verdict.alert_id, verdict.reason)

    by_id = {alert.alert_id: alert for alert in alerts}
    if VALIDATED_QUERIES in context.selected_asset_keys:
        known = materialized(context.instance, VALIDATED_QUERIES) if wanted is None else set()
        news = [verdict for verdict in report.verdicts if not (verdict.reused and verdict.alert_id in known)]
        metadata = {verdict.alert_id: _metadata(by_id[verdict.alert_id], verdict) for verdict in news}
        record_materializations(context, VALIDATED_QUERIES, metadata)
        record_checks(context, QUERY_IS_VALID, {verdict.alert_id: _outcome(verdict) for verdict in news})
    if QUERY_IS_VALID in context.selected_asset_check_keys:
        yield dg.AssetCheckResult(
            asset_key=VALIDATED_QUERIES,
            check_name=QUERY_IS_VALID.name,
            passed=not report.quarantined,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(report.quarantined)} of {len(report.verdicts)} alerts are quarantined",
            metadata={"quarantined": _quarantined(report, by_id)},
        )
    if VALIDATION_REPORT in context.selected_asset_keys:
        yield dg.MaterializeResult(
            asset_key=VALIDATION_REPORT,
            metadata={
                "valid": len(report.valid),
                "quarantined_count": len(report.quarantined),
                "analysed": sum(not verdict.reused for verdict in report.verdicts),
                "reused": sum(verdict.reused for verdict in report.verdicts),
                "quarantined": _quarantined(report, by_id),
                "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_QUERY_VALIDATIONS.name]),
            },
        )
    if BATCH_IS_SANE in context.selected_asset_check_keys:
        yield _batch_is_sane(report)


def _batch_is_sane(report: ValidationReport) -> dg.AssetCheckResult:
    broken, total = len(report.quarantined), len(report.verdicts)
    share = broken / total if total else 0.0
    return dg.AssetCheckResult(
        asset_key=VALIDATION_REPORT,
        check_name=BATCH_IS_SANE.name,
        passed=broken < MIN_BATCH or share <= MAX_QUARANTINED_SHARE,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{broken} of {total} alerts are quarantined; more than {MAX_QUARANTINED_SHARE:.0%} stops the deployment of all",
        metadata={"quarantined_share": share},
    )


def _outcome(verdict: AlertVerdict) -> CheckOutcome:
    if verdict.finding is None:
        return CheckOutcome(True, "the query can be deployed")
    return CheckOutcome(False, verdict.reason, {"rule": verdict.finding.rule, "verdict": verdict.verdict.value})


def _metadata(alert: ConfiguredAlert, verdict: AlertVerdict) -> Mapping[str, Any]:
    metadata: dict[str, Any] = {"verdict": verdict.verdict.value, "name": alert.name, "severity": alert.severity}
    if verdict.verdict is not Verdict.VALID:
        metadata["reason"] = verdict.reason
    if alert.compiled is not None:
        metadata["deployed_query"] = dg.MetadataValue.md(f"```sql\n{alert.compiled.sql}\n```")
        metadata["compiled_hash"] = verdict.compiled_hash
    return metadata


def _quarantined(report: ValidationReport, by_id: Mapping[str, ConfiguredAlert]) -> Any:
    return table(
        [
            {
                "alert_id": verdict.alert_id,
                "name": by_id[verdict.alert_id].name,
                "verdict": verdict.verdict.value,
                "reason": verdict.reason,
            }
            for verdict in report.quarantined
        ]
    )

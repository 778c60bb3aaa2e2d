"""Stage 2: a verdict on every alert's query, and the gate in front of deployment."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from alerting_assets.assets.configurations import GROUP, OWNERS, alert_configurations
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
from alerting_assets.configuration import ConfiguredAlert, Row, notes_on, read_rows, to_alerts
from alerting_assets.lakehouse.tables import ALERT_QUERY_VALIDATIONS
from alerting_assets.resource import AlertingResource
from alerting_assets.validation import (
    RULES,
    AlertVerdict,
    Finding,
    Group,
    ValidationReport,
    Verdict,
    validate_all_alert_queries,
)

VALIDATED_QUERIES = dg.AssetKey("validated_queries")
VALIDATION_REPORT = dg.AssetKey("validation_report")
BATCH_IS_SANE = dg.AssetCheckKey(VALIDATION_REPORT, "batch_is_sane")
RUNNING_ALERTS_ARE_VALID = dg.AssetCheckKey(VALIDATION_REPORT, "running_alerts_are_valid")

ABOUT: dict[Group, str] = {
    Group.SYNTAX: "Can be read, and is read alike by every engine.",
    Group.SAFETY: "One query that only reads tables and views, those it may, by functions that only compute.",
    Group.REFERENCES: "Every table exists and can be read.",
    Group.ANALYSIS: "The engine analyses and plans the query as it is written. Nothing is run.",
    Group.CONTRACT: "The result, as it is written and as it is deployed, has the column that the alert compares, in a type that fits.",
    Group.QUALITY: "Costs what it should and means what its author thinks. Warnings, unless validation.yml says otherwise.",
}
CHECKS: dict[Group, dg.AssetCheckKey] = {group: dg.AssetCheckKey(VALIDATED_QUERIES, group.value) for group in Group}
"""One check for each group of rules, with a result for each alert."""

MAX_QUARANTINED_SHARE = 0.5
MIN_BATCH = 4
"""How many quarantined alerts it takes at least for the cause to be counted as a systemic one."""


class ValidationBatch(Batch):
    """What a validation is about. fresh: whether every query is analysed again, also where neither it nor its tables changed."""

    fresh: bool = Field(default=False)


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
        *(
            dg.AssetCheckSpec(
                key.name,
                asset=VALIDATED_QUERIES,
                partitions_def=ALERTS,
                description=f"{ABOUT[group]} Rules: {', '.join(rule.name for rule in RULES if rule.group is group)}.",
            )
            for group, key in CHECKS.items()
        ),
        dg.AssetCheckSpec(
            BATCH_IS_SANE.name,
            asset=VALIDATION_REPORT,
            blocking=True,
            description="Not most of the batch is broken; if it is, the cause is no single query, and nothing is deployed. With "
            "ALERTING_STRICT one broken alert is enough.",
        ),
        dg.AssetCheckSpec(
            RUNNING_ALERTS_ARE_VALID.name,
            asset=VALIDATION_REPORT,
            description="No alert that is deployed has a query that turned invalid: it keeps running, and fails in the workspace.",
        ),
    ],
)
def validated_queries(
    context: dg.AssetExecutionContext, config: ValidationBatch, alerting: AlertingResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    lakehouse = alerting.get_lakehouse()
    wanted = requested_ids(context, config)
    rows = [row for row in read_rows(lakehouse) if wanted is None or row["alert_id"] in wanted]
    alerts = to_alerts(rows, alerting.target)
    report = validate_all_alert_queries(lakehouse, alerts, alerting.now(), alerting.policy, fresh=config.fresh)
    for verdict in report.quarantined:
        context.log.warning("alert %s is quarantined: %s", verdict.alert_id, verdict.reason)

    by_id = {alert.alert_id: alert for alert in alerts}
    if VALIDATED_QUERIES in context.selected_asset_keys:
        known = materialized(context.instance, VALIDATED_QUERIES) if wanted is None else set()
        news = [verdict for verdict in report.verdicts if not (verdict.reused and verdict.alert_id in known)]
        metadata = {verdict.alert_id: _metadata(by_id[verdict.alert_id], verdict) for verdict in news}
        record_materializations(context, VALIDATED_QUERIES, metadata)
        for group, check in CHECKS.items():
            if check in context.selected_asset_check_keys:
                record_checks(context, check, {verdict.alert_id: _outcome(verdict, group) for verdict in news})
    for group, check in CHECKS.items():
        if check in context.selected_asset_check_keys:
            yield _whole(report, group, by_id)
    if VALIDATION_REPORT in context.selected_asset_keys:
        yield dg.MaterializeResult(
            asset_key=VALIDATION_REPORT,
            metadata={
                "valid": len(report.valid),
                "quarantined_count": len(report.quarantined),
                "warnings_count": len(report.warnings),
                "analysed": sum(not verdict.reused for verdict in report.verdicts),
                "reused": sum(verdict.reused for verdict in report.verdicts),
                "quarantined": _table(
                    ((item.alert_id, finding) for item in report.quarantined for finding in item.findings), by_id
                ),
                "warnings": _table(report.warnings, by_id),
                "notes": dg.MetadataValue.md(
                    "\n".join(f"- {note}" for note in notes_on(alerts, alerting.now())) or "none"
                ),
                "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_QUERY_VALIDATIONS.name]),
            },
        )
    if BATCH_IS_SANE in context.selected_asset_check_keys:
        yield _batch_is_sane(report, by_id, strict=alerting.strict, unsupported=alerting.deploy_unsupported)
    if RUNNING_ALERTS_ARE_VALID in context.selected_asset_check_keys:
        yield _running_are_valid(report, rows, by_id)


def _whole(report: ValidationReport, group: Group, by_id: Mapping[str, ConfiguredAlert]) -> dg.AssetCheckResult:
    """The result of a check over the whole batch. A declared check must be yielded once, beside its results for each alert."""
    found = [
        (verdict.alert_id, finding)
        for verdict in report.verdicts
        for finding in verdict.findings
        if finding.group is group
    ]
    alerts = {alert_id for alert_id, _ in found}
    ran = sum(verdict.ran(group) for verdict in report.verdicts)
    stopped = len(report.verdicts) - ran
    return dg.AssetCheckResult(
        asset_key=VALIDATED_QUERIES,
        check_name=CHECKS[group].name,
        passed=not found and (ran > 0 or not stopped),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(alerts)} of {ran} alerts have findings"
        + (f"; not run for {stopped}, which an earlier group stopped" if stopped else ""),
        metadata={"findings": _table(found, by_id)},
    )


def _outcome(verdict: AlertVerdict, group: Group) -> CheckOutcome:
    found = [finding for finding in verdict.findings if finding.group is group]
    if found:
        return CheckOutcome(
            False,
            "; ".join(finding.text for finding in found),
            {"verdict": verdict.verdict.value, "rules": ", ".join(sorted({finding.rule for finding in found}))},
            is_warning=verdict.verdict is Verdict.VALID,
        )
    if verdict.finding is not None and not verdict.ran(group):
        description = f"not run: {verdict.finding.group} stopped before it ({verdict.finding.rule})"
        return CheckOutcome(False, description, {"verdict": verdict.verdict.value}, is_warning=True, was_run=False)
    return CheckOutcome(True, ABOUT[group])


def _batch_is_sane(
    report: ValidationReport, by_id: Mapping[str, ConfiguredAlert], *, strict: bool, unsupported: bool
) -> dg.AssetCheckResult:
    broken, total = len(report.quarantined), len(report.verdicts)
    share = broken / total if total else 0.0
    unfit = sum(
        by_id[verdict.alert_id].is_enabled and not verdict.may_be_deployed(unsupported=unsupported)
        for verdict in report.verdicts
    )
    description = (
        f"{broken} of {total} alerts are quarantined; more than {MAX_QUARANTINED_SHARE:.0%} stops the deployment of all"
    )
    if strict:
        description = f"{unfit} of {total} alerts are not fit; ALERTING_STRICT is on: one stops the deployment of all"
    return dg.AssetCheckResult(
        asset_key=VALIDATION_REPORT,
        check_name=BATCH_IS_SANE.name,
        passed=not unfit if strict else broken < MIN_BATCH or share <= MAX_QUARANTINED_SHARE,
        severity=dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={"quarantined_share": share, "strict": strict},
    )


def _running_are_valid(
    report: ValidationReport, rows: Sequence[Row], by_id: Mapping[str, ConfiguredAlert]
) -> dg.AssetCheckResult:
    deployed = {row["alert_id"] for row in rows if row["databricks_alert_id"]}
    found = [
        (verdict.alert_id, verdict.finding)
        for verdict in report.quarantined
        if verdict.alert_id in deployed and verdict.finding is not None
    ]
    return dg.AssetCheckResult(
        asset_key=VALIDATION_REPORT,
        check_name=RUNNING_ALERTS_ARE_VALID.name,
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(found)} of {len(deployed)} deployed alerts are not valid any more; they are left running as they were deployed",
        metadata={"alerts": _table(found, by_id)},
    )


def _metadata(alert: ConfiguredAlert, verdict: AlertVerdict) -> Mapping[str, Any]:
    metadata: dict[str, Any] = {"verdict": verdict.verdict.value, "name": alert.name, "severity": alert.severity}
    if verdict.findings:
        metadata["findings"] = _table(
            ((verdict.alert_id, finding) for finding in verdict.findings), {verdict.alert_id: alert}
        )
    if verdict.verdict is not Verdict.VALID:
        metadata["reason"] = verdict.reason
    if alert.compiled is not None:
        metadata["deployed_query"] = dg.MetadataValue.md(f"```sql\n{alert.compiled.sql}\n```")
        metadata["compiled_hash"] = verdict.compiled_hash
    return metadata


def _table(found: Any, by_id: Mapping[str, ConfiguredAlert]) -> Any:
    """Findings as a table. found: (alert_id, finding) each."""
    pairs: list[tuple[str, Finding]] = list(found)
    return table(
        [
            {
                "alert_id": alert_id,
                "name": by_id[alert_id].name,
                "severity": finding.severity.value,
                "rule": finding.rule,
                "finding": finding.message,
                "line": finding.line or "",
                "column": finding.column or "",
                "suggestion": finding.suggestion or "",
            }
            for alert_id, finding in pairs
        ]
    )

"""Stage 2: a verdict on every alert's query, and the gate in front of deployment."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from alerting_assets.alerts.definitions import Place
from alerting_assets.alerts.windows import read_windows
from alerting_assets.assets.configurations import GROUP, OWNERS, alert_configurations
from alerting_assets.assets.tables import table
from alerting_assets.automation.partitions import (
    ALERTS,
    WHOLE,
    Batch,
    CheckOutcome,
    checked,
    has_no_version,
    is_in_run,
    known_partitions,
    latest_passes,
    materialized,
    record_checks,
    record_materializations,
    record_observations,
    refuse_unknown,
    requested_ids,
)
from alerting_assets.automation.reasons import NOT_RUN
from alerting_assets.configuration import (
    ConfiguredAlert,
    Row,
    channel_notes,
    notes_on,
    places_of,
    read_rows,
    target_in,
    to_alerts,
)
from alerting_assets.lakehouse.tables import ALERT_QUERY_VALIDATIONS
from alerting_assets.resource import AlertingResource
from alerting_assets.validation import (
    RULES,
    AlertVerdict,
    Finding,
    Group,
    ValidationReport,
    Verdict,
    alert_verdicts,
    validate_all_alert_queries,
)

VALIDATED_QUERIES = dg.AssetKey("validated_queries")
VALIDATION_REPORT = dg.AssetKey("validation_report")
NO_SYSTEMIC_FAILURE = dg.AssetCheckKey(VALIDATION_REPORT, "no_systemic_failure")
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

MAX_FAILED_SHARE = 0.5
MIN_FAILED = 4
"""How many alerts that nobody edited have to turn unfit at least for the cause to be counted as a systemic one."""
DEPLOYED_ALERTS = dg.AssetKey("deployed_alerts")


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
                "A valid one is a materialization. One that fails is quarantined, an observation with the reason: it alone is not "
                "deployed, and what was deployed before stays up."
            ),
        ),
        dg.AssetSpec(
            VALIDATION_REPORT,
            deps=[alert_configurations, VALIDATED_QUERIES],
            group_name=GROUP,
            owners=OWNERS,
            kinds={"python"},
            description="All alerts at a glance: who is valid, who is quarantined and why. Its blocking check gates deployment.",
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
            NO_SYSTEMIC_FAILURE.name,
            asset=VALIDATION_REPORT,
            blocking=True,
            description="Most alerts that are deployed, and that nobody edited since, are still valid. If not, the cause is no query but "
            "the engine, its permissions or its tables, and nothing is deployed. With ALERTING_STRICT one broken alert is enough.",
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
    lakehouse, now = alerting.get_lakehouse(), alerting.now()
    wanted = requested_ids(context, config)
    rows = read_rows(lakehouse)
    refuse_unknown(wanted, [*(row["alert_id"] for row in rows), *known_partitions(context.instance)])
    alerts = to_alerts(rows, target_in(lakehouse, alerting.settings))
    chosen = [alert for alert in alerts if wanted is None or alert.alert_id in wanted]
    batch = validate_all_alert_queries(lakehouse, chosen, now, alerting.policy, fresh=config.fresh)
    for verdict in batch.quarantined:
        context.log.warning("alert %s is quarantined: %s", verdict.alert_id, verdict.reason)
    others = [alert for alert in alerts if wanted is not None and alert.alert_id not in wanted]
    stored = [verdict for verdict in alert_verdicts(lakehouse, others, alerting.policy).values() if verdict]
    report = ValidationReport(tuple(sorted([*batch.verdicts, *stored], key=lambda verdict: verdict.alert_id)))

    if not context.run.is_partitioned:
        has_no_version(context, VALIDATED_QUERIES)
    by_id = {alert.alert_id: alert for alert in alerts}
    state = {row["alert_id"]: row for row in rows}
    if VALIDATED_QUERIES in context.selected_asset_keys:
        known: set[str] = set()
        if wanted is None:
            known = materialized(context.instance, VALIDATED_QUERIES) | checked(context.instance, [*CHECKS.values()])
            shown = {group: latest_passes(context.instance, check) for group, check in CHECKS.items()}
            known = {item.alert_id for item in batch.verdicts if item.alert_id in known and _is_shown(item, shown)}
        news = [verdict for verdict in batch.verdicts if not (verdict.reused and verdict.alert_id in known)]
        told = {item.alert_id: _metadata(by_id[item.alert_id], item, state[item.alert_id]) for item in news}
        valid = {verdict.alert_id for verdict in batch.valid}
        wrong = [state[verdict.alert_id] for verdict in news if verdict.findings]
        places = places_of(alerting.settings.definitions, wrong)
        record_materializations(
            context,
            VALIDATED_QUERIES,
            {name: told[name] for name in told if name in valid},
            made_from=[alert_configurations.key],
        )
        record_observations(context, VALIDATED_QUERIES, {name: told[name] for name in told if name not in valid})
        for group, check in CHECKS.items():
            if check in context.selected_asset_check_keys:
                outcomes = {item.alert_id: _outcome(item, group, state[item.alert_id], places) for item in news}
                record_checks(context, check, outcomes)
    for group, check in CHECKS.items():
        if check in context.selected_asset_check_keys:
            yield _whole(report, group, by_id)
    if VALIDATION_REPORT in context.selected_asset_keys:
        yield dg.MaterializeResult(
            asset_key=VALIDATION_REPORT,
            data_version=WHOLE,
            metadata={
                "valid": len(report.valid),
                "quarantined_count": len(report.quarantined),
                "never_validated": len(alerts) - len(report.verdicts),
                "warnings_count": len(report.warnings),
                "this_run": f"{len(chosen)} of {len(alerts)} alerts",
                "analysed": sum(not verdict.reused for verdict in batch.verdicts),
                "reused": sum(verdict.reused for verdict in batch.verdicts),
                "quarantined": _table(
                    ((item.alert_id, finding) for item in report.quarantined for finding in item.findings), by_id
                ),
                "warnings": _table(report.warnings, by_id),
                "notes": dg.MetadataValue.md(
                    "\n".join(f"- {note}" for note in [*notes_on(alerts, now), *channel_notes(alerts)]) or "none"
                ),
                "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_QUERY_VALIDATIONS.name]),
            },
        )
    if NO_SYSTEMIC_FAILURE in context.selected_asset_check_keys:
        yield _no_systemic_failure(
            report, state, by_id, strict=alerting.strict, unsupported=alerting.deploy_unsupported
        )
    if RUNNING_ALERTS_ARE_VALID in context.selected_asset_check_keys:
        yield _running_are_valid(report, rows, by_id)
    if context.run.is_partitioned and batch.quarantined and not (batch.valid and is_in_run(context, DEPLOYED_ALERTS)):
        # Dagster then shows these partitions, and no other, as failed. What is deployed later in the run is not held up by them.
        raise dg.Failure(
            "; ".join(f"{item.alert_id} is {item.verdict}: {item.reason}" for item in batch.quarantined),
            allow_retries=False,
        )


def _whole(report: ValidationReport, group: Group, by_id: Mapping[str, ConfiguredAlert]) -> dg.AssetCheckResult:
    """The result of a check over all alerts. A declared check must be yielded once, beside its results for each alert, and passes if
    all of those do: Dagster shows the state of the partitions in its list of checks and this result in the details."""
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
        passed=not found and not stopped,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(alerts)} of {ran} alerts have findings"
        + (f"; not run for {stopped}, which an earlier group stopped" if stopped else ""),
        metadata={"findings": _table(found, by_id), **({NOT_RUN: True} if stopped and not found else {})},
    )


def _is_shown(verdict: AlertVerdict, shown: Mapping[Group, Mapping[str, bool]]) -> bool:
    """Whether its checks are recorded as it says. They are not where somebody went back to a query that was judged before. shown: by
    alert_id, whether it passed when it was last recorded; of passes not all are."""
    wrong = {finding.group for finding in verdict.findings}
    return all(
        shown[group].get(verdict.alert_id, True) is (group not in wrong) for group in Group if verdict.ran(group)
    )


def _outcome(verdict: AlertVerdict, group: Group, row: Row, places: Mapping[str, Place]) -> CheckOutcome:
    found = [finding for finding in verdict.findings if finding.group is group]
    if found:
        place = places.get(verdict.alert_id)
        return CheckOutcome(
            False,
            "; ".join(finding.text for finding in found),
            {
                "verdict": verdict.verdict.value,
                "rules": ", ".join(sorted({finding.rule for finding in found})),
                "owner": row["owner"],
                **({"place": "; ".join(dict.fromkeys(place.of_query(one.line) for one in found))} if place else {}),
            },
            is_warning=verdict.verdict is Verdict.VALID,
        )
    if verdict.finding is not None and not verdict.ran(group):
        description = f"not run: {verdict.finding.group} stopped before it ({verdict.finding.rule})"
        return CheckOutcome(False, description, {"verdict": verdict.verdict.value}, is_warning=True, was_run=False)
    return CheckOutcome(True, ABOUT[group])


def _no_systemic_failure(
    report: ValidationReport,
    state: Mapping[str, Row],
    by_id: Mapping[str, ConfiguredAlert],
    *,
    strict: bool,
    unsupported: bool,
) -> dg.AssetCheckResult:
    """An edit is its author's, however many there are. What turned unfit without one has a cause outside of the alerts."""
    enabled = [verdict for verdict in report.verdicts if by_id[verdict.alert_id].is_enabled]
    unfit = {item.alert_id for item in enabled if not item.may_be_deployed(unsupported=unsupported)}
    unedited = {item.alert_id for item in enabled if _is_deployed_as_it_is(by_id[item.alert_id], state[item.alert_id])}
    failed = unfit & unedited
    share = len(failed) / len(unedited) if unedited else 0.0
    description = (
        f"{len(failed)} of {len(unedited)} alerts that are deployed, and that nobody edited since, are not fit any more; more than "
        f"{MAX_FAILED_SHARE:.0%} (and at least {MIN_FAILED}) stops the deployment of all"
    )
    if strict:
        failed = unfit
        description = (
            f"{len(unfit)} of {len(enabled)} alerts are not fit; ALERTING_STRICT is on: one stops the deployment of all"
        )
    found = [
        (item.alert_id, item.finding)
        for item in report.quarantined
        if item.alert_id in failed and item.finding is not None
    ]
    return dg.AssetCheckResult(
        asset_key=VALIDATION_REPORT,
        check_name=NO_SYSTEMIC_FAILURE.name,
        passed=not unfit if strict else len(failed) < MIN_FAILED or share <= MAX_FAILED_SHARE,
        severity=dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={"failed_share": share, "strict": strict, "alerts": _table(found, by_id)},
    )


def _is_deployed_as_it_is(alert: ConfiguredAlert, row: Row) -> bool:
    if alert.compiled is None:
        return False
    deployed = alert.compiled.silenced(read_windows(row["applied_silences"]))
    return bool(row["applied_hash"] == deployed.config_hash)


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


def _metadata(alert: ConfiguredAlert, verdict: AlertVerdict, row: Row) -> Mapping[str, Any]:
    is_valid = verdict.verdict is Verdict.VALID
    metadata: dict[str, Any] = {
        "verdict": verdict.verdict.value,
        "name": alert.name,
        "severity": alert.severity,
        "owner": row["owner"],
        "deployed": row["last_sync_status"] or "not yet",
    }
    if not is_valid:
        metadata["reason"] = verdict.reason
    if row["definition_error"]:
        metadata["definition"] = row["definition_error"]
    if alert.configuration is not None:
        condition = alert.configuration.condition.words
        metadata["condition"] = f"{alert.configuration.aggregation_column} {condition}"
        metadata["schedule"] = f"{alert.configuration.schedule_cron} ({alert.configuration.schedule_timezone})"
    if verdict.findings:
        metadata["findings"] = _table(
            ((verdict.alert_id, finding) for finding in verdict.findings), {verdict.alert_id: alert}
        )
    if alert.compiled is not None:
        metadata["deployed_query" if is_valid else "refused_query"] = dg.MetadataValue.md(
            f"```sql\n{alert.compiled.sql}\n```"
        )
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

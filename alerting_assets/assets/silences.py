"""When alerts are silent: YAML files into `alert_silences`. What is silent, and when, is deployed with the alerts themselves."""

import dagster as dg

from alerting_assets.assets.configurations import GROUP, OWNERS, alert_configurations
from alerting_assets.assets.tables import load_counts, problem_table, table
from alerting_assets.automation.partitions import WHOLE
from alerting_assets.configuration import (
    SILENCE,
    load_listed,
    read_listed,
    read_rows,
    silence_notes,
    silence_problems,
    silences_in,
    traits_of,
)
from alerting_assets.deployment import held_back_notes
from alerting_assets.lakehouse.tables import ALERT_SILENCES
from alerting_assets.resource import AlertingResource

SILENCES_ARE_RIGHT = dg.AssetCheckSpec(
    "silences_are_right",
    asset="alert_silences",
    description=(
        "Every silence can be used; one that cannot silences nothing. A warning where one matches no alert, or every one, or cannot reach "
        "what is deployed."
    ),
)


@dg.asset(
    deps=[alert_configurations],
    group_name=GROUP,
    check_specs=[SILENCES_ARE_RIGHT],
    owners=OWNERS,
    kinds={"deltalake", "yaml"},
    description=(
        "The Delta table of all silences. Definitions in `alerts/silences/*.yml`, or in a list `silences:` beside alerts, are merged into "
        "it; rows that people made by other means are theirs. The alerts that they are about are deployed with their windows."
    ),
)
def alert_silences(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse, settings, now = alerting.get_lakehouse(), alerting.settings, alerting.now()
    result = load_listed(SILENCE, lakehouse, settings.definitions, now, strict=settings.strict)
    rows = read_listed(lakehouse, SILENCE)
    problems = [*result.problems, *silence_problems(rows)]
    alerts = read_rows(lakehouse)
    silences = silences_in(lakehouse, now, rows)
    notes = [*silence_notes(silences, alerts), *held_back_notes(silences, alerts)]
    for told in (*problems, *notes):
        context.log.warning("%s", told)
    known = [traits_of(row) for row in alerts]
    return dg.MaterializeResult(
        data_version=WHOLE,
        metadata={
            "dagster/row_count": len(rows),
            "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_SILENCES.name]),
            **load_counts(result),
            "silent_now": sum(silences.active(alert) is not None for alert in known),
            "silences": table(
                [
                    {
                        "silence_id": one.silence_id,
                        "alerts": sum(map(one.matches, known)),
                        "which": one.in_words(),
                        "when": one.when_in_words(),
                        "is over": one.is_over(now),
                        "reason": one.reason,
                        "created_by": one.created_by,
                        "managed_by": one.managed_by,
                    }
                    for one in silences.all
                ]
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=SILENCES_ARE_RIGHT.name,
                passed=not problems and not notes,
                severity=dg.AssetCheckSeverity.ERROR if problems else dg.AssetCheckSeverity.WARN,
                description=f"{len(problems)} problems, {len(result.kept)} rows kept as they were last right, {len(notes)} warnings",
                metadata={
                    "problems": problem_table(problems, "silence_id"),
                    "warnings": dg.MetadataValue.md("\n".join(f"- {note}" for note in notes) or "none"),
                },
            )
        ],
    )

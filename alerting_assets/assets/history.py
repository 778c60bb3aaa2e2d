"""Stage 4: evaluate what is valid and enabled, and record it."""

from collections import Counter

import dagster as dg

from alerting_assets.alerts.operators import State
from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.deployment import DEPLOYMENT_REPORT
from alerting_assets.assets.tables import table
from alerting_assets.configuration import read_rows, to_alerts
from alerting_assets.evaluation import Evaluation, evaluate_alerts
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.resource import AlertingResource
from alerting_assets.validation import alert_verdicts, evaluable

ALERT_HISTORY_KEY = dg.AssetKey("alert_history")
NO_EVALUATION_FAILED = dg.AssetCheckKey(ALERT_HISTORY_KEY, "no_evaluation_failed")


@dg.asset(
    key=ALERT_HISTORY_KEY,
    deps=[DEPLOYMENT_REPORT],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"deltalake", "sql"},
    check_specs=[
        dg.AssetCheckSpec(
            NO_EVALUATION_FAILED.name, asset=ALERT_HISTORY_KEY, description="No alert's query ended in an error."
        )
    ],
    description=(
        "One row for every evaluation. Each valid, enabled alert's deployed query is run and decided as the deployed alert decides; all "
        "rows of a run are one commit. A query that fails becomes an ERROR row and stops nobody else."
    ),
)
def alert_history(context: dg.AssetExecutionContext, alerting: AlertingResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse = alerting.get_lakehouse()
    now = alerting.now()
    alerts = to_alerts(read_rows(lakehouse), alerting.target)
    evaluations = evaluate_alerts(lakehouse, evaluable(alerts, alert_verdicts(lakehouse, alerts, alerting.policy)), now)
    states = Counter(evaluation.decision.state.value for evaluation in evaluations)
    failed = [evaluation for evaluation in evaluations if evaluation.decision.state is State.ERROR]
    for evaluation in failed:
        context.log.warning("alert %s: %s", evaluation.alert.alert_id, evaluation.decision.error)
    return dg.MaterializeResult(
        metadata={
            "evaluated": len(evaluations),
            **{state.value.lower(): states[state.value] for state in (State.TRIGGERED, State.OK, State.ERROR)},
            "evaluations": table([_shown(evaluation) for evaluation in sorted(evaluations, key=_urgency)]),
            "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_HISTORY.name]),
            "delta_version": lakehouse.version(ALERT_HISTORY.name).version,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=NO_EVALUATION_FAILED.name,
                passed=not failed,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{len(failed)} of {len(evaluations)} evaluations ended in an error",
                metadata={
                    "failed": table(
                        [{"alert_id": item.alert.alert_id, "error": item.decision.error} for item in failed]
                    )
                },
            )
        ],
    )


def _urgency(evaluation: Evaluation) -> tuple[int, str]:
    order = [State.TRIGGERED, State.ERROR, State.SUPPRESSED, State.OK]
    return order.index(evaluation.decision.state), evaluation.alert.alert_id


def _shown(evaluation: Evaluation) -> dict[str, str | float | None]:
    return {
        "state": evaluation.decision.state.value,
        "alert": evaluation.alert.display_name,
        "value": evaluation.value_text,
        "condition": evaluation.condition_text,
        "before": evaluation.previous_status,
        "ms": round(evaluation.query_duration_ms, 1),
        "error or note": evaluation.decision.error or evaluation.decision.note,
    }

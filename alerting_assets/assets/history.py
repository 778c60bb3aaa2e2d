"""Stage 4: evaluate what is valid and enabled, and record it."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.operators import State
from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.deployment import DEPLOYMENT_REPORT
from alerting_assets.assets.tables import Cell, listed, table
from alerting_assets.assets.validation import DEPLOYED_ALERTS
from alerting_assets.automation.partitions import (
    Batch,
    known_partitions,
    record_observations,
    refuse_unknown,
    requested_ids,
)
from alerting_assets.configuration import Row, read_rows, to_alerts
from alerting_assets.errors import SettingsError
from alerting_assets.evaluation import Evaluation, EvaluationRun, run_evaluations
from alerting_assets.explanation import explain, to_markdown
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.resource import AlertingResource
from alerting_assets.validation import alert_verdicts, evaluable

ALERT_HISTORY_KEY = dg.AssetKey("alert_history")
NO_EVALUATION_FAILED = dg.AssetCheckKey(ALERT_HISTORY_KEY, "no_evaluation_failed")
WORKSPACE_HISTORY_IS_READABLE = dg.AssetCheckKey(ALERT_HISTORY_KEY, "workspace_history_is_readable")

SLOWEST = 10
TOLD_EVERY_SECONDS = 5.0
EXPLAINED = 5
"""So many alerts have a page that explains them, of those whose state a run changed."""


class EvaluationBatch(Batch):
    """What an evaluation is about. only_due: leave out alerts whose schedule did not fire since they were last evaluated. now: the moment
    that the queries are told, in ISO 8601; empty: this moment."""

    only_due: bool = Field(default=False)
    now: str = Field(default="")

    def moment(self, present: datetime) -> datetime:
        """Raises SettingsError."""
        if not self.now:
            return present
        try:
            moment = datetime.fromisoformat(self.now)
        except ValueError:
            raise SettingsError(f"now: {self.now!r} is no time; write it like 2026-11-28T10:00:00+00:00") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dg.asset(
    key=ALERT_HISTORY_KEY,
    deps=[DEPLOYMENT_REPORT],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"deltalake", "sql"},
    check_specs=[
        dg.AssetCheckSpec(
            NO_EVALUATION_FAILED.name, asset=ALERT_HISTORY_KEY, description="No alert's query ended in an error."
        ),
        dg.AssetCheckSpec(
            WORKSPACE_HISTORY_IS_READABLE.name,
            asset=ALERT_HISTORY_KEY,
            description="What the workspace evaluated by itself can be imported. If not, we evaluate everything ourselves.",
        ),
    ],
    description=(
        "One row for every evaluation. What the workspace evaluated by itself is imported; of the other valid, enabled alerts each one's "
        "query is run and decided as the deployed alert decides. All rows of a run are one commit. A query that fails becomes an ERROR row "
        "and stops nobody else."
    ),
)
def alert_history(
    context: dg.AssetExecutionContext, config: EvaluationBatch, alerting: AlertingResource
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it
    lakehouse, settings, started = alerting.get_lakehouse(), alerting.settings, time.monotonic()
    now = config.moment(alerting.now())
    rows = read_rows(lakehouse)
    wanted = requested_ids(context, config)
    refuse_unknown(wanted, {row["alert_id"] for row in rows})
    alerts = _wanted(rows, wanted, alerting)
    run = run_evaluations(
        lakehouse, rows, alerts, settings, now, only_due=config.only_due, on_progress=_progress(context)
    )
    failed = [evaluation for evaluation in run.evaluations if evaluation.decision.state is State.ERROR]
    for evaluation in failed:
        context.log.warning("alert %s: %s", evaluation.alert.alert_id, evaluation.decision.error)
    _record_explanations(context, alerting, run, now)
    return dg.MaterializeResult(
        metadata={
            **_numbers(run, time.monotonic() - started),
            "evaluations": table([_shown(evaluation) for evaluation in sorted(run.evaluations, key=_urgency)]),
            "slowest": table([_cost(evaluation) for evaluation in _slowest(run.evaluations)]),
            "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_HISTORY.name]),
            "delta_version": lakehouse.version(ALERT_HISTORY.name).version,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=NO_EVALUATION_FAILED.name,
                passed=not failed,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{len(failed)} of {len(run.evaluations)} evaluations ended in an error"
                + listed([item.alert.alert_id for item in failed]),
                metadata={
                    "failed": table(
                        [{"alert_id": item.alert.alert_id, "error": item.decision.error} for item in failed]
                    )
                },
            ),
            dg.AssetCheckResult(
                check_name=WORKSPACE_HISTORY_IS_READABLE.name,
                passed=run.imported.finding is None,
                severity=dg.AssetCheckSeverity.WARN,
                description=run.imported.finding or _imported(run),
            ),
        ],
    )


def _record_explanations(
    context: dg.AssetExecutionContext, alerting: AlertingResource, run: EvaluationRun, now: datetime
) -> None:
    """At the partitions of alerts that began to fire, or no longer do, or began to fail: why."""
    partitions = known_partitions(context.instance)
    changed = [
        evaluation for evaluation in run.evaluations if _is_news(evaluation) and evaluation.alert.alert_id in partitions
    ]
    pages = {}
    for evaluation in sorted(changed, key=_urgency)[:EXPLAINED]:
        page = explain(alerting.get_lakehouse(), alerting.settings, evaluation.alert.alert_id, now)
        pages[evaluation.alert.alert_id] = {
            "state": evaluation.decision.state.value,
            "why": dg.MetadataValue.md(to_markdown(page)),
        }
    record_observations(context, DEPLOYED_ALERTS, pages)


def _is_news(evaluation: Evaluation) -> bool:
    before, state = evaluation.seen.previous_status, evaluation.decision.state
    return state != before and (state is not State.OK or before == State.TRIGGERED)


def _wanted(rows: Sequence[Row], wanted: frozenset[str] | None, alerting: AlertingResource) -> list[CompiledAlert]:
    lakehouse = alerting.get_lakehouse()
    alerts = to_alerts([row for row in rows if wanted is None or row["alert_id"] in wanted], alerting.target)
    return evaluable(alerts, alert_verdicts(lakehouse, alerts, alerting.policy))


def _progress(context: dg.AssetExecutionContext) -> Callable[[int, int], None]:
    """Tells the run's log every few seconds how far it is."""
    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= TOLD_EVERY_SECONDS and done < total:
            told = time.monotonic()
            context.log.info("%d of %d alerts evaluated", done, total)

    return tell


def _numbers(run: EvaluationRun, seconds: float) -> dict[str, Any]:
    """What Dagster draws over time."""
    states = Counter(evaluation.decision.state for evaluation in run.evaluations)
    durations = [evaluation.duration_ms for evaluation in run.evaluations]
    return {
        "evaluated": len(run.evaluations),
        "imported": run.imported.rows,
        **{state.value.lower(): states[state] for state in (State.TRIGGERED, State.SUPPRESSED, State.OK, State.ERROR)},
        "missed": sum(evaluation.due.missed for evaluation in run.evaluations if evaluation.due),
        "seconds": round(seconds, 3),
        "slowest_query_ms": round(max(durations, default=0.0), 1),
        "median_query_ms": round(statistics.median(durations) if durations else 0.0, 1),
    }


def _imported(run: EvaluationRun) -> str:
    if run.imported.view is None:
        return "nothing is imported: no view is set"
    return f"{run.imported.rows} evaluations are new in {run.imported.view}"


def _urgency(evaluation: Evaluation) -> tuple[int, str]:
    order = [State.TRIGGERED, State.ERROR, State.SUPPRESSED, State.OK]
    return order.index(evaluation.decision.state), evaluation.alert.alert_id


def _shown(evaluation: Evaluation) -> dict[str, Cell]:
    return {
        "state": evaluation.decision.state.value,
        "alert_id": evaluation.alert.alert_id,
        "alert": evaluation.alert.display_name,
        "value": evaluation.value_text,
        "condition": evaluation.condition_text,
        "before": evaluation.seen.previous_status,
        "due (UTC)": f"{evaluation.due.due_at:%Y-%m-%d %H:%M:%S}" if evaluation.due else None,
        "ms": round(evaluation.duration_ms, 1),
        "error or note": evaluation.decision.error or evaluation.decision.note or evaluation.held_text,
    }


def _slowest(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return sorted(evaluations, key=lambda evaluation: evaluation.duration_ms, reverse=True)[:SLOWEST]


def _cost(evaluation: Evaluation) -> dict[str, Cell]:
    return {
        "alert_id": evaluation.alert.alert_id,
        "ms": round(evaluation.duration_ms, 1),
        "alerts in its statement": evaluation.statement_alerts,
    }

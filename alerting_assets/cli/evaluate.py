"""`alerting evaluate`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from alerting_assets.alerts.operators import State
from alerting_assets.cli.context import (
    FINDINGS,
    AlertIds,
    Json,
    console,
    lakehouse,
    now,
    print_counts,
    print_json,
    print_table,
    progress,
    settings,
)
from alerting_assets.cli.sync import wanted_alerts
from alerting_assets.configuration import read_rows, target_of, to_alerts
from alerting_assets.deployment.recoveries import recoveries_in_words, recoveries_json, tell_recoveries
from alerting_assets.evaluation import Evaluation, run_evaluations
from alerting_assets.validation import evaluable, policy_of, validate_all_alert_queries


class FailOn(StrEnum):
    TRIGGERED = "triggered"
    ERROR = "error"


def evaluate(
    alert_ids: AlertIds = None,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit code 1 when an alert fires, or when its query fails.")
    ] = None,
    due: Annotated[
        bool, typer.Option("--due", help="Only those whose schedule fired since they were last evaluated.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the queries of all valid, enabled alerts as the table holds them, decide, and record one row each.

    What the workspace evaluated by itself is imported first."""
    chosen = settings()
    with lakehouse(chosen) as tables:
        configured = read_rows(tables)
        alerts = wanted_alerts(to_alerts(configured, target_of(chosen)), alert_ids)
        report = validate_all_alert_queries(tables, alerts, now(), policy_of(chosen))
        valid = evaluable(alerts, report.by_id)
        with progress("evaluate", as_json) as advance:
            run = run_evaluations(tables, configured, valid, chosen, now(), only_due=due, on_progress=advance)
        recoveries = tell_recoveries(tables, chosen, now())
    evaluations, skipped = run.evaluations, len(alerts) - len(valid)
    if as_json:
        shown = [_evaluation_json(item) for item in evaluations]
        imported = {"view": run.imported.view, "rows": run.imported.rows, "finding": run.imported.finding}
        print_json(
            {
                "evaluations": shown,
                "skipped": skipped,
                "imported": imported,
                "recoveries": recoveries_json(recoveries),
            }
        )
    else:
        rows = [_evaluation_row(item) for item in evaluations]
        print_table(
            "Evaluations", ("state", "alert", "name", "value", "condition", "before", "ms", "error or note"), rows
        )
        print_counts({state.value: sum(item.decision.state is state for item in evaluations) for state in State})
        if run.imported.rows:
            console.print(f"{run.imported.rows} evaluations of the workspace imported", soft_wrap=True)
        if skipped:
            console.print(f"{skipped} not evaluated: quarantined or disabled; `alerting status` tells which")
        if due and len(valid) > len(evaluations):
            console.print(
                f"{len(valid) - len(evaluations)} not due, or left to the workspace, which evaluates them by itself"
            )
        for sentence in recoveries_in_words(recoveries):
            console.print(sentence, markup=False, soft_wrap=True)
        if run.imported.finding:
            console.print(run.imported.finding, markup=False, soft_wrap=True)
    states = {item.decision.state for item in evaluations}
    if (fail_on is FailOn.TRIGGERED and State.TRIGGERED in states) or (fail_on is not None and State.ERROR in states):
        raise typer.Exit(FINDINGS)


def _evaluation_row(item: Evaluation) -> tuple[Any, ...]:
    return (
        item.decision.state.value,
        item.alert.alert_id,
        item.alert.display_name,
        item.value_text,
        item.condition_text,
        item.seen.previous_status,
        f"{item.duration_ms:.0f}",
        item.decision.error or item.decision.note or item.held_text,
    )


def _evaluation_json(item: Evaluation) -> dict[str, Any]:
    row = item.row()
    shown = ("alert_id", "evaluated_at", "evaluation_status", "previous_status", "row_count", "threshold_met")
    more = (
        "query_result_value",
        "query_result_string",
        "resolution_time_seconds",
        "query_duration_ms",
        "statement_alerts",
        "silence_id",
        "ml_score",
        "ml_suppressed",
        "ml_shadow",
        "expected",
        "lower",
        "upper",
        "model_version",
        "ml_reason",
        "due_at",
        "missed",
        "error_message",
        "note",
    )
    return {name: row[name] for name in (*shown, *more)}

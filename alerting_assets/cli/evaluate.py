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
from alerting_assets.evaluation import Evaluation, evaluate_alerts
from alerting_assets.validation import evaluable, policy_of, validate_all_alert_queries


class FailOn(StrEnum):
    TRIGGERED = "triggered"
    ERROR = "error"


def evaluate(
    alert_ids: AlertIds = None,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit code 1 when an alert fires, or when its query fails.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the queries of all valid, enabled alerts as the table holds them, decide, and record one row each."""
    chosen = settings()
    with lakehouse(chosen) as tables:
        alerts = wanted_alerts(to_alerts(read_rows(tables), target_of(chosen)), alert_ids)
        report = validate_all_alert_queries(tables, alerts, now(), policy_of(chosen))
        with progress("evaluate", as_json) as advance:
            evaluations = evaluate_alerts(tables, evaluable(alerts, report.by_id), now(), on_progress=advance)
    skipped = len(alerts) - len(evaluations)
    if as_json:
        print_json({"evaluations": [_evaluation_json(item) for item in evaluations], "skipped": skipped})
    else:
        rows = [_evaluation_row(item) for item in evaluations]
        print_table(
            "Evaluations", ("state", "alert", "name", "value", "condition", "before", "ms", "error or note"), rows
        )
        print_counts(
            {
                state.value: sum(item.decision.state is state for item in evaluations)
                for state in State
                if state != "SUPPRESSED"
            }
        )
        if skipped:
            console.print(f"{skipped} not evaluated: quarantined or disabled; `alerting status` tells which")
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
        item.previous_status,
        f"{item.query_duration_ms:.0f}",
        item.decision.error or item.decision.note,
    )


def _evaluation_json(item: Evaluation) -> dict[str, Any]:
    row = item.row()
    shown = ("alert_id", "evaluated_at", "evaluation_status", "previous_status", "row_count", "threshold_met")
    more = (
        "query_result_value",
        "query_result_string",
        "resolution_time_seconds",
        "query_duration_ms",
        "error_message",
        "note",
    )
    return {name: row[name] for name in (*shown, *more)}

"""`alerting plan | apply | evaluate | status`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.markup import escape

from alerting_assets.alerts.configuration import did_you_mean
from alerting_assets.alerts.operators import State
from alerting_assets.cli.context import (
    FINDINGS,
    console,
    lakehouse,
    now,
    print_counts,
    print_json,
    print_table,
    progress,
    settings,
)
from alerting_assets.configuration import (
    ConfiguredAlert,
    Row,
    definitions_from,
    load_definitions,
    read_rows,
    rows_after_load,
    target_of,
    to_alerts,
)
from alerting_assets.deployment import DesiredAlert, Syncer, desired_alerts, find_work, gate_of, read_desired
from alerting_assets.deployment.render import plan_json, plan_text, result_json, result_text
from alerting_assets.errors import SettingsError
from alerting_assets.evaluation import Evaluation, evaluate_alerts, previous_evaluations
from alerting_assets.validation import alert_verdicts, evaluable, policy_of, validate_all_alert_queries
from alerting_assets.workspace import open_workspace

Json = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
AlertIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ALERT_ID]…", help="These alerts only; none: all.", show_default=False)
]
Recreate = Annotated[
    bool,
    typer.Option(
        "--recreate", help="The workspace shows none of the deployed alerts and that is right: they are gone."
    ),
]


KeepRemote = Annotated[
    bool,
    typer.Option(
        "--keep-remote",
        help="Leave what people changed or trashed in the workspace as it is, until its configuration changes.",
    ),
]
AllowDeletes = Annotated[
    bool, typer.Option("--allow-deletes", help="Remove more alerts at once than ALERTING_MAX_DELETE_PERCENT allows.")
]


class FailOn(StrEnum):
    TRIGGERED = "triggered"
    ERROR = "error"


def plan(
    alert_ids: AlertIds = None,
    keep_remote: KeepRemote = False,
    allow_deletes: AllowDeletes = False,
    recreate: Recreate = False,
    as_json: Json = False,
) -> None:
    """Show what `apply` would do and why, edits made in the workspace included; write nothing.

    Exit code 1: there is something to do, or an alert is quarantined."""
    chosen = settings()
    policy = policy_of(chosen)
    workspace = open_workspace(chosen)
    with lakehouse(chosen) as tables:
        rows = read_rows(tables)
        after = rows_after_load(rows, definitions_from(chosen.definitions, rows))
        alerts = to_alerts(after, target_of(chosen))
        only = frozenset(alert_ids) if alert_ids else None
        with progress("validate", as_json) as advance:
            report = validate_all_alert_queries(tables, alerts, now(), policy, store=False, on_progress=advance)
        syncer = Syncer.from_settings(
            chosen, workspace, only, keep_remote=keep_remote, allow_deletes=allow_deletes, accept_empty=recreate
        )
        made = syncer.plan(after, desired_alerts(alerts, report.by_id, gate_of(chosen)))
    _refuse_unknown(alert_ids, [action.alert_id for action in made.actions], alerts)
    objection = syncer.objection(made)
    if as_json:
        print_json({**plan_json(made), "objection": objection})
    else:
        console.print(plan_text(made))
        if objection:
            console.print(f"[bold red]`apply` would stop:[/bold red] {escape(objection)}", soft_wrap=True)
    if made.pending or any(verdict for verdict in report.quarantined if only is None or verdict.alert_id in only):
        raise typer.Exit(FINDINGS)


def apply(
    alert_ids: AlertIds = None,
    changed: Annotated[
        bool,
        typer.Option(
            "--changed",
            help="Only what changed in the configuration since the last sync; no look at the workspace if nothing did.",
        ),
    ] = False,
    keep_remote: KeepRemote = False,
    allow_deletes: AllowDeletes = False,
    recreate: Recreate = False,
    as_json: Json = False,
) -> None:
    """Load the files, validate, and bring the workspace to what is configured: also what was changed there by hand.

    Exit code 1: an alert is quarantined or failed."""
    if changed and alert_ids:
        raise SettingsError("alert ids and --changed exclude each other")
    chosen = settings()
    policy = policy_of(chosen)
    workspace = open_workspace(chosen)
    with lakehouse(chosen) as tables:
        load_definitions(tables, chosen.definitions, now())
        alerts = to_alerts(read_rows(tables), target_of(chosen))
        only = frozenset(alert_ids) if alert_ids else None
        work = find_work(tables, chosen.environment, workspace.host, now()) if changed else None
        if work is not None:
            only = work.alert_ids
        with progress("validate", as_json) as advance:
            wanted = [alert for alert in alerts if only is None or alert.alert_id in only]
            validate_all_alert_queries(tables, wanted, now(), policy, on_progress=advance)

        def read() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
            return read_desired(tables, chosen)

        syncer = Syncer.from_settings(
            chosen, workspace, only, keep_remote=keep_remote, allow_deletes=allow_deletes, accept_empty=recreate
        )
        with progress("apply", as_json) as advance:
            result = syncer.sync(tables, read, now, advance, up_to=work.up_to if work else None)
    _refuse_unknown(alert_ids, [outcome.alert_id for outcome in result.outcomes], alerts)
    if as_json:
        print_json({**result_json(result), "requests": {"reads": workspace.reads, "writes": workspace.writes}})
    elif work is not None and work.is_nothing:
        console.print("Nothing changed since the last sync; the workspace was not asked.")
    else:
        console.print(result_text(result))
    if result.errors or result.held:
        raise typer.Exit(FINDINGS)


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


def status(as_json: Json = False) -> None:
    """Every alert at a glance: verdict, deployment, last evaluation. Asks neither engine nor workspace to do anything new."""
    chosen = settings()
    with lakehouse(chosen) as tables:
        rows = read_rows(tables)
        alerts = to_alerts(rows, target_of(chosen))
        verdicts = alert_verdicts(tables, alerts, policy_of(chosen))
        previous = previous_evaluations(tables)
    by_id = {row["alert_id"]: row for row in rows}
    found: list[dict[str, Any]] = []
    for alert in alerts:
        row, verdict, last = by_id[alert.alert_id], verdicts[alert.alert_id], previous.get(alert.alert_id)
        found.append(
            {
                "alert_id": alert.alert_id,
                "name": alert.name,
                "severity": alert.severity,
                "is_enabled": row["is_enabled"],
                "verdict": verdict.verdict.value if verdict else None,
                "reason": verdict.reason if verdict else None,
                "last_sync_status": row["last_sync_status"],
                "last_sync_error": row["last_sync_error"],
                "databricks_alert_id": row["databricks_alert_id"],
                "databricks_host": row["databricks_host"],
                "last_synced_at": row["last_synced_at"],
                "state": last.status if last else None,
                "evaluated_at": last.evaluated_at if last else None,
                "firing_since": last.opened_at if last else None,
            }
        )
    if as_json:
        print_json({"alerts": found})
        return
    cells = [
        (
            item["alert_id"],
            item["name"],
            item["severity"],
            item["verdict"],
            item["last_sync_status"],
            item["state"],
            _minute(item["evaluated_at"]),
        )
        for item in found
    ]
    print_table(
        f"{len(found)} alerts", ("alert", "name", "severity", "verdict", "last sync", "state", "evaluated (UTC)"), cells
    )
    for item in found:
        if item["reason"] or item["last_sync_status"] == "ERROR":
            console.print(
                f"{item['alert_id']}: {item['reason'] or item['last_sync_error']}", markup=False, soft_wrap=True
            )


def wanted_alerts(alerts: list[ConfiguredAlert], alert_ids: Sequence[str] | None) -> list[ConfiguredAlert]:
    _refuse_unknown(alert_ids, [alert.alert_id for alert in alerts], alerts)
    return [alert for alert in alerts if not alert_ids or alert.alert_id in alert_ids]


def _refuse_unknown(alert_ids: Sequence[str] | None, known: Sequence[str], alerts: Sequence[ConfiguredAlert]) -> None:
    """known: what the command was about; for a plan also alerts that are deployed and no longer configured."""
    for alert_id in alert_ids or ():
        if alert_id not in known:
            raise SettingsError(
                f"there is no alert {alert_id!r}{did_you_mean(alert_id, [alert.alert_id for alert in alerts])}"
            )


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


def _minute(moment: Any) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else None

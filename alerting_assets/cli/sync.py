"""`alerting plan | apply`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.markup import escape

from alerting_assets.cli.context import (
    FINDINGS,
    AlertIds,
    Json,
    console,
    existing_lakehouse,
    lakehouse,
    now,
    print_json,
    print_problems,
    progress,
    settings,
)
from alerting_assets.configuration import (
    DESTINATION,
    EXPECTED_EVENT,
    ROUTE,
    SILENCE,
    ConfiguredAlert,
    Kind,
    LoadResult,
    Row,
    load_definitions,
    load_listed,
    notes_on,
    plan_listed,
    plan_load,
    read_listed,
    read_rows,
    route_notes,
    rows_after_load,
    silence_notes,
    silence_problems,
    silences_in,
    target_in,
    to_alerts,
)
from alerting_assets.configuration.destinations import grouping_notes
from alerting_assets.deployment import (
    Action,
    DesiredAlert,
    DestinationResult,
    DestinationSyncer,
    Status,
    Syncer,
    admission_policy,
    desired_alerts,
    due_destinations,
    find_work,
    held_back_notes,
    look_ahead,
    read_desired,
    silenced_alerts,
    users_of,
    with_routes,
    with_silences,
)
from alerting_assets.deployment.destination_render import (
    destination_plan_json,
    destination_plan_text,
    destination_result_json,
    destination_result_text,
)
from alerting_assets.deployment.render import plan_json, plan_text, result_json, result_text
from alerting_assets.errors import Problem, SettingsError, did_you_mean
from alerting_assets.settings import Settings
from alerting_assets.validation import policy_of, validate_all_alert_queries
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.port import Workspace

Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="One definition or query that is not right stops everything, as ALERTING_STRICT=true."
    ),
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


def plan(
    alert_ids: AlertIds = None,
    keep_remote: KeepRemote = False,
    allow_deletes: AllowDeletes = False,
    recreate: Recreate = False,
    strict: Strict = False,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="Exit code 1 where there is something to do or to repair; for scripts."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what `apply` would do and why, edits made in the workspace included; write nothing.

    Exit code 0, so that `alerting plan && alerting apply` works; see --exit-code."""
    found = _show_plan(_chosen(strict), alert_ids, keep_remote, allow_deletes, recreate, as_json, recorded=False)
    if found and exit_code:
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
    strict: Strict = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan only, and count it as a dry run in alert_sync_metrics.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Load the files, validate, and bring the workspace to what is configured: also what was changed there by hand.

    A definition or query that is not right holds back its own alert: what is deployed of that stays. Exit code 1: there is one, or a
    request failed."""
    if changed and (alert_ids or dry_run):
        raise SettingsError("--changed goes neither with alert ids nor with --dry-run")
    chosen = _chosen(strict)
    if dry_run:
        if _show_plan(chosen, alert_ids, keep_remote, allow_deletes, recreate, as_json, recorded=True):
            raise typer.Exit(FINDINGS)
        return
    policy = policy_of(chosen)
    workspace = open_workspace(chosen)
    with lakehouse(chosen) as tables:
        kinds: tuple[Kind[Any], ...] = (DESTINATION, ROUTE, SILENCE, EXPECTED_EVENT)
        for kind in kinds:
            plan_listed(kind, chosen.definitions, read_listed(tables, kind), strict=chosen.strict)
        loaded = load_definitions(
            tables, chosen.definitions, now(), strict=chosen.strict, max_delete_percent=_limit(chosen, allow_deletes)
        )
        wrong_others: tuple[Problem, ...] = ()
        for kind in kinds:
            wrong_others += load_listed(kind, tables, chosen.definitions, now(), strict=chosen.strict).problems
        wrong_others += tuple(silence_problems(read_listed(tables, SILENCE)))
        destination_syncer = DestinationSyncer.from_settings(chosen, workspace)
        is_due = not changed or due_destinations(tables, chosen.environment, workspace.host, now())
        destinations = destination_syncer.sync(tables, now) if is_due else DestinationResult()
        rows = read_rows(tables)
        target = target_in(tables, chosen, workspace.host)
        alerts = to_alerts(rows, target)
        only = frozenset(alert_ids) if alert_ids else None
        work = find_work(tables, chosen.environment, workspace.host, now()) if changed else None
        if work is not None:
            work = with_silences(with_routes(work, tables), tables, workspace.host, now())
            only = None
            if work.alert_ids is not None:
                only = work.alert_ids | users_of(rows, destinations.changed, target.routing)
        with progress("validate", as_json) as advance:
            wanted = [alert for alert in alerts if only is None or alert.alert_id in only]
            validate_all_alert_queries(tables, wanted, now(), policy, on_progress=advance)

        def read() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
            return read_desired(tables, chosen, workspace.host, now(), alerts)

        syncer = _syncer(chosen, workspace, only, keep_remote, allow_deletes, recreate)
        with progress("apply", as_json) as advance:
            result = syncer.sync(tables, read, now, advance, up_to=work.up_to if work else None)
        if not alert_ids:
            notes = grouping_notes(read_listed(tables, DESTINATION), chosen.workspace)
            result = replace(result, plan=replace(result.plan, notes=(*result.plan.notes, *notes)))
        if destinations.waiting and result.count(Status.UPDATED, Status.DELETED):
            destinations = destinations.with_later(destination_syncer.sync(tables, now))
    _refuse_unknown(alert_ids, [outcome.alert_id for outcome in result.outcomes], alerts)
    problems = _problems(loaded, frozenset(alert_ids) if alert_ids else None)
    problems += () if alert_ids else wrong_others
    if not as_json:
        print_problems(problems)
        if (text := destination_result_text(destinations)) is not None:
            console.print(text)
    if as_json:
        requests = {"reads": workspace.reads, "writes": workspace.writes}
        print_json(
            {
                **result_json(result),
                "destinations": destination_result_json(destinations),
                "problems": [asdict(one) for one in problems],
                "requests": requests,
            }
        )
    elif work is not None and only is not None and not only and not destinations.outcomes:
        console.print("Nothing changed since the last sync; the workspace was not asked.")
    else:
        console.print(result_text(result))
    if result.errors or result.held or problems or destinations.errors:
        raise typer.Exit(FINDINGS)


def _show_plan(
    chosen: Settings,
    alert_ids: Sequence[str] | None,
    keep_remote: bool,
    allow_deletes: bool,
    recreate: bool,
    as_json: bool,
    *,
    recorded: bool,
) -> bool:
    """Whether there is something to do or to repair."""
    policy = policy_of(chosen)
    workspace = open_workspace(chosen)
    with existing_lakehouse(chosen) as tables:
        rows = read_rows(tables)
        limit = _limit(chosen, allow_deletes)
        loaded = plan_load(chosen.definitions, rows, strict=chosen.strict, max_delete_percent=limit)
        after = rows_after_load(rows, loaded)
        destination_rows = read_listed(tables, DESTINATION)
        loaded_destinations = plan_listed(DESTINATION, chosen.definitions, destination_rows, strict=chosen.strict)
        destination_rows = loaded_destinations.rows_after(destination_rows)
        destinations = DestinationSyncer.from_settings(chosen, workspace).plan(tables, destination_rows)
        route_rows = read_listed(tables, ROUTE)
        loaded_routes = plan_listed(ROUTE, chosen.definitions, route_rows, strict=chosen.strict)
        silence_rows = read_listed(tables, SILENCE)
        loaded_silences = plan_listed(SILENCE, chosen.definitions, silence_rows, strict=chosen.strict)
        silence_rows = loaded_silences.rows_after(silence_rows)
        silences = silences_in(tables, now(), silence_rows)
        target = target_in(tables, chosen, rows=destination_rows, routes=loaded_routes.rows_after(route_rows))
        target = look_ahead(target, destinations)
        alerts = to_alerts(after, target)
        only = frozenset(alert_ids) if alert_ids else None
        with progress("validate", as_json) as advance:
            report = validate_all_alert_queries(tables, alerts, now(), policy, store=False, on_progress=advance)
        silenced = silenced_alerts(alerts, after, silences, workspace.host)
        desired = desired_alerts(silenced, report.by_id, admission_policy(chosen))
        syncer = _syncer(chosen, workspace, only, keep_remote, allow_deletes, recreate)
        made = (
            syncer.dry_run(tables, lambda: (after, desired), now)
            if recorded
            else syncer.plan(after, desired, syncer.registry(tables))
        )
    _refuse_unknown(alert_ids, [action.alert_id for action in made.actions], alerts)
    notes = notes_on((alert for alert in alerts if only is None or alert.alert_id in only), now())
    problems = _problems(loaded, only)
    if only is None:
        notes += [*grouping_notes(destination_rows, chosen.workspace), *route_notes(target)]
        notes += [*silence_notes(silences, after), *held_back_notes(silences, after)]
        problems += (*loaded_destinations.problems, *loaded_routes.problems, *loaded_silences.problems)
        problems += silence_problems(silence_rows)
    made = replace(made, notes=(*made.notes, *notes))
    if as_json:
        print_json(
            {
                **plan_json(made),
                "destinations": destination_plan_json(destinations),
                "problems": [asdict(one) for one in problems],
                "objection": made.objection,
            }
        )
    else:
        print_problems(problems)
        if (text := destination_plan_text(destinations)) is not None:
            console.print(text)
        console.print(plan_text(made))
        if made.objection:
            console.print(f"[bold red]error:[/bold red] {escape(made.objection)}", soft_wrap=True)
    quarantined = any(only is None or verdict.alert_id in only for verdict in report.quarantined)
    is_due = any(one.sends or one.error for one in destinations)
    return bool(made.pending or made.of(Action.HELD) or problems or quarantined or is_due)


def _chosen(strict: bool) -> Settings:
    chosen = settings()
    return replace(chosen, strict=True) if strict else chosen


def _limit(chosen: Settings, allow_deletes: bool) -> int | None:
    return None if allow_deletes else chosen.max_delete_percent


def _problems(loaded: LoadResult, only: frozenset[str] | None) -> list[Problem]:
    """Those that a command about these alerts tells. only: None: all alerts."""
    return [problem for problem in loaded.problems if only is None or problem.alert_id in only]


def _syncer(
    chosen: Settings,
    workspace: Workspace,
    only: frozenset[str] | None,
    keep_remote: bool,
    allow_deletes: bool,
    recreate: bool,
) -> Syncer:
    return Syncer.from_settings(
        chosen,
        workspace,
        only,
        keep_remote=keep_remote,
        allow_deletes=allow_deletes,
        accept_empty=recreate,
        started_by="command",
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

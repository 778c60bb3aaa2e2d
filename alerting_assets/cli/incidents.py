"""`alerting incidents`: what fired from when until when, and what people say of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from alerting_assets.cli.context import (
    Json,
    console,
    existing_lakehouse,
    now,
    print_json,
    print_table,
    progress,
    settings,
    who,
)
from alerting_assets.cli.label_preview import preview_
from alerting_assets.cli.moments import moment_of
from alerting_assets.configuration import read_rows
from alerting_assets.errors import SettingsError, did_you_mean
from alerting_assets.incidents import people, store
from alerting_assets.incidents.fold import incident_row
from alerting_assets.incidents.people import Noted
from alerting_assets.lakehouse.port import Lakehouse

app = typer.Typer(
    no_args_is_help=True, help="What fired from when until when: look at incidents, acknowledge and label them."
)

IncidentId = Annotated[
    str, typer.Argument(metavar="ID", help="Of the incident; its beginning is enough.", show_default=False)
]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who says so; else the user of this process.", show_default=False)
]

COLUMNS = (
    *("incident", "alert", "opened (UTC)", "resolved (UTC)", "took", "evaluations", "peak", "reopened"),
    *("acknowledged by", "label"),
)


@app.command("list")
def list_incidents(
    alert_id: Annotated[str | None, typer.Argument(metavar="[ALERT_ID]", show_default=False)] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION|DATE",
            help="Only those that were open then or later: 90m, 12h, 7d, 4w ago, or a date.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many incidents.")] = 20,
    as_json: Json = False,
) -> None:
    """Incidents, the open ones first, then the newest."""
    moment = now()
    begins = None if since is None else moment_of("--since", since, moment)
    with _lakehouse() as (tables, reopen):
        found = people.list_incidents(tables, reopen, alert_id=alert_id, open_only=open_only, since=begins, limit=limit)
        if alert_id is not None and not found:
            known = [row["alert_id"] for row in read_rows(tables)]
            if alert_id not in known and store.read_states(tables, reopen).get(alert_id) is None:
                raise SettingsError(f"there is no alert {alert_id!r}{did_you_mean(alert_id, known)}")
    if as_json:
        print_json({"incidents": [_json(noted, moment) for noted in found]})
    elif found:
        print_table(_title(len(found), limit), COLUMNS, [_cells(noted, moment) for noted in found])
    else:
        console.print("No such incident." if alert_id or open_only or since else "No incident yet: nothing has fired.")


@app.command()
def show(incident_id: IncidentId, as_json: Json = False) -> None:
    """One incident with everything that is known of it, and its evaluations."""
    moment = now()
    with _lakehouse() as (tables, reopen):
        noted = people.find_incident(tables, reopen, incident_id)
        evaluations = people.evaluations_of(tables, noted.incident)
    if as_json:
        print_json({"incident": _json(noted, moment), "evaluations": [_plain(row) for row in evaluations]})
        return
    incident = noted.incident
    console.print(f"[bold]Incident {incident.incident_id}[/bold]")
    for name, value in (
        ("alert", incident.alert_id),
        ("opened", _minute(incident.opened_at)),
        ("resolved", _minute(incident.resolved_at) or "it is open"),
        ("took", _words(noted.seconds(moment))),
        ("evaluations", incident.evaluations),
        ("peak", _number(incident.peak_value)),
        ("reopened", _times(incident.reopened)),
        ("acknowledged", _said(noted.acknowledged_by, noted.acknowledged_at)),
        ("label", noted.label and f"{noted.label}, {_said(noted.label_source, noted.labelled_at)}"),
    ):
        console.print(f"{name + ':':14}{'–' if value is None else value}", markup=False, soft_wrap=True)
    columns = ("evaluated (UTC)", "state", "value", "by", "error or note")
    print_table(f"{len(evaluations)} evaluations", columns, [_evaluation_cells(row) for row in evaluations])
    if sum(row["evaluation_status"] in ("TRIGGERED", "SUPPRESSED") for row in evaluations) < incident.evaluations:
        console.print("The others are older than the history that is kept (ALERTING_HISTORY_DAYS).")


@app.command()
def ack(incident_id: IncidentId, by: By = None, as_json: Json = False) -> None:
    """Say that somebody looks after an incident. The first one who does stays."""
    with _lakehouse() as (tables, reopen):
        noted = people.acknowledge(tables, reopen, incident_id, who(by), now())
    if as_json:
        print_json({"incident": _json(noted, now())})
    else:
        console.print(
            f"{noted.prefix} of {noted.incident.alert_id}: acknowledged by {_said(noted.acknowledged_by, noted.acknowledged_at)}",
            markup=False,
        )


@app.command()
def label(
    incident_id: IncidentId,
    verdict: Annotated[str | None, typer.Argument(metavar="[TRUE_POSITIVE|FALSE_POSITIVE]", show_default=False)] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the label back.")] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what its model would expect then, and write nothing.")
    ] = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Say whether an incident was one. Where the alert has a model, a false alarm is expected at such hours from the next refresh on, and
    a true incident is not learned from the next training on."""
    chosen = _label(verdict, remove)
    if preview:
        preview_(incident_id, chosen, as_json=as_json)
        return
    with _lakehouse() as (tables, reopen):
        noted = people.label(tables, reopen, incident_id, chosen, who(by), now())
    if as_json:
        print_json({"incident": _json(noted, now())})
    else:
        said = "no label" if noted.label is None else f"{noted.label}, {_said(noted.label_source, noted.labelled_at)}"
        console.print(f"{noted.prefix} of {noted.incident.alert_id}: {said}", markup=False)


@app.command()
def rebuild(as_json: Json = False) -> None:
    """Make alert_state and alert_incidents anew from alert_history; acknowledgements and labels stay."""
    with _lakehouse() as (tables, reopen), progress("rebuild", as_json) as advance:
        found = store.rebuild(tables, reopen, advance)
    if as_json:
        print_json(asdict(found))
        return
    console.print(f"{found.states} alerts: {found.states_changed} changed, {found.states_removed} removed")
    console.print(
        f"{found.incidents} incidents: {found.incidents_added} added, {found.incidents_changed} changed, "
        f"{found.incidents_removed} removed"
    )


@contextmanager
def _lakehouse() -> Iterator[tuple[Lakehouse, timedelta]]:
    """The tables, and how soon after its recovery an incident is the same one."""
    chosen = settings()
    with existing_lakehouse(chosen) as tables:
        yield tables, chosen.reopen


def _label(verdict: str | None, remove: bool) -> people.Label | None:
    """None: it is to be removed. Raises SettingsError."""
    names = [one.value for one in people.Label]
    if remove != (verdict is None):
        raise SettingsError(f"label: give one of {', '.join(names)}, or --remove, and not both")
    if verdict is None:
        return None
    wanted = verdict.upper().replace("-", "_")
    if wanted not in names:
        raise SettingsError(
            f"label {verdict!r} is not allowed; use one of: {', '.join(names)}{did_you_mean(wanted, names)}"
        )
    return people.Label(wanted)


def _json(noted: Noted, moment: datetime) -> dict[str, Any]:
    return {
        **incident_row(noted.incident),
        "prefix": noted.prefix,
        "is_open": noted.incident.is_open,
        "seconds": noted.seconds(moment),
        **{name: value for name, value in asdict(noted).items() if name not in ("incident", "prefix")},
        "peak_value": _finite(noted.incident.peak_value),
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _finite(value) if isinstance(value, float) else value for name, value in row.items()}


def _finite(value: float | None) -> float | str | None:
    """JSON has no infinities and no NaN; they are told as text."""
    return value if value is None or abs(value) < float("inf") else str(value)


def _cells(noted: Noted, moment: datetime) -> tuple[Any, ...]:
    incident = noted.incident
    return (
        noted.prefix,
        incident.alert_id,
        _minute(incident.opened_at),
        _minute(incident.resolved_at) or "open",
        _words(noted.seconds(moment)),
        incident.evaluations,
        _number(incident.peak_value),
        incident.reopened or None,
        noted.acknowledged_by,
        noted.label,
    )


def _evaluation_cells(row: dict[str, Any]) -> tuple[Any, ...]:
    value = row["query_result_string"] if row["query_result_string"] is not None else _number(row["query_result_value"])
    return (
        f"{row['evaluated_at']:%Y-%m-%d %H:%M:%S}",
        row["evaluation_status"],
        value,
        row["evaluated_by"],
        row["error_message"] or row["note"],
    )


def _title(shown: int, limit: int) -> str:
    if shown < limit:
        return f"{shown} incidents" if shown > 1 else "1 incident"
    return f"The first {shown} incidents; more with --limit"


def _words(seconds: float) -> str:
    """A duration in its two largest units: `2 d 4 h`, `35 min`."""
    whole = max(0, int(seconds))
    parts = ((whole // 86_400, "d"), (whole // 3_600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s"))
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def _said(who: str | None, when: datetime | None) -> str | None:
    return None if who is None else f"{who}, {_minute(when)}" if when else who


def _times(count: int) -> str | None:
    return None if not count else "once" if count == 1 else f"{count} times"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _minute(moment: datetime | None) -> str | None:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else None

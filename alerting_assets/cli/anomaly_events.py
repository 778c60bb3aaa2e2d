"""`alerting anomaly events | expect | unexpect`: peaks that are planned."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any

import typer

from alerting_assets.alerts.expected_events import ExpectedEventConfiguration, parse_expected_event
from alerting_assets.cli.context import (
    FINDINGS,
    Json,
    console,
    errors,
    existing_lakehouse,
    lakehouse,
    now,
    print_json,
    print_problems,
    print_table,
    settings,
    who,
)
from alerting_assets.cli.matching import Lasts, Match, Start, matcher_of, times_of
from alerting_assets.configuration import (
    EXPECTED_EVENT,
    Row,
    declare_event,
    end_event,
    event_notes,
    plan_listed,
    read_listed,
    read_rows,
    to_configured,
    traits_of,
)

NEXT_STEP = (
    "It counts from the next refresh on, which the schedule starts hourly; `alerting anomaly refresh` does it now."
)


def events(
    all_: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False, as_json: Json = False
) -> None:
    """The planned events that are to come: which alerts, when, how much more is expected, and why.

    Exit code 1: one cannot be used, and nothing is expected for it."""
    chosen, moment = settings(), now()
    with existing_lakehouse(chosen) as tables:
        stored = read_listed(tables, EXPECTED_EVENT)
        loaded = plan_listed(EXPECTED_EVENT, chosen.definitions, stored)
        rows = loaded.rows_after(stored)
        alerts = read_rows(tables)
    found = to_configured(EXPECTED_EVENT, rows)
    right = [one.definition for one in found if one.definition is not None]
    problems = [*loaded.problems, *(problem for one in found for problem in one.problems)]
    shown = [_json(one, alerts, moment) for one in right if all_ or not one.is_over(moment)]
    notes = event_notes(right, alerts, moment)
    if as_json:
        print_json({"events": shown, "notes": notes, "problems": [str(problem) for problem in problems]})
    else:
        print_table(
            f"{len(shown)} planned events",
            ("event", "alerts", "which", "when", "expected", "reason", "by"),
            [
                (
                    one["event_id"],
                    len(one["alerts"]),
                    one["which"],
                    one["when"],
                    one["expected"],
                    one["reason"],
                    one["created_by"],
                )
                for one in shown
            ],
        )
        print_problems(problems)
        for note in notes:
            console.print(f"warning: {note}", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(FINDINGS)


def expect(
    reason: Annotated[str, typer.Option("--reason", help="Why; people read it.", show_default=False)],
    match: Match = None,
    value: Annotated[
        float | None,
        typer.Option(help="Up to which value is expected (down to which, where low values fire).", show_default=False),
    ] = None,
    factor: Annotated[
        float | None,
        typer.Option(help="Or: up to how many times what else is expected at that hour.", show_default=False),
    ] = None,
    lasts: Lasts = None,
    start: Start = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="As --from.", show_default=False)] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="Of --from and --until, as Europe/Berlin.", show_default=False)
    ] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", help="Its name; without, one is made up.", show_default=False)
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who plans it; without: who you are here.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Declare a planned event: so much more is expected of these alerts then, and everything beyond it is still told.

    For alerts with a model. An hour that the event touches is one of its hours, and nothing is learned from it."""
    chosen, moment = settings(), now()
    times = times_of(moment, lasts, start, until, None, timezone)
    event = parse_expected_event(
        {
            **matcher_of(match),
            "starts_at": times["starts_at"],
            "ends_at": times["ends_at"],
            "event_id": event_id or f"planned-{moment:%Y%m%d-%H%M}-{secrets.token_hex(2)}",
            "expected_value": value,
            "expected_factor": factor,
            "reason": reason,
            "created_by": who(by),
        }
    )
    with lakehouse(chosen) as tables:
        declare_event(tables, event, moment)
        alerts = read_rows(tables)
    shown, notes = _json(event, alerts, moment), event_notes([event], alerts, moment)
    if as_json:
        print_json({**shown, "notes": notes, "next_step": NEXT_STEP})
        return
    console.print(
        f"{event.event_id}: {event.expects_in_words()} of {len(shown['alerts'])} alerts ({event.in_words()}) "
        f"{event.when_in_words()}. {NEXT_STEP}",
        markup=False,
        soft_wrap=True,
    )
    for note in notes:
        errors.print(f"warning: {note}", markup=False, soft_wrap=True)


def unexpect(
    event_id: Annotated[str, typer.Argument(help="As in `alerting anomaly events`.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Let a planned event end now. One that a file defines is ended there."""
    with lakehouse(settings()) as tables:
        told = end_event(tables, event_id, now())
    if as_json:
        print_json({"event_id": event_id, "outcome": told, "next_step": NEXT_STEP})
    else:
        console.print(f"{event_id} {told}. {NEXT_STEP}", markup=False, soft_wrap=True)


def _json(event: ExpectedEventConfiguration, alerts: list[Row], moment: datetime) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "alerts": [row["alert_id"] for row in alerts if event.matches(traits_of(row)) and row["ml_model_enabled"]],
        "which": event.in_words(),
        "when": event.when_in_words(),
        "expected": event.expects_in_words(),
        "is_over": event.is_over(moment),
        "reason": event.reason,
        "created_by": event.created_by,
        "managed_by": event.managed_by,
    }

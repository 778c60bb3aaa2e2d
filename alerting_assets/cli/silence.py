"""`alerting silence add | list | end`: when alerts are silent."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from alerting_assets.alerts.schedule import in_words
from alerting_assets.alerts.silences import SilenceConfiguration, parse_silence
from alerting_assets.alerts.silencing import Silences
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
    SILENCE,
    ConfiguredSilence,
    Row,
    plan_listed,
    plan_load,
    read_listed,
    read_rows,
    rows_after_load,
    silence_notes,
    silences_in,
    to_configured,
    traits_of,
)
from alerting_assets.configuration.silence_edit import add_silence, end_silence
from alerting_assets.deployment import held_back_notes, waiting_for_silences
from alerting_assets.errors import SettingsError

app = typer.Typer(
    no_args_is_help=True,
    help="Silences: alerts that tell nobody for a while, as during maintenance.",
    rich_markup_mode=None,
)

NEXT_STEP = "It is in force once it is deployed: the sensor does that where Dagster runs, and `alerting apply --changed` does it now."


@app.command("add")
def add(
    reason: Annotated[str, typer.Option("--reason", help="Why; people read it.", show_default=False)],
    match: Match = None,
    silence_id: Annotated[
        str | None, typer.Option("--id", help="Its name; without, one is made up.", show_default=False)
    ] = None,
    lasts: Lasts = None,
    start: Start = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="As --from; of --every: its last day.", show_default=False),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            "--every",
            metavar="CRON",
            help="It recurs: when it begins, in Quartz, as '0 0 2 ? * SUN'.",
            show_default=False,
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", help="Of --every, --from and --until, as Europe/Berlin.", show_default=False),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who silences; without: who you are here.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="It lasts longer than 30 days, and that is meant.")] = False,
    as_json: Json = False,
) -> None:
    """Silence alerts: they are evaluated, and tell nobody. Deployed by the next sync; it then ends by itself.

    A warning tells where it matches no alert, or every one."""
    chosen, moment = settings(), now()
    silence = parse_silence(
        {
            **matcher_of(match),
            **times_of(moment, lasts, start, until, every, timezone),
            "silence_id": silence_id or f"silence-{moment:%Y%m%d-%H%M}-{secrets.token_hex(2)}",
            "is_forced": force,
            "reason": reason,
            "created_by": who(by),
        }
    )
    with lakehouse(chosen) as tables:
        if silence.is_over(moment):
            raise SettingsError(f"the silence is over already: {silence.when_in_words()}")
        add_silence(tables, silence, moment)
        rows = read_rows(tables)
    silences = Silences([silence], moment)
    matched = [row["alert_id"] for row in rows if silence.matches(traits_of(row))]
    notes = [*silence_notes(silences, rows), *held_back_notes(silences, rows)]
    if as_json:
        print_json({**_json(silence, moment), "alerts": matched, "notes": notes, "next_step": NEXT_STEP})
        return
    console.print(
        f"{silence.silence_id} silences {len(matched)} alerts ({silence.in_words()}) {silence.when_in_words()}",
        markup=False,
    )
    for note in notes:
        errors.print(f"warning: {note}", markup=False, soft_wrap=True)
    console.print(NEXT_STEP, soft_wrap=True)


@app.command("list")
def list_silences(
    all_: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    as_json: Json = False,
) -> None:
    """The silences that are active and those to come: which alerts, until when, why, and whether that is deployed.

    Exit code 1: one cannot be used, and silences nothing."""
    chosen, moment = settings(), now()
    with existing_lakehouse(chosen) as tables:
        stored = read_listed(tables, SILENCE)
        loaded = plan_listed(SILENCE, chosen.definitions, stored)
        rows = loaded.rows_after(stored)
        alerts = read_rows(tables)
        silences = silences_in(tables, moment, rows)
    alerts = rows_after_load(alerts, plan_load(chosen.definitions, alerts))
    waiting = waiting_for_silences(silences, alerts)
    found = [_listed(one, alerts, waiting, moment) for one in to_configured(SILENCE, rows)]
    found = sorted(
        (one for one in found if all_ or one["state"] != "ended"),
        key=lambda one: (_STATES.index(one["state"]), one["silence_id"]),
    )
    notes = [*silence_notes(silences, alerts), *held_back_notes(silences, alerts)]
    problems = loaded.problems
    wrong = [one for one in found if one["problem"]]
    if as_json:
        print_json({"silences": found, "notes": notes, "problems": [str(problem) for problem in problems]})
    else:
        print_table(
            f"{len(found)} silences",
            ("silence", "state", "alerts", "which", "when", "now or next (UTC)", "reason", "by"),
            [_cells(one) for one in found],
        )
        print_problems(problems)
        for one in wrong:
            console.print(
                f"{one['silence_id']}: {one['problem']}. Until then it silences nothing", markup=False, soft_wrap=True
            )
        for note in notes:
            console.print(f"warning: {note}", markup=False, soft_wrap=True)
        if waiting:
            console.print(
                f"{len(waiting)} alerts wait for a sync to be silenced as configured, or not any more; `alerting apply --changed` does it"
            )
    if problems or wrong:
        raise typer.Exit(FINDINGS)


@app.command("end")
def end(
    silence_id: Annotated[str, typer.Argument(help="As in `alerting silence list`.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Let a silence end now. One that a file defines is ended there."""
    chosen = settings()
    with lakehouse(chosen) as tables:
        told = end_silence(tables, silence_id, now())
    if as_json:
        print_json({"silence_id": silence_id, "outcome": told, "next_step": NEXT_STEP})
    else:
        console.print(f"{silence_id} {told}. {NEXT_STEP}", markup=False, soft_wrap=True)


_STATES = ("wrong", "active", "upcoming", "ended")


def _listed(
    one: ConfiguredSilence, alerts: Sequence[Row], waiting: Collection[str], moment: datetime
) -> dict[str, Any]:
    silence, row = one.definition, one.row
    if silence is None:
        problem = "; ".join(str(problem) for problem in one.problems)
        known = {name: row[name] for name in ("reason", "created_by", "managed_by")}
        return {"silence_id": one.identity, "state": "wrong", "problem": problem, "alerts": [], **known}
    matched = [alert["alert_id"] for alert in alerts if silence.matches(traits_of(alert))]
    return {
        **_json(silence, moment),
        "alerts": matched,
        "waiting": sorted({*matched}.intersection(waiting)),
        "problem": row["definition_error"],
    }


def _json(silence: SilenceConfiguration, moment: datetime) -> dict[str, Any]:
    window = silence.next_window(moment)
    state = "active" if silence.is_active(moment) else "upcoming" if window is not None else "ended"
    return {
        "silence_id": silence.silence_id,
        "state": state,
        "which": silence.in_words(),
        "when": silence.when_in_words(),
        "window_starts_at": window.start if window else None,
        "window_ends_at": window.end if window else None,
        "reason": silence.reason,
        "created_by": silence.created_by,
        "managed_by": silence.managed_by,
    }


def _cells(one: Mapping[str, Any]) -> tuple[Any, ...]:
    start, stop = one.get("window_starts_at"), one.get("window_ends_at")
    window = None
    if start is not None and stop is not None:
        lasts = in_words((stop - start).total_seconds())
        window = f"until {stop:%m-%d %H:%M}" if one["state"] == "active" else f"{start:%m-%d %H:%M}, {lasts}"
    alerts = str(len(one["alerts"])) + (f" ({len(one['waiting'])} wait)" if one.get("waiting") else "")
    return (
        one["silence_id"],
        one["state"],
        alerts,
        one.get("which"),
        one.get("when"),
        window,
        one["reason"],
        one["created_by"],
    )

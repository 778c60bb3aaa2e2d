"""`alerting anomaly`: the models of alerts, what they learn from, and the ranges that are written from them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting_assets.cli import anomaly_events, anomaly_explain, anomaly_model
from alerting_assets.cli.context import (
    FINDINGS,
    AlertIds,
    Json,
    console,
    existing_lakehouse,
    now,
    print_json,
    print_table,
    progress,
    settings,
)
from alerting_assets.cli.sync import wanted_alerts
from alerting_assets.configuration import EXPECTED_EVENT, load_listed, read_rows, target_of, to_alerts
from alerting_assets.errors import SettingsError

if TYPE_CHECKING:
    from alerting_assets.lakehouse.port import Lakehouse
    from alerting_assets.settings import Settings
    from alerting_assets.suppression.modelled import ModelledAlert
    from alerting_assets.suppression.status import Standing

app = typer.Typer(
    no_args_is_help=True,
    help="Models of alerts: what is expected of their values, and what is held back for it.",
    rich_markup_mode=None,
)

app.command("train")(anomaly_model.train)
app.command("review")(anomaly_model.review)
app.command("versions")(anomaly_model.versions)
app.command("rollback")(anomaly_model.rollback)

app.command("explain")(anomaly_explain.explain_)
app.command("events")(anomaly_events.events)
app.command("expect")(anomaly_events.expect)
app.command("unexpect")(anomaly_events.unexpect)

DEFAULT_DAYS = 56
MAX_DAYS = 366


@app.command("refresh")
def refresh_(as_json: Json = False) -> None:
    """Write the ranges of the next three hours for every alert with a model, as the schedule does hourly.

    Exit code 1: some alert tells everything, and somebody should look why."""
    from alerting_assets.suppression.refresh import refresh
    from alerting_assets.suppression.registry import loader
    from alerting_assets.suppression.status import troubles

    chosen = settings()
    with existing_lakehouse(chosen) as tables:
        problems = load_listed(EXPECTED_EVENT, tables, chosen.definitions, now(), strict=chosen.strict).problems
        alerts = _modelled(tables, chosen)
        done = refresh(tables, alerts, now(), loader(chosen))
    notes = [*map(str, problems), *(f"{name}: {why}" for name, why in done.unavailable.items()), *troubles(done.alerts)]
    if as_json:
        print_json(
            {
                "alerts": len(alerts),
                "written": done.written,
                "open": done.open,
                "closed": done.closed,
                "failed": done.failed,
                "notes": notes,
            }
        )
    else:
        closed = ", ".join(f"{count} {reason}" for reason, count in done.closed.items())
        console.print(
            f"{done.written} ranges written for {len(alerts)} alerts with a model: {done.open} open"
            + (f"; closed: {closed}" if closed else ""),
            highlight=False,
        )
        for note in notes:
            console.print(note, markup=False, soft_wrap=True)
    if notes:
        raise typer.Exit(FINDINGS)


@app.command("backfill")
def backfill_(
    alert_ids: AlertIds = None,
    everything: Annotated[bool, typer.Option("--all", help="Every alert with a model.")] = False,
    days: Annotated[
        int, typer.Option(min=1, max=MAX_DAYS, metavar="N", help="How far back. A training looks back 56 days.")
    ] = DEFAULT_DAYS,
    as_json: Json = False,
) -> None:
    """Run the queries of alerts with their clock set back, hour by hour, so that a model has a history to learn from.

    Queries read the tables as they are now: it is worth something for those that look at a window of time before now. One without a clock
    function is refused. Evaluations count before what is backfilled.

    Exit code 1: some alert could not be backfilled."""
    from alerting_assets.evaluation.batch import Limits
    from alerting_assets.suppression.backfill import Backfilled, backfill
    from alerting_assets.validation import evaluable, policy_of, validate_all_alert_queries

    if bool(alert_ids) is everything:
        raise SettingsError("give the ids of alerts, or --all for every alert with a model")
    chosen = settings()
    with existing_lakehouse(chosen) as tables:
        alerts = wanted_alerts(to_alerts(read_rows(tables), target_of(chosen)), alert_ids)
        if everything:
            alerts = [alert for alert in alerts if alert.compiled is not None and alert.compiled.hold is not None]
        report = validate_all_alert_queries(tables, alerts, now(), policy_of(chosen))
        valid = evaluable(alerts, report.by_id)
        limits = Limits(chosen.query_seconds, chosen.evaluation_seconds)
        with progress("backfill", as_json) as advance:
            found = backfill(tables, valid, now(), days=days, limits=limits, on_progress=advance)
    known = {one.alert_id for one in found}
    reason = "it is quarantined or disabled; `alerting status` tells which"
    found += [Backfilled(alert.alert_id, refused=reason) for alert in alerts if alert.alert_id not in known]
    if as_json:
        print_json({"alerts": [asdict(one) for one in found]})
    elif not found:
        console.print(anomaly_model.NO_MODEL)
    else:
        rows = [
            (one.alert_id, f"{one.moments:,}", _moment(one.since), one.failed, one.empty, one.refused) for one in found
        ]
        print_table("Backfilled", ("alert", "moments", "since (UTC)", "failed", "before data", "why not"), rows)
    if any(one.refused for one in found):
        raise typer.Exit(FINDINGS)


@app.command("status")
def status(as_json: Json = False) -> None:
    """Every alert with a model: whether it holds back or only tries that out, its model and ranges, and what was held of its budget."""
    from alerting_assets.suppression.registry import loader
    from alerting_assets.suppression.status import read_standings

    chosen = settings()
    with existing_lakehouse(chosen) as tables:
        standings, unavailable = read_standings(tables, _modelled(tables, chosen), now(), loader(chosen))
    if as_json:
        print_json({"alerts": [_standing_json(one) for one in standings], "unavailable": unavailable})
        return
    columns = (
        "alert",
        "mode",
        "model version",
        "trained (UTC)",
        "ranges until",
        "held",
        "budget",
        "now",
        "last closed",
    )
    print_table("Models", columns, [_standing_row(one) for one in standings])
    for name, why in unavailable.items():
        console.print(f"{name}: {why}", markup=False, soft_wrap=True)


def _modelled(tables: Lakehouse, chosen: Settings) -> list[ModelledAlert]:
    from alerting_assets.suppression.modelled import modelled_alerts

    return modelled_alerts(to_alerts(read_rows(tables), target_of(chosen)))


def _standing_row(one: Standing) -> tuple[Any, ...]:
    lately = one.lately
    held = f"{lately.held_share:.0%} of {lately.decided}" if lately.decided else None
    closed = f"{one.last_closed} {_moment(one.last_closed_at)}" if one.last_closed else None
    present = "no range" if one.until is None else one.closed or "open"
    return (
        one.alert.alert_id,
        _mode(one),
        one.model_version,
        _moment(one.trained_at),
        _moment(one.until),
        held,
        f"{one.alert.budget:.0%}",
        present,
        closed,
    )


def _standing_json(one: Standing) -> dict[str, Any]:
    return {
        "alert_id": one.alert.alert_id,
        "mode": _mode(one),
        "model_name": one.alert.model_name,
        "model_version": one.model_version,
        "trained_at": one.trained_at,
        "ranges_until": one.until,
        "decided": one.lately.decided,
        "held": one.lately.held,
        "held_share": one.lately.held_share,
        "budget": one.alert.budget,
        "closed": one.closed,
        "last_closed": one.last_closed,
        "last_closed_at": one.last_closed_at,
    }


def _mode(one: Standing) -> str:
    return "live" if one.alert.is_live else "shadow"


def _moment(moment: Any) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M}"

"""`alerting anomaly explain`: why an evaluation was held back, or was not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from alerting_assets.cli.context import Json, console, existing_lakehouse, now, print_json, settings
from alerting_assets.cli.explain import past
from alerting_assets.configuration import read_rows, target_of, to_alerts
from alerting_assets.errors import SettingsError, did_you_mean
from alerting_assets.explanation import explain, model_sentences
from alerting_assets.suppression.modelled import modelled_alerts
from alerting_assets.suppression.picture import DAYS, picture_of


def explain_(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", show_default=False)],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Explain that moment: ISO 8601 (UTC, unless it says otherwise), or how long ago: 2h, 3d.",
        ),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help=f"Draw {DAYS} days of values, ranges, and what was told and held back."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Why the last evaluation of an alert with a model was held back, or told: in a sentence, and as a picture.

    `alerting explain` tells everything else about it."""
    chosen, moment = settings(), now()
    wanted = None if at is None else past(at, moment)
    with existing_lakehouse(chosen) as tables:
        rows = read_rows(tables)
        alerts = {one.alert_id: one for one in modelled_alerts(to_alerts(rows, target_of(chosen)))}
        if alert_id not in alerts:
            known = {row["alert_id"] for row in rows}
            if alert_id in known:
                raise SettingsError(f"{alert_id} has no model; ml_model_enabled: true gives it one")
            raise SettingsError(f"there is no alert {alert_id!r}{did_you_mean(alert_id, known)}")
        found = explain(tables, chosen, alert_id, moment, at=wanted)
        if chart is not None:
            chart.write_bytes(picture_of(tables, alerts[alert_id], wanted or moment))
    last = found.evaluations[-1] if found.evaluations else None
    sentences = model_sentences(None, last) if last is not None else []
    if last is not None and not sentences:
        sentences = ["Its condition was not met, so there was nothing to hold back."]
    if as_json:
        print_json(
            {
                "alert_id": alert_id,
                "headline": found.headline,
                "reasons": sentences,
                "evaluation": None if last is None else asdict(last),
                "is_live": alerts[alert_id].is_live,
                "model_name": alerts[alert_id].model_name,
                "chart": str(chart) if chart else None,
            }
        )
        return
    console.print(found.headline, markup=False, soft_wrap=True)
    for sentence in sentences:
        console.print(f"- {sentence}", markup=False, soft_wrap=True)
    if chart is not None:
        console.print(f"Drawn: {chart}", markup=False)

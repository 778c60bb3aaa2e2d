"""`alerting history`: the newest evaluations."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from alerting_assets.cli.context import Json, console, existing_lakehouse, now, print_json, print_table, settings
from alerting_assets.configuration import read_rows
from alerting_assets.errors import SettingsError, did_you_mean
from alerting_assets.evaluation.history import newest_evaluations


def history(
    alert_id: Annotated[str | None, typer.Argument(metavar="[ALERT_ID]", show_default=False)] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many evaluations, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """The newest evaluations of an alert, or of all: when, state, value, how long the query took, errors and notes."""
    chosen = settings()
    with existing_lakehouse(chosen) as tables:
        found = newest_evaluations(tables, alert_id, limit, now())
        if alert_id is not None and not found:
            known = [row["alert_id"] for row in read_rows(tables)]
            if alert_id not in known:
                raise SettingsError(f"there is no alert {alert_id!r}{did_you_mean(alert_id, known)}")
    if as_json:
        print_json({"evaluations": found})
    elif found:
        columns = ("evaluated (UTC)", "alert", "state", "value", "met", "ms", "error or note")
        print_table(f"The newest {len(found)} evaluations", columns, [_cells(item) for item in found])
    else:
        console.print("No evaluation yet. `alerting evaluate` makes the first.")


def _cells(item: dict[str, Any]) -> tuple[Any, ...]:
    value = item["query_result_string"] if item["query_result_string"] is not None else item["query_result_value"]
    duration = item["query_duration_ms"]
    return (
        f"{item['evaluated_at']:%Y-%m-%d %H:%M:%S}",
        item["alert_id"],
        item["evaluation_status"],
        f"{value:g}" if isinstance(value, float) else value,
        {True: "yes", False: "no", None: None}[item["threshold_met"]],
        None if duration is None else f"{duration:.0f}",
        item["error_message"] or item["note"],
    )

"""`alerting status`: every alert at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from alerting_assets.alerts.operators import Severity
from alerting_assets.alerts.schedule import short_duration
from alerting_assets.alerts.thresholds import number_text
from alerting_assets.cli.context import (
    Json,
    console,
    existing_lakehouse,
    now,
    print_counts,
    print_json,
    print_table,
    settings,
)
from alerting_assets.configuration import Row, read_rows, silences_in, target_of, traits_of
from alerting_assets.errors import SettingsError, did_you_mean
from alerting_assets.incidents.fold import AlertState
from alerting_assets.incidents.store import read_states
from alerting_assets.validation import AlertVerdict, policy_of, verdicts_of_rows

WIDE = 150
"""Columns of the terminal that all columns of the table take."""
_WIDE_COLUMNS = (
    "alert",
    "name",
    "severity",
    "owner",
    "verdict",
    "last sync",
    "state",
    "since",
    "value",
    "evaluated (UTC)",
)
_NARROW = ("alert", "name", "severity", "state", "since", "value")
"""The columns that stay in a narrow terminal; what is wrong with verdict or sync is told below the table in any case."""


NAMED = 10
"""So many alerts under a silence are named."""


class Shown(StrEnum):
    """A state as people choose it, in the order in which they are shown."""

    FIRING = "firing"
    SILENCED = "silenced"
    ERROR = "error"
    UNKNOWN = "unknown"
    OK = "ok"


_SHOWN = {"TRIGGERED": Shown.FIRING, "SUPPRESSED": Shown.SILENCED, "ERROR": Shown.ERROR, "OK": Shown.OK}


def status(
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="Only alerts with it in their id or name.", show_default=False),
    ] = None,
    state: Annotated[
        list[Shown] | None,
        typer.Option(
            help="Only alerts in this state; may be given several times. silenced: would fire, or may, but for a silence. "
            "unknown: never evaluated.",
            show_default=False,
        ),
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Only alerts of this owner.")] = None,
    severity: Annotated[
        Severity | None, typer.Option(case_sensitive=False, help="Only alerts of this severity.")
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=0, help="How many alerts the table shows at most; 0: all of them.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """Every alert at a glance: verdict, deployment, state and since when. Asks neither engine nor workspace to do anything new."""
    chosen, moment = settings(), now()
    with existing_lakehouse(chosen) as tables:
        rows = read_rows(tables)
        verdicts = verdicts_of_rows(tables, rows, target_of(chosen), policy_of(chosen))
        states = read_states(tables, chosen.reopen)
        silences = silences_in(tables, moment)
    by_id = {row["alert_id"]: row for row in rows}
    _refuse_unknown_owner(owner, rows)
    found = [
        _facts(row, verdicts[alert_id], states.get(alert_id), silences.active(traits_of(row)))
        for alert_id, row in by_id.items()
    ]
    found = [
        item
        for item in found
        if (not text or text.lower() in f"{item['alert_id']}\n{item['name']}".lower())
        and (not state or _shown(item) in state)
        and (owner is None or item["owner"] == owner)
        and (severity is None or item["severity"] == severity)
    ]
    found.sort(key=_urgency)
    if as_json:
        print_json({"alerts": found})
    else:
        _print(found, limit or len(found), len(by_id), moment)


def _refuse_unknown_owner(owner: str | None, rows: Sequence[Row]) -> None:
    owners = {row["owner"] for row in rows}
    if owner is not None and owner not in owners:
        raise SettingsError(f"--owner {owner!r}: nobody of that name owns an alert{did_you_mean(owner, owners)}")


def _facts(row: Row, verdict: AlertVerdict | None, state: AlertState | None, silence_id: str | None) -> dict[str, Any]:
    """silence_id: of the silence that it is under now."""
    incident = state.open_incident if state else None
    return {
        "alert_id": row["alert_id"],
        "name": row["alert_name"],
        "severity": row["severity"],
        "owner": row["owner"],
        "is_enabled": row["is_enabled"],
        "verdict": verdict.verdict.value if verdict else None,
        "reason": verdict.reason if verdict else None,
        "last_sync_status": row["last_sync_status"],
        "last_sync_error": row["last_sync_error"],
        "databricks_alert_id": row["databricks_alert_id"],
        "databricks_host": row["databricks_host"],
        "last_synced_at": row["last_synced_at"],
        "state": state.status if state else None,
        "since": state.since if state else None,
        "value": _value(state) if state else None,
        "evaluated_at": state.newest.evaluated_at if state else None,
        "evaluated_by": state.newest.evaluated_by if state else None,
        "firing_since": incident.opened_at if incident else None,
        "incident_id": incident.incident_id if incident else None,
        "silence_id": silence_id,
    }


def _value(state: AlertState) -> float | str | None:
    """The measured value: text where it is no number that JSON has."""
    newest = state.newest
    value = newest.query_result_value
    if newest.query_result_string is not None or value is None:
        return newest.query_result_string
    return value if abs(value) < float("inf") else str(value)


def _shown(item: Mapping[str, Any]) -> Shown:
    return _SHOWN.get(item["state"], Shown.UNKNOWN)


def _urgency(item: Mapping[str, Any]) -> tuple[int, int, str]:
    severities = [severity.value for severity in Severity]
    rank = severities.index(item["severity"]) if item["severity"] in severities else len(severities)
    return list(Shown).index(_shown(item)), rank, item["alert_id"]


def _print(found: Sequence[Mapping[str, Any]], limit: int, total: int, moment: datetime) -> None:
    names = _WIDE_COLUMNS if console.width >= WIDE else _NARROW
    title = f"{len(found)} alerts" if len(found) == total else f"{len(found)} of {total} alerts"
    print_table(title, names, [[_cells(item, moment)[name] for name in names] for item in found[:limit]])
    if len(found) > limit:
        console.print(f"and {len(found) - limit} more; --limit 0 shows all of them", soft_wrap=True)
    print_counts({shown.value: sum(_shown(item) is shown for item in found) for shown in Shown})
    if under := [item["alert_id"] for item in found if item["silence_id"]]:
        named = ", ".join(under[:NAMED]) + (f" and {len(under) - NAMED} more" if len(under) > NAMED else "")
        console.print(
            f"under a silence now: {named}; `alerting silence list` says until when", markup=False, soft_wrap=True
        )
    for item in found:
        if item["reason"] or item["last_sync_status"] == "ERROR":
            console.print(
                f"{item['alert_id']}: {item['reason'] or item['last_sync_error']}", markup=False, soft_wrap=True
            )


def _cells(item: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    value, since, evaluated_at = item["value"], item["since"], item["evaluated_at"]
    return {
        "alert": item["alert_id"],
        "name": item["name"],
        "severity": item["severity"],
        "owner": item["owner"],
        "verdict": item["verdict"],
        "last sync": item["last_sync_status"],
        "state": item["state"] or ("UNKNOWN" if item["is_enabled"] else "DISABLED"),
        "since": since and short_duration((moment - since).total_seconds()),
        "value": number_text(value) if isinstance(value, float) else value,
        "evaluated (UTC)": evaluated_at and f"{evaluated_at:%Y-%m-%d %H:%M}",
    }

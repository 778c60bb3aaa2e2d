"""Recoveries that the workspace cannot tell: those of alerts that are deployed with windows of silence, or with a model that holds
them back.

To the workspace an alert that is held back is OK, so the deployed form of such an alert tells of no recovery (docs/silences.md,
docs/anomaly.md); else each silence that begins, and each hold, would be told as one. It is told from the incidents instead, by messages
of our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from alerting_assets.alerts.hold import is_live
from alerting_assets.alerts.routes import RouteSubject
from alerting_assets.alerts.windows import read_windows
from alerting_assets.configuration import Row, read_rows, target_in
from alerting_assets.delivery import Event, EventKind, Severity
from alerting_assets.incidents.news import literals
from alerting_assets.lakehouse.arrow import as_rows
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_DELIVERIES, ALERT_INCIDENTS
from alerting_assets.settings import Settings, is_address
from alerting_assets.sql_literal import moment_literal

MADE_GOOD = timedelta(hours=24)
"""So long after a recovery it is still told."""
Told = tuple[Event, tuple[str, ...]]
"""A recovery and its receivers: e-mail addresses, and ids of notification destinations of ours."""


def untold_recoveries(lakehouse: Lakehouse, settings: Settings, now: datetime) -> list[Told]:
    """Those of the last day that the log of deliveries does not know. Reads one small table where no alert that tells of recoveries is
    silenced or held back."""
    rows = {row["alert_id"]: row for row in read_rows(lakehouse) if _is_left_to_us(row)}
    if not rows:
        return []
    where = f"resolved_at > {moment_literal(now - MADE_GOOD)} AND alert_id IN ({literals(rows)})"
    found = as_rows(lakehouse.read(ALERT_INCIDENTS.name, where=where))
    incidents = [incident for incident in found if _workspace_was_silent(rows[incident["alert_id"]], incident)]
    if not incidents:
        return []
    where = f"event = '{EventKind.RECOVERY.value}' AND alert_id IN ({literals(rows)})"
    logged = set(lakehouse.read(ALERT_DELIVERIES.name, ["event_id"], where=where)["event_id"].to_pylist())
    target = target_in(lakehouse, settings)
    told = []
    for incident in sorted(incidents, key=lambda one: (one["resolved_at"], one["incident_id"])):
        row = rows[incident["alert_id"]]
        event = _event(incident, row)
        names = target.routing.decide(RouteSubject.of_row(row)).channels
        receivers = tuple(dict.fromkeys(_receivers(names, settings.addresses)))
        if receivers and event.event_id not in logged:
            told.append((event, receivers))
    return told


def _is_left_to_us(row: Row) -> bool:
    return bool(row["is_enabled"] and row["notify_on_ok"] and (read_windows(row["applied_silences"]) or is_live(row)))


def _workspace_was_silent(row: Row, incident: Mapping[str, Any]) -> bool:
    """Whether it told no recovery then. Of an alert that a model holds back it tells none since the last change of its row and of what is
    deployed; before, the model may have been in shadow, and the recovery told by the workspace."""
    if read_windows(row["applied_silences"]):
        return True
    synced_at, updated_at = row["last_synced_at"], row["updated_at"] or row["created_at"]
    return synced_at is not None and bool(incident["resolved_at"] > max(synced_at, updated_at))


def _receivers(names: tuple[str, ...], addresses: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """A destination of the workspace that is not ours cannot be reached from here: its address is the workspace's secret."""
    for name in names:
        if is_address(name):
            yield from (name,) if "@" in name else ()
        elif name in addresses:
            yield from (one for one in addresses[name] if "@" in one)
        else:
            yield name


def _event(incident: Mapping[str, object], row: Row) -> Event:
    resolved_at, opened_at = incident["resolved_at"], incident["opened_at"]
    assert isinstance(resolved_at, datetime)
    assert isinstance(opened_at, datetime)
    name = f"[{row['severity']}] {row['alert_name']}"
    peak = "" if incident["peak_value"] is None else f" Its peak was {incident['peak_value']:,}."
    return Event(
        event_id=f"recovery-{incident['incident_id']}-{incident['reopened'] or 0}",
        kind=EventKind.RECOVERY,
        key=str(incident["incident_id"]),
        subject=f"OK: {name}",
        occurred_at=resolved_at,
        body_text=(
            f"It fired from {opened_at:%Y-%m-%d %H:%M} to {resolved_at:%Y-%m-%d %H:%M} UTC, "
            f"for {(resolved_at - opened_at).total_seconds() / 60:,.0f} minutes.{peak}"
        ),
        severity=Severity(row["severity"]),
        alert_id=row["alert_id"],
        alert_name=name,
    )

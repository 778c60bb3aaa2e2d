"""Silences as a part of what is deployed: the windows that an alert gets, and the alerts about which that is not true yet.

What an alert was deployed with stands in its row. As long as it does the same from now on as what is configured, it stays as it is:
when a silence has ended nothing is written, and an ended window goes with the next change of the alert. Only an alert that tells of
recoveries gets its own form back once no silence is to come, since its deployed form with windows tells of none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from alerting_assets.alerts.silencing import Silences
from alerting_assets.alerts.windows import Windows, read_windows, to_come, windows_text
from alerting_assets.configuration import ConfiguredAlert, Row, silences_in, traits_of
from alerting_assets.configuration.silences import MATCHED_COLUMNS
from alerting_assets.deployment.actions import Status
from alerting_assets.deployment.work import Work
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS

_DEPLOYED = (Status.CREATED, Status.UPDATED, Status.UNCHANGED)
_COLUMNS = (
    *MATCHED_COLUMNS,
    "is_enabled",
    "notify_on_ok",
    "databricks_alert_id",
    "databricks_host",
    "last_sync_status",
    "applied_silences",
)


def silenced_alerts(
    alerts: Iterable[ConfiguredAlert], rows: Iterable[Row], silences: Silences, host: str
) -> list[ConfiguredAlert]:
    """The alerts as they are to be deployed to this workspace. rows: of alert_configurations."""
    by_id = {row["alert_id"]: row for row in rows}
    return [
        replace(alert, compiled=alert.compiled.silenced(_windows(alert, by_id.get(alert.alert_id), silences, host)))
        if alert.compiled
        else alert
        for alert in alerts
    ]


def _windows(alert: ConfiguredAlert, row: Row | None, silences: Silences, host: str) -> Windows:
    assert alert.configuration is not None
    assert alert.compiled is not None
    wanted = silences.windows(alert.configuration)
    if row is None or row["databricks_host"] != host:
        return wanted
    applied = read_windows(row["applied_silences"])
    is_as_applied = alert.compiled.silenced(applied).config_hash == row["applied_hash"]
    return applied if is_as_applied and not _is_due(row, wanted, silences.now) else wanted


def _is_due(row: Mapping[str, Any], wanted: Windows, now: datetime) -> bool:
    """Whether what is deployed does not do what is wanted from now on."""
    if not row["is_enabled"]:
        return False
    applied = read_windows(row["applied_silences"])
    if to_come(applied, now) != to_come(wanted, now):
        return True
    return bool(applied and not wanted and row["notify_on_ok"])


def waiting_for_silences(silences: Silences, rows: Iterable[Mapping[str, Any]]) -> dict[str, Windows]:
    """alert_id → the windows that are wanted, of the deployed alerts that do not have them yet. Those that are held back, and those that
    failed, are left out: their silences come with their next sync.

    rows: of alert_configurations, at least the columns that are read here."""
    return {
        row["alert_id"]: wanted
        for row in rows
        if row["databricks_alert_id"] is not None
        and row["last_sync_status"] in _DEPLOYED
        and _is_due(row, wanted := silences.windows(traits_of(row)), silences.now)
    }


def with_silences(work: Work, lakehouse: Lakehouse, host: str, now: datetime) -> Work:
    """The work with the alerts whose silences are not deployed as they are configured. Reads two small tables."""
    if work.alert_ids is None:
        return work
    rows = lakehouse.read(ALERT_CONFIGURATIONS.name, _COLUMNS).to_pylist()
    here = {row["alert_id"]: row["applied_silences"] for row in rows if row["databricks_host"] == host}
    waiting = waiting_for_silences(silences_in(lakehouse, now), rows)
    due = {name: (windows_text(wanted), here[name]) for name, wanted in waiting.items() if name in here}
    if not due:
        return work
    digest = hashlib.sha256(json.dumps(due, sort_keys=True).encode()).hexdigest()[:12]
    return replace(
        work,
        alert_ids=work.alert_ids | due.keys(),
        reason=f"{'' if work.is_nothing else work.reason + ', '}silences of {len(due)} alerts",
        change=f"{work.change}silences:{digest}",
    )


def held_back_notes(silences: Silences, rows: Sequence[Row]) -> list[str]:
    """Sentences about deployed alerts that a silence is about and cannot reach, because their present form is not deployed."""
    return [
        f"{row['alert_id']} is held back, so what is deployed of it goes on without {', '.join(one.silence_id for one in found)}; put it "
        "right, or pause it in the workspace"
        for row in rows
        if row["databricks_alert_id"] is not None
        and row["last_sync_status"] == Status.INVALID
        and (found := silences.of(traits_of(row)))
    ]

"""Which alerts are due; pure.

An alert is due when its Quartz schedule fired since it was last evaluated. However often that was, it is evaluated once, for the newest
of these fire times; the ones before are counted as missed. Where the workspace evaluates by itself, an alert is left to it. When nothing
came for longer than `grace` after a fire time, the alert is ours until something comes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alerting_assets.alerts.operators import Operator
from alerting_assets.incidents.fold import AlertState
from alerting_assets.quartz import Quartz, QuartzError, parse_quartz

MISSED_COUNTED = 10_000
"""So many fire times are counted at most."""

ALIVE = timedelta(hours=26)
"""A workspace of which an evaluation came within this time evaluates by itself: one that has but daily alerts says so once a day."""

_WINDOWS = [timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=40)]


@dataclass(frozen=True)
class Due:
    """due_at: the newest fire time, in UTC. missed: how many passed before it without an evaluation, at most `MISSED_COUNTED`. first_at:
    the first of them, or due_at."""

    due_at: datetime
    missed: int
    first_at: datetime


def due_alerts(
    rows: Iterable[Mapping[str, Any]], states: Mapping[str, AlertState], now: datetime, grace: timedelta
) -> dict[str, Due]:
    """What is due among rows of alert_configurations, by alert_id. Rows whose schedule cannot be read are left out: they are quarantined.

    states: by alert_id. grace: how late evaluations of the workspace may come."""
    evaluates = workspace_evaluates(states.values(), now)
    found: dict[str, Due] = {}
    for row in rows:
        state = states.get(row["alert_id"])
        since = row["created_at"] if state is None or state.due_at is None else max(state.due_at, row["created_at"])
        due = due_since(row["schedule_cron"], row["schedule_timezone"], since, now) if row["is_enabled"] else None
        if due is None:
            continue
        is_late = _is_ours(state) or due.first_at <= now - grace
        if evaluates and is_left_to_workspace(row) and not is_late:
            continue
        found[row["alert_id"]] = due
    return found


def workspace_evaluates(states: Iterable[AlertState], now: datetime) -> bool:
    """Whether an evaluation came lately that the workspace made by itself, of whatever alert."""
    return any(state.workspace_evaluated_at and state.workspace_evaluated_at > now - ALIVE for state in states)


def is_left_to_workspace(row: Mapping[str, Any]) -> bool:
    """Whether the workspace's evaluations of this alert are enough (`gated.is_ours_alone`, by its row)."""
    looks_back = row["operator"] == Operator.CHANGES_BY or (row["for_evaluations"] or 1) > 1
    return row["databricks_alert_id"] is not None and not looks_back and not row["ml_model_enabled"]


def _is_ours(state: AlertState | None) -> bool:
    """Whether the newest fire time that was answered was answered by us, and nothing came from the workspace since."""
    if state is None or state.due_at is None:
        return False
    return state.workspace_evaluated_at is None or state.due_at > state.workspace_evaluated_at


def due_since(cron: str, timezone: str, since: datetime, now: datetime) -> Due | None:
    """The newest fire time in (since, now]; None where there is none, and where the schedule cannot be read."""
    try:
        quartz, zone = parse_quartz(cron), ZoneInfo(timezone)
    except (QuartzError, LookupError, OSError, ValueError):
        return None
    first = quartz.next_fire_time(since, zone)
    if first is None or first > now:
        return None
    newest = _newest(quartz, zone, first, now)
    return Due(newest, _missed(quartz, zone, since, newest), first)


def evaluation_id(environment: str, alert_id: str, moment: datetime) -> str:
    """The id of the evaluation of an alert that is due at a moment, or that somebody asked for then. 32 hex digits."""
    text = f"{environment} {alert_id} {moment.astimezone(UTC).isoformat()}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _newest(quartz: Quartz, zone: ZoneInfo, first: datetime, now: datetime) -> datetime:
    """The newest fire time that is not after now. It is looked for backwards, in windows that grow: a schedule may fire each second."""
    for window in _WINDOWS:
        found = first if now - window <= first else None
        for moment in quartz.fire_times(max(now - window, first), zone):
            if moment > now:
                break
            found = moment
        if found is not None:
            return found
    found = first
    for moment in quartz.fire_times(first, zone):
        if moment > now:
            break
        found = moment
    return found


def _missed(quartz: Quartz, zone: ZoneInfo, since: datetime, newest: datetime) -> int:
    count = 0
    for moment in quartz.fire_times(since, zone):
        if moment >= newest or count == MISSED_COUNTED:
            break
        count += 1
    return count

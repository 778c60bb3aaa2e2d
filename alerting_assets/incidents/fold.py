"""What is true of an alert, and its incidents, one evaluation after the other; pure.

- The first TRIGGERED opens an incident; an OK closes it. An ERROR does neither, and SUPPRESSED only goes on with one that is open.
- One that fires again soon after its recovery is the same incident (flapping).

Evaluations of an alert are taken in the order of (evaluated_at, evaluation_id). Whatever the pieces in which they come, the outcome is
the same; `folding` folds an alert again when one comes late."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

FIRES_BELOW = frozenset({"LESS_THAN", "LESS_THAN_OR_EQUAL"})


class Row(NamedTuple):
    """The columns of alert_history that are looked at, under their own names."""

    alert_id: str
    evaluated_at: datetime
    evaluation_id: str
    evaluated_by: str
    evaluation_status: str
    query_result_value: float | None = None
    query_result_string: str | None = None
    error_message: str | None = None
    note: str | None = None
    due_at: datetime | None = None
    operator: str | None = None


@dataclass(frozen=True)
class Incident:
    """resolved_at: None while it is open. evaluations: that said TRIGGERED or SUPPRESSED. reopened: how often it fired again soon after
    a recovery."""

    incident_id: str
    alert_id: str
    opened_at: datetime
    last_evaluated_at: datetime
    evaluations: int
    peak_value: float | None
    resolved_at: datetime | None = None
    reopened: int = 0

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    @property
    def resolution_time_seconds(self) -> float | None:
        return None if self.resolved_at is None else (self.resolved_at - self.opened_at).total_seconds()


@dataclass(frozen=True)
class AlertState:
    """What is true of an alert. since: the first of the evaluations in a row with this status. incident: the newest, open or not.
    workspace_evaluated_at: the newest evaluation that the workspace made by itself."""

    newest: Row
    since: datetime
    due_at: datetime | None
    workspace_evaluated_at: datetime | None
    incident: Incident | None = None

    @property
    def alert_id(self) -> str:
        return self.newest.alert_id

    @property
    def status(self) -> str:
        return self.newest.evaluation_status

    @property
    def open_incident(self) -> Incident | None:
        return self.incident if self.incident is not None and self.incident.is_open else None

    def comes_before(self, row: Row) -> bool:
        return (self.newest.evaluated_at, self.newest.evaluation_id) < (row.evaluated_at, row.evaluation_id)


class Seen(NamedTuple):
    """What an evaluation finds: the status of the one before, and how long the incident took that it ends."""

    previous_status: str | None
    resolution_time_seconds: float | None


@dataclass(frozen=True)
class Folded:
    """state: None where there was no evaluation. incidents: those that changed, as they are after the last one, in the order in which
    they were opened. seen: for each row, in order."""

    state: AlertState | None
    incidents: tuple[Incident, ...]
    seen: tuple[Seen, ...]


def fold(state: AlertState | None, rows: Iterable[Row], reopen: timedelta, seed: Incident | None = None) -> Folded:
    """The state of one alert after these evaluations, which are in order and come after `state`.

    reopen: how soon after its recovery an incident is the same one; zero: never.
    seed: the newest incident, where there is no state yet: its evaluations are no longer in the history."""
    changed: dict[str, Incident] = {}
    seen: list[Seen] = []
    incident = state.incident if state is not None else seed
    newest = state.newest if state is not None else None
    since = state.since if state is not None else None
    due_at = state.due_at if state is not None else None
    by_workspace = state.workspace_evaluated_at if state is not None else None
    for row in rows:
        before, status = incident, None if newest is None else newest.evaluation_status
        incident = _incident(incident, row, reopen)
        took = None
        if incident is not before and incident is not None:
            changed[incident.incident_id] = incident
            took = incident.resolution_time_seconds
        seen.append(Seen(status, took))
        if status != row.evaluation_status:
            since = row.evaluated_at
        answered = row.due_at
        if row.evaluated_by == "workspace":
            answered = answered or row.evaluated_at
            by_workspace = _later(by_workspace, row.evaluated_at)
        if answered is not None:
            due_at = _later(due_at, answered)
        newest = row
    if newest is not None and since is not None:
        state = AlertState(newest, since, due_at, by_workspace, incident)
    return Folded(state, tuple(changed.values()), tuple(seen))


def _incident(incident: Incident | None, row: Row, reopen: timedelta) -> Incident | None:
    """The newest incident after this evaluation; the same object where it has nothing to say about it."""
    status, at = row.evaluation_status, row.evaluated_at
    is_open = incident is not None and incident.is_open
    if status == "OK" and incident is not None and is_open:
        return replace(incident, resolved_at=at, last_evaluated_at=at)
    if status == "TRIGGERED" and not is_open:
        if incident is None or incident.resolved_at is None or not reopen or at - incident.resolved_at > reopen:
            return Incident(incident_id(row), row.alert_id, at, at, 1, _peak(None, row))
        incident, is_open = replace(incident, resolved_at=None, reopened=incident.reopened + 1), True
    if status in ("TRIGGERED", "SUPPRESSED") and incident is not None and is_open:
        peak = _peak(incident.peak_value, row)
        return replace(incident, last_evaluated_at=at, evaluations=incident.evaluations + 1, peak_value=peak)
    return incident


def incident_id(row: Row) -> str:
    """Of the incident that this evaluation opens: 32 hex digits, the same whenever it is worked out."""
    return hashlib.sha256(f"{row.alert_id} {row.evaluation_id}".encode()).hexdigest()[:32]


def _peak(peak: float | None, row: Row) -> float | None:
    value = row.query_result_value
    if value is None or math.isnan(value):
        return peak
    if peak is None:
        return value
    return min(peak, value) if row.operator in FIRES_BELOW else max(peak, value)


def _later(first: datetime | None, second: datetime) -> datetime:
    return second if first is None or second > first else first


def state_row(state: AlertState) -> dict[str, Any]:
    """The columns of alert_state but for those that say what it was made from."""
    newest, incident = state.newest, state.incident
    row: dict[str, Any] = {
        name: value for name, value in newest._asdict().items() if name not in ("operator", "due_at")
    }
    row |= {
        "status_since": state.since,
        "due_at": state.due_at,
        "workspace_evaluated_at": state.workspace_evaluated_at,
    }
    if incident is not None:
        row |= {
            "incident_id": incident.incident_id,
            "incident_opened_at": incident.opened_at,
            "incident_resolved_at": incident.resolved_at,
            "incident_last_evaluated_at": incident.last_evaluated_at,
            "incident_evaluations": incident.evaluations,
            "incident_peak_value": incident.peak_value,
            "incident_reopened": incident.reopened,
        }
    return row


def state_of(row: Mapping[str, Any]) -> AlertState:
    """A row of alert_state, read."""
    newest = Row(**{name: row[name] for name in Row._fields if name not in ("operator", "due_at")})
    incident = None
    if row["incident_id"] is not None:
        incident = Incident(
            row["incident_id"],
            newest.alert_id,
            row["incident_opened_at"],
            row["incident_last_evaluated_at"],
            row["incident_evaluations"],
            row["incident_peak_value"],
            row["incident_resolved_at"],
            row["incident_reopened"],
        )
    return AlertState(newest, row["status_since"], row["due_at"], row["workspace_evaluated_at"], incident)


def incident_row(incident: Incident) -> dict[str, Any]:
    """The columns of alert_incidents that are not people's."""
    return {
        "incident_id": incident.incident_id,
        "alert_id": incident.alert_id,
        "opened_at": incident.opened_at,
        "resolved_at": incident.resolved_at,
        "resolution_time_seconds": incident.resolution_time_seconds,
        "last_evaluated_at": incident.last_evaluated_at,
        "evaluations": incident.evaluations,
        "peak_value": incident.peak_value,
        "reopened": incident.reopened,
    }


def incident_of(row: Mapping[str, Any]) -> Incident:
    """A row of alert_incidents, read."""
    return Incident(
        row["incident_id"],
        row["alert_id"],
        row["opened_at"],
        row["last_evaluated_at"],
        row["evaluations"],
        row["peak_value"],
        row["resolved_at"],
        row["reopened"],
    )

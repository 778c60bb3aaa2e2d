"""The facts of an explanation, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from alerting_assets.alerts.thresholds import number_text


@dataclass(frozen=True)
class Evaluated:
    """One row of alert_history, under the names that its columns have."""

    evaluated_at: datetime
    evaluated_by: str
    evaluation_status: str
    query_result_value: float | None
    query_result_string: str | None
    row_count: int | None
    threshold_met: bool | None
    operator: str | None
    threshold_value: float | None
    error_message: str | None
    note: str | None
    silence_id: str | None
    config_hash: str
    ml_score: float | None = None
    ml_suppressed: bool = False
    ml_shadow: bool | None = None
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    model_version: str | None = None
    ml_reason: str | None = None

    @property
    def fires(self) -> bool:
        return self.evaluation_status == "TRIGGERED"

    @property
    def is_met(self) -> bool:
        """Whether the condition held by itself, whatever held the alert back; as the deployed queries read it."""
        return self.fires if self.threshold_met is None else self.threshold_met

    @property
    def number(self) -> float | None:
        """The measured value where it can be drawn: a finite number."""
        value = self.query_result_value
        return value if value is not None and math.isfinite(value) else None

    @property
    def value_text(self) -> str | None:
        """The measured value for people; None where the query returned none."""
        if self.query_result_string is not None or self.query_result_value is None:
            return self.query_result_string
        return number_text(self.query_result_value) if self.number is not None else str(self.query_result_value)


@dataclass(frozen=True)
class Source:
    """Where the alert comes from.

    managed_by: `yaml:<file>`, `template` or `sql`.
    place: `file:line` of its entry in the folder of the definitions; None where it comes from no file, or not from one that is there.
    notes: what stands between that place and the row of the table."""

    managed_by: str | None
    place: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deployment:
    """The alert in the workspace, as the last sync left it.

    created_at: when it was first recorded.
    is_current: whether what is deployed is what is configured; None where nothing is deployed, or where the configuration cannot be
        compiled."""

    databricks_alert_id: str
    databricks_host: str | None
    display_name: str | None
    created_at: datetime | None
    is_current: bool | None


@dataclass(frozen=True)
class Sync:
    """How the last sync of this alert ended; all None: there was none."""

    last_synced_at: datetime | None
    last_sync_status: str | None
    last_sync_error: str | None


@dataclass(frozen=True)
class Schedule:
    """next_fire_time: None for one that never fires again, and for an alert that is disabled. missed: how many fire times passed since
    the last evaluation, MISSED_COUNTED at most."""

    cron: str
    timezone: str
    next_fire_time: datetime | None
    missed: int


@dataclass(frozen=True)
class Notification:
    """channels: name → the addresses that it stands for. unmapped: names that stand for nobody. because: what decided whom it tells, in
    words. route_id: of the route that did. problem: why nobody can tell whom to tell. silences: those that are about it and not over, in
    words."""

    channels: Mapping[str, tuple[str, ...]]
    unmapped: tuple[str, ...]
    notify_on_ok: bool
    retrigger_seconds: int | None
    because: str
    route_id: str | None
    problem: str
    silences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """since: the first of the evaluations in a row that said so. is_since_exact: False where that may have been even earlier. previous:
    the state before; None where it is not known."""

    status: str
    since: datetime
    is_since_exact: bool
    previous: str | None


@dataclass(frozen=True)
class IncidentFacts:
    """An incident as it is now. is_open: whether it was open at the moment that is explained."""

    incident_id: str
    opened_at: datetime
    resolved_at: datetime | None
    is_open: bool
    evaluations: int
    peak_value: float | None
    reopened: int
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    label: str | None = None
    label_source: str | None = None


@dataclass(frozen=True)
class Line:
    """A value that the measured one is compared with, as a line in a chart. name: `threshold`, `recovery`."""

    value: float
    name: str


@dataclass(frozen=True)
class Explanation:
    """Why an alert fired, or did not.

    at: the moment that is explained. is_past: whether somebody asked for it; what the configuration, the deployment and the schedule
        say is of `now` all the same, since nobody keeps what they said before.
    headline: the answer in one sentence.
    reasons: what held the alert back or kept it firing, and what stands in the way of an answer; whole sentences.
    condition: when it fires, in words, as it is configured now.
    decision: what the evaluation compared, with the measured value, and whether the condition was met by itself, as in
        `cost 1,234.5 is greater than 1,000 → met`; None where there was no evaluation.
    evaluations: the last ones up to `at`, the oldest first. lines: what their values are compared with.
    query_text: the query as it would be deployed, without its marker."""

    alert_id: str
    name: str
    severity: str
    domain: str | None
    owner: str | None
    is_enabled: bool
    now: datetime
    at: datetime
    is_past: bool
    headline: str
    reasons: tuple[str, ...]
    condition: str | None
    decision: str | None
    status: Status | None
    evaluations: tuple[Evaluated, ...]
    lines: tuple[Line, ...]
    incident: IncidentFacts | None
    source: Source
    verdict: str | None
    verdict_reason: str | None
    deployment: Deployment | None
    sync: Sync
    schedule: Schedule | None
    notification: Notification | None
    query_text: str | None

    @property
    def evaluation(self) -> Evaluated | None:
        """The one that is explained: the last at or before `at`."""
        return self.evaluations[-1] if self.evaluations else None

    def json(self) -> dict[str, Any]:
        """As JSON has it, with datetimes as they are. Numbers that JSON has not are None; evaluations have a `value_text` besides."""
        found: dict[str, Any] = _without_infinities(asdict(self))
        for shown, one in zip(found["evaluations"], self.evaluations, strict=True):
            shown["value_text"] = one.value_text
        return found


def _without_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_infinities(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_without_infinities(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""An explanation as titled lists of (label, text), which the terminal and Markdown show alike; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from alerting_assets.alerts.schedule import short_duration
from alerting_assets.alerts.thresholds import number_text
from alerting_assets.explanation.chart import chart_of
from alerting_assets.explanation.facts import Explanation
from alerting_assets.explanation.why import moment, retrigger_words

LISTED = 8
"""How many evaluations are listed where their values cannot be drawn."""


@dataclass(frozen=True)
class Section:
    """rows: (label, text); a label is empty where the text goes on with the one above."""

    title: str
    rows: tuple[tuple[str, str], ...]


def sections_of(explanation: Explanation) -> tuple[Section, ...]:
    """All but headline, reasons and chart; where there is nothing to draw, the evaluations."""
    now = ", as of now" if explanation.is_past else ""
    found = (
        Section("Last evaluations", tuple(_evaluations(explanation))),
        Section("State", tuple(_state(explanation))),
        Section("Incident", tuple(_incident(explanation))),
        Section(f"Definition{now}", tuple(_definition(explanation))),
        Section(f"Deployment{now}", tuple(_deployment(explanation))),
        Section(f"Notification{now}", tuple(_notification(explanation))),
    )
    return tuple(section for section in found if section.rows)


def _evaluations(explanation: Explanation) -> list[tuple[str, str]]:
    """The newest first, where there is no chart of them."""
    evaluations = explanation.evaluations
    if len(evaluations) < 2 or chart_of(evaluations) is not None:
        return []
    return [
        (f"{one.evaluated_at:%m-%d %H:%M}", f"{one.evaluation_status} {one.error_message or one.value_text or 'NULL'}")
        for one in evaluations[: -LISTED - 1 : -1]
    ]


def _state(explanation: Explanation) -> list[tuple[str, str]]:
    status, last = explanation.status, explanation.evaluation
    rows = [("fires when", explanation.condition)] if explanation.condition else []
    if status is None or last is None:
        return [*rows, ("state", "UNKNOWN")]
    since = "since" if status.is_since_exact else "since, at the latest,"
    rows.append(("state", f"{status.status} {since} {_when(status.since, explanation.at)}"))
    if status.previous is not None:
        rows.append(("before that", status.previous))
    by = {"own": "by alerting_assets", "workspace": "by the workspace"}.get(
        last.evaluated_by, f"by {last.evaluated_by}"
    )
    rows.append(("evaluated", f"{_when(last.evaluated_at, explanation.at)}, {by}"))
    return rows


def _incident(explanation: Explanation) -> list[tuple[str, str]]:
    incident = explanation.incident
    if incident is None:
        return []
    word = "open" if incident.is_open else "the last one, over"
    rows = [("id", f"{incident.incident_id[:8]} ({word})"), ("opened", _when(incident.opened_at, explanation.at))]
    if incident.resolved_at is not None:
        took = short_duration((incident.resolved_at - incident.opened_at).total_seconds())
        rows.append(("resolved", f"{moment(incident.resolved_at)}, after {took}"))
    by_now = " by now" if explanation.is_past and incident.is_open else ""
    counted = f"{incident.evaluations:,}{by_now}"
    if incident.reopened:
        counted += f", reopened {incident.reopened:,} time{'' if incident.reopened == 1 else 's'}"
    rows.append(("evaluations", counted))
    if incident.peak_value is not None:
        rows.append(("peak", f"{number_text(incident.peak_value)}{by_now}"))
    if incident.acknowledged_by:
        at = f", {moment(incident.acknowledged_at)}" if incident.acknowledged_at else ""
        rows.append(("acknowledged", f"by {incident.acknowledged_by}{at}"))
    elif incident.is_open:
        rows.append(("acknowledged", "by nobody"))
    if incident.label:
        rows.append(("label", f"{incident.label}{f', says {incident.label_source}' if incident.label_source else ''}"))
    return rows


def _definition(explanation: Explanation) -> list[tuple[str, str]]:
    source = explanation.source
    made_by = f"managed by {source.managed_by}" if source.managed_by else ""
    place = source.place or "a row of alert_configurations"
    rows = [("comes from", f"{place} ({made_by})" if made_by else place)]
    rows += [("", note) for note in source.notes]
    rows += [("owner", explanation.owner)] if explanation.owner else []
    rows.append(("enabled", "yes" if explanation.is_enabled else "no"))
    reason = f": {explanation.verdict_reason}" if explanation.verdict_reason else ""
    rows.append(("verdict", f"{explanation.verdict or 'NOT_VALIDATED'}{reason}"))
    schedule = explanation.schedule
    if schedule is not None:
        rows.append(("schedule", f"{schedule.cron} ({schedule.timezone})"))
        if schedule.next_fire_time is not None:
            rows.append(("fires next", _next(schedule.next_fire_time, schedule.timezone, explanation.now)))
        elif not explanation.is_enabled:
            rows.append(("fires next", "never: it is disabled"))
    return rows


def _next(fire_time: datetime, timezone: str, now: datetime) -> str:
    distance = f"in {short_duration((fire_time - now).total_seconds())}"
    if timezone == "UTC":
        return f"{moment(fire_time)}, {distance}"
    there = fire_time.astimezone(ZoneInfo(timezone))
    return f"{there:%Y-%m-%d %H:%M} {timezone} = {moment(fire_time)}, {distance}"


def _deployment(explanation: Explanation) -> list[tuple[str, str]]:
    deployment, sync = explanation.deployment, explanation.sync
    rows = []
    if deployment is None:
        rows.append(("deployed", "no"))
    else:
        since = f" since {moment(deployment.created_at)}" if deployment.created_at else ""
        rows.append(("deployed", f"as {deployment.databricks_alert_id}{since}"))
        if deployment.databricks_host:
            rows.append(("workspace", deployment.databricks_host))
        current = {
            True: "the present one",
            False: "an older one; `alerting apply` deploys the present one",
            None: "cannot be told, since the configuration cannot be compiled",
        }
        rows.append(("its text", current[deployment.is_current]))
    if sync.last_synced_at is not None:
        rows.append(("last sync", f"{sync.last_sync_status}, {_when(sync.last_synced_at, explanation.now)}"))
    if sync.last_sync_error:
        rows.append(("its error", sync.last_sync_error))
    return rows


def _notification(explanation: Explanation) -> list[tuple[str, str]]:
    notification = explanation.notification
    if notification is None:
        return []
    told = [
        name if addresses == (name,) else f"{', '.join(addresses)} ({name})"
        for name, addresses in notification.channels.items()
    ]
    rows = [("tells", "; ".join(told) or "nobody")]
    rows += [("", f"{name} stands for nobody; see `alerting destinations list`") for name in notification.unmapped]
    rows += [("", notification.problem)] if notification.problem else []
    rows += [("because", notification.because)] if notification.route_id or not told else []
    rows.append(("when", retrigger_words(notification.retrigger_seconds)))
    told_of_recovery = "yes" if notification.notify_on_ok else "no"
    if notification.notify_on_ok and notification.silences:
        told_of_recovery = "yes, by us and not by the workspace, which would take the begin of a silence for one"
    rows.append(("on recovery", told_of_recovery))
    rows += [("silences" if number == 0 else "", words) for number, words in enumerate(notification.silences)]
    return rows


def _when(time: datetime, at: datetime) -> str:
    return f"{moment(time)} ({short_duration((at - time).total_seconds())} ago)"

"""The facts about one alert, gathered from the tables and the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.definitions import Place
from alerting_assets.alerts.schedule import schedule_interval
from alerting_assets.alerts.silences import SilenceConfiguration
from alerting_assets.alerts.silencing import Silences
from alerting_assets.alerts.thresholds import MAX_EVALUATIONS
from alerting_assets.configuration import (
    DESTINATION,
    ConfiguredAlert,
    LoadResult,
    Row,
    destinations_in_words,
    plan_load,
    read_listed,
    read_rows,
    silences_in,
    target_in,
    to_alerts,
)
from alerting_assets.deployment import silenced_alerts
from alerting_assets.errors import DefinitionError, Problem, SettingsError, did_you_mean
from alerting_assets.explanation.facts import (
    Deployment,
    Evaluated,
    Explanation,
    IncidentFacts,
    Notification,
    Schedule,
    Source,
    Status,
    Sync,
)
from alerting_assets.explanation.why import decision_sentence, evaluation_reasons, headline, lines_of, moment, status_of
from alerting_assets.incidents.fold import AlertState
from alerting_assets.incidents.store import read_states
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, ALERT_DEPLOYMENTS, ALERT_HISTORY, ALERT_INCIDENTS
from alerting_assets.quartz import parse_quartz
from alerting_assets.settings import Settings
from alerting_assets.sql_literal import moment_literal, text_literal
from alerting_assets.validation import CONFIGURATION, AlertVerdict, alert_verdicts, policy_of

EVALUATIONS = 30
"""How many evaluations an explanation looks back."""
MISSED_COUNTED = 1_000
_LEAST_WINDOW = timedelta(days=7)
"""How far back the history is searched at first, at least; by more than that only where nothing is found."""
_COLUMNS = tuple(Evaluated.__dataclass_fields__)
_PEOPLE = ("acknowledged_by", "acknowledged_at", "label", "label_source")


@dataclass(frozen=True)
class _Subject:
    """The alert: its row, if it has one; its definition in a file, if that is where it comes from."""

    alert: ConfiguredAlert
    row: Row | None
    place: Place | None
    problems: tuple[Problem, ...]
    is_newer_in_file: bool
    file_error: str | None = None


def explain(
    lakehouse: Lakehouse, settings: Settings, alert_id: str, now: datetime, *, at: datetime | None = None
) -> Explanation:
    """Everything that is known about an alert. Reads tables and files, and writes nothing.

    at: the moment to explain, not after `now`; None: now.

    Raises SettingsError for an alert that neither a row nor a file knows."""
    subject = _subject(lakehouse, settings, alert_id)
    alert = subject.alert.compiled
    state = read_states(lakehouse, settings.reopen).get(alert_id)
    asked = now if at is None else at
    evaluations = _evaluations(lakehouse, alert_id, asked, alert, state if at is None else None)
    status = status_of(evaluations)
    if at is None and state is not None and status is not None:
        status = _as_of_now(lakehouse, status, state)
    last = evaluations[-1] if evaluations else None
    verdict = alert_verdicts(lakehouse, [subject.alert], policy_of(settings))[alert_id]
    silences = silences_in(lakehouse, now)
    deployment = _deployment(lakehouse, settings, subject, silences)
    configured = subject.alert.configuration
    under = silences.of(configured) if configured else ()
    schedule = _schedule(alert, last, now, timedelta(minutes=settings.evaluation_grace_minutes))
    decision = decision_sentence(alert, last) if alert and last else None
    reasons = evaluation_reasons(alert, evaluations) if alert else []
    if alert is None and last is not None and last.error_message:
        reasons.append(f"The evaluation failed: {last.error_message}")
    if at is None:
        reasons += [_silence_reason(one, now) for one in under if one.is_active(now)]
        reasons += _present_reasons(subject, verdict, deployment, schedule, last)
    configuration, row = subject.alert.configuration, subject.row or {}
    shown = evaluations[-EVALUATIONS:]
    return Explanation(
        alert_id=alert_id,
        name=subject.alert.name,
        severity=subject.alert.severity,
        domain=configuration.agent_domain.value if configuration else row.get("agent_domain"),
        owner=configuration.owner if configuration else row.get("owner"),
        is_enabled=subject.alert.is_enabled,
        now=now,
        at=asked,
        is_past=at is not None,
        headline=headline(alert_id, status, decision, asked, is_past=at is not None),
        reasons=tuple(reasons),
        condition=f"{alert.value_column} {alert.condition.words}" if alert else None,
        decision=decision,
        status=status,
        evaluations=tuple(shown),
        lines=lines_of(alert.condition, last) if alert else (),
        incident=_incident(lakehouse, alert_id, state, asked, is_past=at is not None),
        source=_source(subject),
        verdict=verdict.verdict.value if verdict else None,
        verdict_reason=_verdict_reason(verdict, subject.place),
        deployment=deployment,
        sync=Sync(row.get("last_synced_at"), row.get("last_sync_status"), row.get("last_sync_error")),
        schedule=schedule,
        notification=_notification(
            alert,
            destinations_in_words(read_listed(lakehouse, DESTINATION)),
            tuple(_silence_words(one) for one in under),
        ),
        query_text=alert.sql if alert else None,
    )


def _subject(lakehouse: Lakehouse, settings: Settings, alert_id: str) -> _Subject:
    rows = read_rows(lakehouse)
    own = [row for row in rows if row["alert_id"] == alert_id]
    loaded, file_error = _loaded(settings, rows)
    definitions = loaded.definitions if loaded else None
    target = target_in(lakehouse, settings)
    defined = next((one for one in definitions.alerts if one.alert_id == alert_id), None) if definitions else None
    problems = tuple(one for one in loaded.problems if one.alert_id == alert_id) if loaded else ()
    place = definitions.places.get(alert_id) if definitions else None
    if own:
        (alert,) = to_alerts(own, target)
        is_newer = loaded is not None and any(one.alert_id == alert_id for one in loaded.writes)
        return _Subject(alert, own[0], place, problems, is_newer, file_error)
    if defined is not None:
        empty = dict.fromkeys(ALERT_CONFIGURATIONS.column_names)
        (alert,) = to_alerts([{**empty, **defined.row()}], target)
        return _Subject(alert, None, place, problems, True)
    if problems:
        return _Subject(ConfiguredAlert(alert_id, alert_id, "", None, None, problems), None, place, problems, True)
    known = {row["alert_id"] for row in rows} | (definitions.places.keys() | definitions.held if definitions else set())
    raise SettingsError(f"there is no alert {alert_id!r}{did_you_mean(alert_id, known)}")


def _loaded(settings: Settings, rows: Sequence[Row]) -> tuple[LoadResult | None, str | None]:
    """What loading the files would do, or why that cannot be said."""
    try:
        return plan_load(settings.definitions, rows, max_delete_percent=settings.max_delete_percent), None
    except DefinitionError as error:
        return None, str(error)


def _source(subject: _Subject) -> Source:
    row, place, configuration = subject.row or {}, subject.place, subject.alert.configuration
    managed_by: str | None = row.get("managed_by") or (configuration.managed_by if configuration else None)
    notes = []
    if subject.row is not None and subject.is_newer_in_file:
        notes.append("Its definition was edited since it was loaded: `alerting apply` loads what it says now.")
    for problem in subject.problems:
        notes.append(f"Its present definition is not used: {problem}")
    if row.get("definition_error") and not subject.problems:
        notes.append(f"The last load did not use its definition: {row['definition_error']}")
    if managed_by and managed_by.startswith("yaml:") and place is None and not subject.problems:
        where = f": {subject.file_error}" if subject.file_error else ""
        notes.append(f"No file here defines it any more{where}")
    file = next((f"{one.file}:{one.line}" for one in subject.problems if one.file and one.line), None)
    return Source(managed_by, f"{place.file}:{place.line}" if place else file, tuple(notes))


def _evaluations(
    lakehouse: Lakehouse, alert_id: str, at: datetime, alert: CompiledAlert | None, state: AlertState | None
) -> list[Evaluated]:
    """The last ones at or before a moment, the oldest first. The window of time is one that few files of the table overlap; where it
    holds none, all of the history is looked through."""
    end = min(at, state.newest.evaluated_at) if state is not None else at
    interval = (alert and schedule_interval(alert.schedule_cron)) or 86_400
    count = max(EVALUATIONS, min(alert.condition.evaluations if alert else 1, MAX_EVALUATIONS)) + 1
    start = end - max(timedelta(seconds=interval * count * 1.2), _LEAST_WINDOW)
    before = f"alert_id = {text_literal(alert_id)} AND evaluated_at <= {moment_literal(end)}"
    for where in (f"{before} AND evaluated_at > {moment_literal(start)}", before):
        found = lakehouse.read(
            ALERT_HISTORY.name, _COLUMNS, where=where, order_by="evaluated_at DESC, evaluation_id DESC", limit=count
        ).to_pylist()
        if found:
            return [Evaluated(**row) for row in reversed(found)]
    return []


def _as_of_now(lakehouse: Lakehouse, status: Status, state: AlertState) -> Status:
    """With what alert_state knows exactly, and the state before, looked for where the evaluations at hand do not reach back."""
    if status.status != state.status:
        return status
    previous = status.previous
    if previous is None:
        where = (
            f"alert_id = {text_literal(state.alert_id)} AND evaluated_at < {moment_literal(state.since)}"
            f" AND evaluated_at > {moment_literal(state.since - _LEAST_WINDOW)}"
        )
        rows = lakehouse.read(
            ALERT_HISTORY.name,
            ["evaluation_status"],
            where=where,
            order_by="evaluated_at DESC, evaluation_id DESC",
            limit=1,
        ).to_pylist()
        previous = rows[0]["evaluation_status"] if rows else None
    return Status(state.status, state.since, True, previous)


def _incident(
    lakehouse: Lakehouse, alert_id: str, state: AlertState | None, at: datetime, *, is_past: bool
) -> IncidentFacts | None:
    """The newest one that was opened at or before a moment."""
    names = ("incident_id", "opened_at", "resolved_at", "evaluations", "peak_value", "reopened")
    rows: list[dict[str, Any]] = lakehouse.read(
        ALERT_INCIDENTS.name,
        [*names, *_PEOPLE],
        where=f"alert_id = {text_literal(alert_id)} AND opened_at <= {moment_literal(at)}",
        order_by="opened_at DESC, incident_id",
        limit=1,
    ).to_pylist()
    stored = IncidentFacts(**rows[0], is_open=_is_open(rows[0]["resolved_at"], at)) if rows else None
    known = state.incident if state is not None else None
    if (
        known is None
        or known.opened_at > at
        or (is_past and stored is not None and stored.incident_id != known.incident_id)
    ):
        return stored
    people = (
        {name: getattr(stored, name) for name in _PEOPLE} if stored and stored.incident_id == known.incident_id else {}
    )
    return IncidentFacts(
        known.incident_id,
        known.opened_at,
        known.resolved_at,
        _is_open(known.resolved_at, at),
        known.evaluations,
        known.peak_value,
        known.reopened,
        **people,
    )


def _is_open(resolved_at: datetime | None, at: datetime) -> bool:
    return resolved_at is None or resolved_at > at


def _deployment(lakehouse: Lakehouse, settings: Settings, subject: _Subject, silences: Silences) -> Deployment | None:
    row = subject.row
    if row is None or row["databricks_alert_id"] is None:
        return None
    table = lakehouse.read(
        ALERT_DEPLOYMENTS.name, ["environment", "databricks_host", "deployment_nonce", "recorded_at"]
    ).to_pylist()
    key = (settings.environment, row["databricks_host"], row["deployment_nonce"])
    recorded = [
        one["recorded_at"]
        for one in table
        if (one["environment"], one["databricks_host"], one["deployment_nonce"]) == key
    ]
    (silenced,) = silenced_alerts([subject.alert], [row], silences, row["databricks_host"])
    compiled = silenced.compiled
    return Deployment(
        row["databricks_alert_id"],
        row["databricks_host"],
        row["databricks_display_name"],
        min(recorded, default=None),
        row["applied_hash"] == compiled.config_hash if compiled else None,
    )


def _schedule(alert: CompiledAlert | None, last: Evaluated | None, now: datetime, grace: timedelta) -> Schedule | None:
    """grace: how late an evaluation may come before its fire time counts as missed."""
    if alert is None:
        return None
    quartz, zone = parse_quartz(alert.schedule_cron), ZoneInfo(alert.schedule_timezone)
    missed = 0
    if last is not None and alert.is_enabled:
        for fire_time in islice(quartz.fire_times(last.evaluated_at, zone), MISSED_COUNTED):
            if fire_time > now - grace:
                break
            missed += 1
    upcoming = quartz.next_fire_time(now, zone) if alert.is_enabled else None
    return Schedule(alert.schedule_cron, alert.schedule_timezone, upcoming, missed)


def _notification(
    alert: CompiledAlert | None, destinations: Mapping[str, str], silences: tuple[str, ...]
) -> Notification | None:
    """destinations: by their ids, in words. silences: in words."""
    if alert is None:
        return None
    addresses: Mapping[str, tuple[str, ...]] = alert.target.addresses
    channels = {
        name: (destinations[name],) if name in destinations else addresses.get(name, (name,))
        for name in alert.routed.channels
        if name not in alert.unmapped
    }
    routed = alert.routed
    return Notification(
        channels,
        alert.unmapped,
        alert.notify_on_ok,
        alert.retrigger_seconds,
        routed.because,
        routed.route.route_id if routed.route else None,
        routed.problem,
        silences,
    )


def _silence_words(one: SilenceConfiguration) -> str:
    return f"{one.silence_id}: {one.when_in_words()} ({one.reason}; {one.created_by})"


def _silence_reason(one: SilenceConfiguration, now: datetime) -> str:
    window = one.next_window(now)
    until = f" until {moment(window.end)}" if window is not None else ""
    return f"It is silenced{until} by {one.silence_id} of {one.created_by}: {one.reason}"


def _verdict_reason(verdict: AlertVerdict | None, place: Place | None) -> str | None:
    if verdict is None or verdict.finding is None:
        return None
    if place is not None and verdict.finding.rule != CONFIGURATION:
        return f"{place.of_query(verdict.finding.line)}: {verdict.reason}"
    return verdict.reason


def _present_reasons(
    subject: _Subject,
    verdict: AlertVerdict | None,
    deployment: Deployment | None,
    schedule: Schedule | None,
    last: Evaluated | None,
) -> list[str]:
    """What stands in the way of the next evaluation, and what to do."""
    alert_id, row = subject.alert.alert_id, subject.row or {}
    found = []
    if not subject.alert.is_enabled:
        found.append(
            "It is disabled (is_enabled: false): it is paused in the workspace, and `alerting evaluate` leaves it out."
        )
    if subject.row is None:
        found.append("It is not in the table yet: `alerting apply` loads it.")
    elif verdict is None:
        found.append(
            "It was never validated in its present form: `alerting validate` does that, and `alerting apply`, too."
        )
    elif verdict.finding is not None:
        stays = "; what was deployed before stays as it is" if deployment else ""
        found.append(f"It is quarantined ({verdict.verdict.value}), so it is neither deployed nor evaluated{stays}.")
    elif deployment is None:
        found.append(
            "It is not deployed: `alerting apply` does that. Until then only `alerting evaluate` evaluates it."
        )
    elif deployment.is_current is False:
        found.append(
            "What is deployed is not what is configured: the workspace decides by the older text until `alerting apply`."
        )
    if row.get("last_sync_status") == "ERROR":
        found.append(f"Its last sync failed: {row['last_sync_error']}")
    if (
        last is None
        and subject.alert.is_enabled
        and subject.row is not None
        and (verdict is None or verdict.finding is None)
    ):
        found.append(
            f"To see what it decides, run `alerting evaluate {alert_id}`; its schedule does it by itself once it is deployed."
        )
    if schedule is not None and schedule.missed and last is not None:
        many = f"more than {MISSED_COUNTED - 1:,}" if schedule.missed == MISSED_COUNTED else f"{schedule.missed:,}"
        found.append(
            f"There is no evaluation since {moment(last.evaluated_at)}, although its schedule fired {many} time"
            f"{'' if schedule.missed == 1 else 's'} since: is the workspace running, and is its history imported? "
            f"`alerting evaluate {alert_id}` does it now."
        )
    if schedule is not None and schedule.next_fire_time is None and subject.alert.is_enabled:
        found.append(f"Its schedule {schedule.cron!r} never fires again.")
    return found

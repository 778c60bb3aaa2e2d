"""Evaluations of the history folded together with what the tables say: new ones, late ones, and all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from alerting_assets.incidents.fold import AlertState, Incident, Row, fold, incident_id, incident_of
from alerting_assets.incidents.news import (
    ACKNOWLEDGEMENT,
    LABEL,
    News,
    Position,
    Progress,
    States,
    has_people,
    in_order,
    literals,
    rows_of_history,
    stored_incidents,
)
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.sql_literal import moment_literal

ROWS_AT_A_TIME = 400_000
"""Evaluations that are in memory at a time when everything is made anew: about 300 MB."""
ALERTS_AT_A_TIME = 200
"""Alerts with late evaluations that are read at a time."""


def with_new(lakehouse: Lakehouse, known: Mapping[str, AlertState], rows: Iterable[Row], reopen: timedelta) -> News:
    """What these new evaluations make of the states."""
    by_alert = defaultdict[str, list[Row]](list)
    for row in rows:
        by_alert[row.alert_id].append(row)
    news, late = News(), dict[str, list[Row]]()
    for alert_id, found in by_alert.items():
        state = known.get(alert_id)
        ordered = in_order(found)
        if state is None or state.comes_before(ordered[0]):
            news.take(alert_id, fold(state, ordered, reopen))
        else:
            late[alert_id] = ordered
    begins = {alert_id: ordered[0].evaluated_at for alert_id, ordered in late.items()}
    fresh = {row.evaluation_id for ordered in late.values() for row in ordered}
    fold_again(lakehouse, known, begins, fresh, reopen, news)
    return news


def fold_again(
    lakehouse: Lakehouse,
    known: Mapping[str, AlertState],
    late: Mapping[str, datetime],
    fresh: Collection[str],
    reopen: timedelta,
    news: News,
) -> None:
    """Fold the alerts again from these moments on; `news` gets what comes out. fresh: ids of evaluations that the tables do not know."""
    stored = stored_incidents(lakehouse, late) if late else {}
    begins = {alert_id: _beginning(stored[alert_id], moment) for alert_id, moment in late.items()}
    longest_first = sorted(begins, key=lambda alert_id: begins[alert_id])
    for start in range(0, len(longest_first), ALERTS_AT_A_TIME):
        chunk = longest_first[start : start + ALERTS_AT_A_TIME]
        where = f"alert_id IN ({literals(chunk)}) AND evaluated_at >= {moment_literal(begins[chunk[0]])}"
        found = lakehouse.read(ALERT_HISTORY.name, Row._fields, where=where)
        by_alert = defaultdict[str, list[Row]](list)
        for row, _ in rows_of_history(found):
            if row.evaluated_at >= begins[row.alert_id]:
                by_alert[row.alert_id].append(row)
        for alert_id, rows in by_alert.items():
            evaluations = in_order(rows)
            opening = {incident_id(row) for row in evaluations if row.evaluation_status == "TRIGGERED"}
            _fold_with_stored(news, known.get(alert_id), evaluations, stored[alert_id], reopen, fresh, opening)


def made_anew(
    lakehouse: Lakehouse,
    reopen: timedelta,
    known: Mapping[str, AlertState],
    head: Position,
    on_progress: Progress = lambda _done, _all: None,
) -> States:
    """All states and incidents by what the history says now. known: what the table says.

    The history is read, not queried: the embedded engine's SQL takes NaN for the other value of a file with one other value."""
    counted = (
        lakehouse.read(ALERT_HISTORY.name, ["alert_id", "evaluated_at"])
        .group_by("alert_id")
        .aggregate([("evaluated_at", "count"), ("evaluated_at", "min")])
    )
    sizes = sorted(zip(*(counted.column(name).to_pylist() for name in ("alert_id", "evaluated_at_count")), strict=True))
    oldest = min(counted.column("evaluated_at_min").to_pylist(), default=None)
    stored = stored_incidents(lakehouse, None)
    news, done = News(is_anew=True), 0
    for batch in _batches(sizes):
        where = None if len(batch) == len(sizes) else f"alert_id IN ({literals(batch)})"
        rows = lakehouse.read(ALERT_HISTORY.name, Row._fields, where=where).sort_by("alert_id")
        for alert_id, group in groupby((row for row, _ in rows_of_history(rows)), key=lambda row: row.alert_id):
            _fold_with_stored(news, known.get(alert_id), in_order(group), stored[alert_id], reopen)
            done += 1
            on_progress(done, len(sizes))
    for alert_id in (known.keys() | stored.keys()) - {alert_id for alert_id, _ in sizes}:
        _keep_or_drop(news, known.get(alert_id), alert_id, stored[alert_id], oldest)
    for row in (row for rows in stored.values() for row in rows):
        incident = incident_of(row)
        if incident.incident_id in news.absorbed:
            continue
        is_of_this_history = (
            row["history_table_id"] == head.version.table_id and row["history_version"] <= head.version.version
        )
        if news.incidents.setdefault(incident.incident_id, incident) == incident and is_of_this_history:
            del news.incidents[incident.incident_id]
    return States(dict(news.states), head, news)


def _keep_or_drop(
    news: News, state: AlertState | None, alert_id: str, stored: Iterable[Mapping[str, Any]], oldest: datetime | None
) -> None:
    """Of an alert without an evaluation in the history: what is older than the history stays. oldest: the first evaluation of any
    alert that the history holds."""
    if state is not None and (oldest is None or state.newest.evaluated_at < oldest):
        news.states[alert_id] = state
    elif state is not None:
        news.stale.add(alert_id)
    for row in stored:
        if oldest is not None and row["opened_at"] >= oldest and not has_people(row):
            news.absorbed[row["incident_id"]] = None


def _fold_with_stored(
    news: News,
    known: AlertState | None,
    evaluations: Sequence[Row],
    stored: Sequence[Mapping[str, Any]],
    reopen: timedelta,
    fresh: Collection[str] = (),
    opening: Collection[str] | None = None,
) -> None:
    """Fold evaluations of one alert, all that there are from the first of them on, after what is known from before.

    fresh: ids of evaluations that the tables do not know.
    opening: ids of incidents that these evaluations could open. An incident that is not among them was opened by an evaluation that
    retention deleted, and stays; None: there can be no such one."""
    incidents, first = [incident_of(row) for row in stored], evaluations[0].evaluated_at
    folded = fold(None, evaluations, reopen, _before(incidents, evaluations, fresh, reopen))
    assert folded.state is not None
    news.take(evaluations[0].alert_id, replace(folded, state=_continued(known, folded.state, evaluations)))
    ids = {incident.incident_id for incident in folded.incidents}
    for row, old in sorted(zip(stored, incidents, strict=True), key=lambda pair: pair[1].opened_at):
        if old.opened_at < first or old.incident_id in ids:
            continue
        heir = max(
            (one for one in folded.incidents if one.opened_at <= old.opened_at <= one.last_evaluated_at),
            key=lambda one: one.opened_at,
            default=None,
        )
        if (opening is None and (heir is not None or not has_people(row))) or old.incident_id in (opening or ()):
            news.absorbed[old.incident_id] = None if heir is None else heir.incident_id
            if heir is not None and has_people(row):
                _inherit(news.people.setdefault(heir.incident_id, {}), row)


def _inherit(people: dict[str, Any], row: Mapping[str, Any]) -> None:
    """The first acknowledgement and the newest label count."""
    if row["acknowledged_by"] is not None and people.get("acknowledged_by") is None:
        people |= {name: row[name] for name in ACKNOWLEDGEMENT}
    if row["label"] is not None:
        people |= {name: row[name] for name in LABEL}


def _continued(known: AlertState | None, state: AlertState, evaluations: Sequence[Row]) -> AlertState:
    """The state after these evaluations, with what is known from before the first of them."""
    if known is None:
        return state
    first = evaluations[0].evaluated_at
    goes_on = known.since < first and all(row.evaluation_status == known.status for row in evaluations)
    return replace(
        state,
        since=known.since if goes_on else state.since,
        due_at=_latest(state.due_at, known.due_at, first),
        workspace_evaluated_at=_latest(state.workspace_evaluated_at, known.workspace_evaluated_at, first),
    )


def _latest(now: datetime | None, before: datetime | None, first: datetime) -> datetime | None:
    """The later of the two; `before` counts only where it is from before the first evaluation."""
    if before is None or before >= first:
        return now
    return before if now is None else max(now, before)


def _beginning(stored: Iterable[Mapping[str, Any]], moment: datetime) -> datetime:
    """From when on evaluations are to be folded again when one comes at this moment: what was before it was over by then."""
    for row in sorted(stored, key=lambda row: row["opened_at"], reverse=True):
        if row["opened_at"] <= moment <= row["last_evaluated_at"]:
            moment = row["opened_at"]
    return moment


def _before(
    stored: Iterable[Incident], evaluations: Sequence[Row], fresh: Collection[str], reopen: timedelta
) -> Incident | None:
    """The newest incident as it was before the first of these evaluations. Where it goes on among them, what they contribute is taken
    off, since it is counted again."""
    first = evaluations[0].evaluated_at
    found = max((one for one in stored if one.opened_at < first), key=lambda one: one.opened_at, default=None)
    if found is None or found.last_evaluated_at < first:
        return found
    begun = replace(found, resolved_at=None, last_evaluated_at=found.opened_at, evaluations=0, reopened=0)
    within = [
        row for row in evaluations if row.evaluated_at <= found.last_evaluated_at and row.evaluation_id not in fresh
    ]
    counted = next(
        one for one in (*fold(None, within, reopen, begun).incidents, begun) if one.incident_id == found.incident_id
    )
    return replace(
        begun,
        evaluations=max(0, found.evaluations - counted.evaluations),
        reopened=max(0, found.reopened - counted.reopened),
    )


def _batches(sizes: Sequence[tuple[str, int]]) -> Iterable[list[str]]:
    batch, rows = list[str](), 0
    for alert_id, count in sizes:
        if batch and rows + count > ROWS_AT_A_TIME:
            yield batch
            batch, rows = [], 0
        batch.append(alert_id)
        rows += count
    if batch:
        yield batch

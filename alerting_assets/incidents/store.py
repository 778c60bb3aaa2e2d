"""`alert_state` and `alert_incidents` kept true to `alert_history`.

Both follow the change feed of the history. Each row of alert_state says up to which version of the history it was made; the newest of
them is how far the table has come, so that state and position are one commit. Incidents are merged before it: a run that is killed
between the two does the same again. Where the position does not fit (the history was restored or made anew, its feed does not reach
back), everything is made anew from the history; an evaluation that comes late makes its alert anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import pyarrow as pa

from alerting_assets.errors import ChangesUnavailable
from alerting_assets.incidents.fold import (
    AlertState,
    Folded,
    Incident,
    Row,
    fold,
    incident_of,
    incident_row,
    state_of,
    state_row,
)
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse, TableVersion
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS, ALERT_STATE
from alerting_assets.sql_literal import identifier, text_literal

ROWS_AT_A_TIME = 400_000
"""Evaluations that are in memory at a time when everything is made anew: about 300 MB."""

Progress = Callable[[int, int], None]
"""Called with (alerts done, alerts in all)."""


@dataclass(frozen=True)
class Position:
    """A version of alert_history. commit: that made it, by which it is known again (`Lakehouse.commit`)."""

    version: TableVersion
    commit: str | None


@dataclass(frozen=True)
class States:
    """What is true of every alert that was ever evaluated, by alert_id, at this version of the history; None: it was never evaluated
    anything."""

    by_id: Mapping[str, AlertState]
    position: Position | None = None

    def get(self, alert_id: str) -> AlertState | None:
        return self.by_id.get(alert_id)


@dataclass
class _News:
    """What is to be written. gone: incidents that no evaluation says any more."""

    states: dict[str, AlertState] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


def read_states(lakehouse: Lakehouse, reopen: timedelta) -> States:
    """The states with everything that is in the history; writes nothing."""
    states, _ = _caught_up(lakehouse, reopen)
    return states


def catch_up(lakehouse: Lakehouse, reopen: timedelta) -> States:
    """Bring alert_state and alert_incidents up to the history, and return the states."""
    states, news = _caught_up(lakehouse, reopen)
    _write(lakehouse, news, states.position)
    return states


def rebuild(lakehouse: Lakehouse, reopen: timedelta, on_progress: Progress = lambda _done, _all: None) -> States:
    """Make both tables anew from the history. Incidents that began before the oldest evaluation that is kept stay as they are, and so
    do acknowledgements and labels."""
    position = _position(lakehouse)
    news = _made_anew(lakehouse, reopen, None, on_progress)
    states = States(news.states, position)
    stale = {row["alert_id"] for row in lakehouse.read(ALERT_STATE.name, ["alert_id"]).to_pylist()} - news.states.keys()
    _delete(lakehouse, ALERT_STATE.name, "alert_id", stale)
    # Rows of another life of the history say a version that is never overwritten by a smaller one.
    _write(lakehouse, news, position, anew=True)
    return states


def advance(
    lakehouse: Lakehouse, states: States, folded: Mapping[str, Folded], reopen: timedelta, added: int
) -> States:
    """The states after evaluations that were just recorded, in one commit; both tables written.

    folded: by alert_id, what these evaluations make of `states`. added: the rows that came into the history."""
    position = _position(lakehouse)
    expected = sum(len(one.seen) for one in folded.values())
    is_alone = (
        states.position is not None
        and position.version.table_id == states.position.version.table_id
        and position.version.version == states.position.version.version + 1
        and added == expected
    )
    if not is_alone:  # somebody else wrote, too: the feed tells what
        return catch_up(lakehouse, reopen)
    news = _News()
    for alert_id, one in folded.items():
        _take(news, alert_id, one)
    _write(lakehouse, news, position)
    return States({**states.by_id, **news.states}, position)


def _caught_up(lakehouse: Lakehouse, reopen: timedelta) -> tuple[States, _News]:
    rows = lakehouse.read(ALERT_STATE.name).to_pylist()
    known = {row["alert_id"]: state_of(row) for row in rows}
    position = _position(lakehouse)
    last = max(
        (row for row in rows if row["history_table_id"] == position.version.table_id),
        key=lambda row: row["history_version"],
        default=None,
    )
    if last is None or len({row["history_table_id"] for row in rows}) > 1 or not _fits(lakehouse, last, position):
        news = _made_anew(lakehouse, reopen, None)
        return States(news.states, position), news
    if last["history_version"] == position.version.version:
        return States(known, position), _News()
    try:
        feed = lakehouse.changes(ALERT_HISTORY.name, last["history_version"])
    except ChangesUnavailable:
        news = _made_anew(lakehouse, reopen, None)
        return States(news.states, position), news
    inserted = [row for row in _rows(feed.rows, "_change_type") if row[1] == "insert"]
    news = _with(lakehouse, known, [row for row, _ in inserted], reopen)
    if feed.head != position.version:
        position = Position(feed.head, lakehouse.commit(ALERT_HISTORY.name, feed.head.version))
    return States({**known, **news.states}, position), news


def _fits(lakehouse: Lakehouse, row: Mapping[str, Any], head: Position) -> bool:
    version: int = row["history_version"]
    if version == head.version.version:
        return bool(row["history_commit"] == head.commit)
    return bool(
        version < head.version.version and row["history_commit"] == lakehouse.commit(ALERT_HISTORY.name, version)
    )


def _with(lakehouse: Lakehouse, known: Mapping[str, AlertState], rows: Iterable[Row], reopen: timedelta) -> _News:
    by_alert = defaultdict[str, dict[str, Row]](dict)
    for row in rows:
        by_alert[row.alert_id][row.evaluation_id] = row
    news, late = _News(), set[str]()
    for alert_id, found in by_alert.items():
        state = known.get(alert_id)
        ordered = sorted(found.values(), key=_order)
        if state is None or state.comes_before(ordered[0]):
            _take(news, alert_id, fold(state, ordered, reopen))
        else:
            late.add(alert_id)
    if late:
        anew = _made_anew(lakehouse, reopen, late)
        news.states |= anew.states
        news.incidents |= anew.incidents
        news.gone += anew.gone
    return news


def _made_anew(
    lakehouse: Lakehouse,
    reopen: timedelta,
    alert_ids: Collection[str] | None,
    on_progress: Progress = lambda _done, _all: None,
) -> _News:
    """alert_ids: these alerts; None: all."""
    table = ".".join(identifier(name) for name in (*lakehouse.namespace, ALERT_HISTORY.name))
    where = "" if alert_ids is None else f" WHERE alert_id IN ({_literals(alert_ids)})"
    counted = lakehouse.query(
        f"SELECT alert_id, COUNT(*) AS evaluations FROM {table}{where} GROUP BY alert_id"
    ).to_pylist()
    sizes = sorted((row["alert_id"], row["evaluations"]) for row in counted)
    stored = defaultdict[str, list[Incident]](list)
    people = dict[str, Mapping[str, Any]]()
    for row in lakehouse.read(ALERT_INCIDENTS.name).to_pylist() if sizes else ():
        stored[row["alert_id"]].append(incident_of(row))
        if row["label"] is not None or row["acknowledged_by"] is not None:
            people[row["incident_id"]] = row
    news, done = _News(), 0
    for batch in _batches(sizes):
        wanted = f"alert_id IN ({_literals(batch)})" if len(batch) < len(sizes) or alert_ids is not None else "TRUE"
        rows = lakehouse.query(
            f"SELECT {', '.join(Row._fields)} FROM {table} WHERE {wanted} ORDER BY alert_id, evaluated_at, evaluation_id"
        )
        for alert_id, group in groupby((row for row, _ in _rows(rows)), key=lambda row: row.alert_id):
            evaluations = list(group)
            seed = _cut_off(stored[alert_id], evaluations)
            folded = fold(None, evaluations, reopen, seed)
            _take(news, alert_id, folded)
            kept = {incident.incident_id for incident in folded.incidents} | people.keys()
            news.gone += [
                old.incident_id
                for old in stored[alert_id]
                if old.opened_at >= evaluations[0].evaluated_at and old.incident_id not in kept
            ]
            done += 1
            on_progress(done, len(sizes))
    return news


def _cut_off(stored: Sequence[Incident], evaluations: Sequence[Row]) -> Incident | None:
    """The incident that began before the oldest evaluation that is kept, as it was just before that: counters of what is kept are
    taken off, since they are counted again."""
    first = evaluations[0].evaluated_at
    found = max((one for one in stored if one.opened_at < first), key=lambda one: one.opened_at, default=None)
    if found is None or found.last_evaluated_at < first:
        return found
    counted = sum(
        row.evaluation_status in ("TRIGGERED", "SUPPRESSED") and row.evaluated_at <= found.last_evaluated_at
        for row in evaluations
    )
    return Incident(
        found.incident_id,
        found.alert_id,
        found.opened_at,
        found.opened_at,
        max(0, found.evaluations - counted),
        found.peak_value,
        None,
        found.reopened,
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


def _take(news: _News, alert_id: str, folded: Folded) -> None:
    if folded.state is not None:
        news.states[alert_id] = folded.state
    for incident in folded.incidents:
        news.incidents[incident.incident_id] = incident


def _write(lakehouse: Lakehouse, news: _News, position: Position | None, *, anew: bool = False) -> None:
    if position is None or not news.states:
        return
    if news.incidents:
        rows = [incident_row(incident) for incident in news.incidents.values()]
        schema = arrow_schema(ALERT_INCIDENTS)
        table = pa.Table.from_pylist(rows, pa.schema([schema.field(name) for name in rows[0]]))
        lakehouse.merge(
            ALERT_INCIDENTS.name,
            table,
            on=ALERT_INCIDENTS.key,
            # Somebody who was faster knows more.
            matched_if=None if anew else "source.last_evaluated_at >= target.last_evaluated_at",
        )
    _delete(lakehouse, ALERT_INCIDENTS.name, "incident_id", news.gone)
    made_from = {
        "history_table_id": position.version.table_id,
        "history_version": position.version.version,
        "history_commit": position.commit,
    }
    states = [{**state_row(state), **made_from} for state in news.states.values()]
    lakehouse.merge(
        ALERT_STATE.name,
        pa.Table.from_pylist(states, arrow_schema(ALERT_STATE)),
        on=ALERT_STATE.key,
        matched_if=None
        if anew
        else "source.history_table_id <> target.history_table_id OR source.history_version >= target.history_version",
    )


def _delete(lakehouse: Lakehouse, table: str, key: str, values: Collection[str]) -> None:
    if values:
        lakehouse.delete(table, pa.table({key: sorted(values)}))


def _position(lakehouse: Lakehouse) -> Position:
    version = lakehouse.version(ALERT_HISTORY.name)
    return Position(version, lakehouse.commit(ALERT_HISTORY.name, version.version))


def _rows(table: pa.Table, *more: str) -> Iterable[tuple[Any, ...]]:
    """(Row, value of each further column)."""
    columns = [table.column(name).to_pylist() for name in (*Row._fields, *more)]
    width = len(Row._fields)
    for values in zip(*columns, strict=True):
        yield (Row(*values[:width]), *values[width:]) if more else (Row(*values), None)


def _order(row: Row) -> tuple[datetime, str]:
    return row.evaluated_at, row.evaluation_id


def _literals(values: Iterable[str]) -> str:
    return ", ".join(text_literal(value) for value in sorted(values))

"""`alert_state` and `alert_incidents` kept true to `alert_history`.

Both follow the change feed of the history. Each row says from which version of the history it was made. The newest of alert_state is how
far the tables have come, and all states of one step are one commit, so a process that is killed before it leaves no trace that matters:
the next one takes the same step again. Of two processes at once, the one that knows the newer version wins each row.

- An evaluation that comes late has its alert folded again, from the opening of the incident that it falls into.
- Retention deletes old evaluations; that changes nothing here.
- Where the history is not the one that the tables were made from (restored, made anew, its feed does not reach back), all is made anew.
- What people wrote, acknowledgements and labels, is never overwritten. It moves along where a late evaluation shows that an incident
  was only a part of another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
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
    incident_id,
    incident_of,
    incident_row,
    state_of,
    state_row,
)
from alerting_assets.lakehouse.arrow import arrow_schema, as_rows, as_values
from alerting_assets.lakehouse.port import Lakehouse, TableVersion
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS, ALERT_STATE
from alerting_assets.sql_literal import text_literal

ROWS_AT_A_TIME = 400_000
"""Evaluations that are in memory at a time when everything is made anew: about 300 MB."""
ALERTS_AT_A_TIME = 200
"""Alerts with late evaluations that are read at a time."""

ACKNOWLEDGEMENT = ("acknowledged_by", "acknowledged_at")
LABEL = ("label", "label_source", "labelled_at")
"""The columns of alert_incidents that people write."""

Progress = Callable[[int, int], None]
"""Called with (alerts done, alerts in all)."""


@dataclass(frozen=True)
class Position:
    """A version of alert_history. commit: that made it, by which it is known again (`Lakehouse.commit`)."""

    version: TableVersion
    commit: str | None


@dataclass
class News:
    """What the tables do not say yet.

    states, incidents: by their ids, as they are now.
    absorbed: ids of incidents that are none any more → the incident that each turned out to be a part of, or None.
    people: id of an incident → what people wrote of those that it absorbed, by column.
    stale: alerts that this history has never heard of.
    is_anew: all of it was made anew, so it counts whatever version the tables say."""

    states: dict[str, AlertState] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    absorbed: dict[str, str | None] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    is_anew: bool = False

    def take(self, alert_id: str, folded: Folded) -> None:
        if folded.state is not None:
            self.states[alert_id] = folded.state
        for incident in folded.incidents:
            self.incidents[incident.incident_id] = incident


@dataclass(frozen=True)
class States:
    """What is true of every alert that was ever evaluated, by alert_id, at this version of the history. unwritten: what of it the
    tables do not say yet."""

    by_id: Mapping[str, AlertState]
    position: Position | None = None
    unwritten: News = field(default_factory=News, repr=False, compare=False)

    def get(self, alert_id: str) -> AlertState | None:
        return self.by_id.get(alert_id)


@dataclass(frozen=True)
class Rebuilt:
    """Rows after a rebuild, and how many of them had not been there or had said something else, or are no more. states_changed: new
    ones, too."""

    states: int
    states_changed: int
    states_removed: int
    incidents: int
    incidents_added: int
    incidents_changed: int
    incidents_removed: int


def read_states(lakehouse: Lakehouse, reopen: timedelta, on_progress: Progress = lambda _done, _all: None) -> States:
    """The states with everything that is in the history; writes nothing.

    reopen: how soon after its recovery an incident is the same one.
    on_progress: called where all has to be made anew.

    Raises LakehouseError."""
    rows = as_rows(lakehouse.read(ALERT_STATE.name))
    known = {row["alert_id"]: state_of(row) for row in rows}
    head = _position(lakehouse)
    since = _made_from(lakehouse, rows, head)
    if since is None:
        return _made_anew(lakehouse, reopen, known, head, on_progress)
    if since == head.version.version:
        return States(known, head)
    try:
        feed = lakehouse.changes(ALERT_HISTORY.name, since)
    except ChangesUnavailable:
        return _made_anew(lakehouse, reopen, known, head, on_progress)
    changes = list(_rows(feed.rows, "_change_type"))
    inserted = [row for row, kind in changes if kind == "insert"]
    deleted = {row.evaluation_id for row, kind in changes if kind == "delete"}
    newest = max((*(state.newest for state in known.values()), *inserted), key=_order)
    if newest.evaluation_id in deleted:  # that is no retention: an older version of the history was restored
        return _made_anew(lakehouse, reopen, known, head, on_progress)
    if feed.head != head.version:
        head = Position(feed.head, lakehouse.commit(ALERT_HISTORY.name, feed.head.version))
    news = _with(lakehouse, known, inserted, reopen)
    return States({**known, **news.states}, head, news)


def catch_up(lakehouse: Lakehouse, reopen: timedelta) -> States:
    """Bring alert_state and alert_incidents up to the history, and return the states. Raises LakehouseError; then the next call does
    what this one did not."""
    return write_states(lakehouse, read_states(lakehouse, reopen), reopen)


def rebuild(lakehouse: Lakehouse, reopen: timedelta, on_progress: Progress = lambda _done, _all: None) -> Rebuilt:
    """Make both tables anew from the history. What is older than the oldest evaluation that is kept stays as it is, and so do
    acknowledgements and labels. Raises LakehouseError."""
    known = {row["alert_id"]: state_of(row) for row in as_rows(lakehouse.read(ALERT_STATE.name))}
    stored = {row["incident_id"]: incident_of(row) for row in as_rows(lakehouse.read(ALERT_INCIDENTS.name))}
    states = read_states(lakehouse, reopen, on_progress)
    if (
        not states.unwritten.is_anew
    ):  # what deleted evaluations contributed is known by what the others did, so all must be in
        states = write_states(lakehouse, states, reopen)
        assert states.position is not None
        states = _made_anew(lakehouse, reopen, states.by_id, states.position, on_progress)
    write_states(lakehouse, states, reopen)
    after = {row["incident_id"]: incident_of(row) for row in as_rows(lakehouse.read(ALERT_INCIDENTS.name))}
    return Rebuilt(
        len(states.by_id),
        sum(_differs(known.get(alert_id), state) for alert_id, state in states.by_id.items()),
        len(known.keys() - states.by_id.keys()),
        len(after),
        len(after.keys() - stored.keys()),
        sum(stored[one] != after[one] for one in after.keys() & stored.keys()),
        len(stored.keys() - after.keys()),
    )


def advance(
    lakehouse: Lakehouse, states: States, folded: Mapping[str, Folded], reopen: timedelta, added: int
) -> States:
    """The states after evaluations that were just recorded, in one commit; both tables written.

    folded: by alert_id, what these evaluations make of `states`. added: the rows that came into the history. Raises LakehouseError;
    then the next `catch_up` does what this did not."""
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
    before = states.unwritten
    news = replace(before, states=dict(before.states), incidents=dict(before.incidents))
    for alert_id, one in folded.items():
        news.take(alert_id, one)
    return write_states(lakehouse, States({**states.by_id, **news.states}, position, news), reopen)


# -- how far the tables have come


def _position(lakehouse: Lakehouse) -> Position:
    version = lakehouse.version(ALERT_HISTORY.name)
    return Position(version, lakehouse.commit(ALERT_HISTORY.name, version.version))


def _made_from(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]], head: Position) -> int | None:
    """The version of the history that these rows of alert_state were made from; None where it is no version of this history."""
    if {row["history_table_id"] for row in rows} != {head.version.table_id}:
        return None
    newest = max(rows, key=lambda row: row["history_version"])
    version: int = newest["history_version"]
    if version > head.version.version:
        return None
    commit = head.commit if version == head.version.version else lakehouse.commit(ALERT_HISTORY.name, version)
    return version if newest["history_commit"] == commit else None


# -- folding


def _with(lakehouse: Lakehouse, known: Mapping[str, AlertState], rows: Iterable[Row], reopen: timedelta) -> News:
    """What these new evaluations make of the states."""
    by_alert = defaultdict[str, list[Row]](list)
    for row in rows:
        by_alert[row.alert_id].append(row)
    news, late = News(), dict[str, list[Row]]()
    for alert_id, found in by_alert.items():
        state = known.get(alert_id)
        ordered = _in_order(found)
        if state is None or state.comes_before(ordered[0]):
            news.take(alert_id, fold(state, ordered, reopen))
        else:
            late[alert_id] = ordered
    begins = {alert_id: ordered[0].evaluated_at for alert_id, ordered in late.items()}
    fresh = {row.evaluation_id for ordered in late.values() for row in ordered}
    _fold_again(lakehouse, known, begins, fresh, reopen, news)
    return news


def _fold_again(
    lakehouse: Lakehouse,
    known: Mapping[str, AlertState],
    late: Mapping[str, datetime],
    fresh: Collection[str],
    reopen: timedelta,
    news: News,
) -> None:
    """Fold the alerts again from these moments on; `news` gets what comes out. fresh: ids of evaluations that the tables do not know."""
    stored = _stored_incidents(lakehouse, late) if late else {}
    begins = {alert_id: _beginning(stored[alert_id], moment) for alert_id, moment in late.items()}
    longest_first = sorted(begins, key=lambda alert_id: begins[alert_id])
    for start in range(0, len(longest_first), ALERTS_AT_A_TIME):
        chunk = longest_first[start : start + ALERTS_AT_A_TIME]
        where = f"alert_id IN ({_literals(chunk)}) AND evaluated_at >= '{_moment(begins[chunk[0]])}'"
        found = lakehouse.read(ALERT_HISTORY.name, Row._fields, where=where)
        by_alert = defaultdict[str, list[Row]](list)
        for row, _ in _rows(found):
            if row.evaluated_at >= begins[row.alert_id]:
                by_alert[row.alert_id].append(row)
        for alert_id, rows in by_alert.items():
            evaluations = _in_order(rows)
            opening = {incident_id(row) for row in evaluations if row.evaluation_status == "TRIGGERED"}
            _fold_with_stored(news, known.get(alert_id), evaluations, stored[alert_id], reopen, fresh, opening)


def _made_anew(
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
    stored = _stored_incidents(lakehouse, None)
    news, done = News(is_anew=True), 0
    for batch in _batches(sizes):
        where = None if len(batch) == len(sizes) else f"alert_id IN ({_literals(batch)})"
        rows = lakehouse.read(ALERT_HISTORY.name, Row._fields, where=where).sort_by("alert_id")
        for alert_id, group in groupby((row for row, _ in _rows(rows)), key=lambda row: row.alert_id):
            _fold_with_stored(news, known.get(alert_id), _in_order(group), stored[alert_id], reopen)
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
        if oldest is not None and row["opened_at"] >= oldest and not _has_people(row):
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
        if (opening is None and (heir is not None or not _has_people(row))) or old.incident_id in (opening or ()):
            news.absorbed[old.incident_id] = None if heir is None else heir.incident_id
            if heir is not None and _has_people(row):
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


# -- reading


def _stored_incidents(
    lakehouse: Lakehouse, alert_ids: Collection[str] | None
) -> defaultdict[str, list[Mapping[str, Any]]]:
    """Rows of alert_incidents by alert. alert_ids: of these alerts only; None: of all."""
    where = None if alert_ids is None else f"alert_id IN ({_literals(alert_ids)})"
    rows = lakehouse.read(ALERT_INCIDENTS.name, where=where)
    found = defaultdict[str, list[Mapping[str, Any]]](list)
    for row in as_rows(rows):
        found[row["alert_id"]].append(row)
    return found


def _rows(table: pa.Table, *more: str) -> Iterable[tuple[Any, ...]]:
    """(Row, value of each further column)."""
    columns = [as_values(table.column(name)) for name in (*Row._fields, *more)]
    width = len(Row._fields)
    for values in zip(*columns, strict=True):
        yield (Row(*values[:width]), *values[width:]) if more else (Row(*values), None)


def _in_order(rows: Iterable[Row]) -> list[Row]:
    """Each evaluation once."""
    return sorted({row.evaluation_id: row for row in rows}.values(), key=_order)


def _order(row: Row) -> tuple[datetime, str]:
    return row.evaluated_at, row.evaluation_id


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


# -- writing


def write_states(lakehouse: Lakehouse, states: States, reopen: timedelta) -> States:
    """Write what the tables do not say yet; the states, with nothing left to write. Raises LakehouseError."""
    news, position = states.unwritten, states.position
    if position is None or not (news.states or news.incidents or news.stale or news.absorbed):
        return states
    _write_incidents(lakehouse, news, position)
    made_from = {**_made_from_columns(position), "history_commit": position.commit}
    rows = [{**state_row(state), **made_from} for state in news.states.values()]
    counts = lakehouse.merge(
        ALERT_STATE.name,
        pa.Table.from_pylist(rows, arrow_schema(ALERT_STATE)),
        on=ALERT_STATE.key,
        matched_if=None if news.is_anew else IS_NEWER,
    )
    if news.stale:
        lakehouse.delete(ALERT_STATE.name, pa.table({"alert_id": sorted(news.stale)}))
    if not news.is_anew and counts.inserted + counts.updated < len(rows):
        _mend_overtaken(lakehouse, news, position, reopen)
    return States(states.by_id, position)


IS_NEWER = "source.history_table_id <> target.history_table_id OR source.history_version >= target.history_version"


def _made_from_columns(position: Position) -> dict[str, Any]:
    return {"history_table_id": position.version.table_id, "history_version": position.version.version}


def _write_incidents(lakehouse: Lakehouse, news: News, position: Position) -> None:
    if news.incidents:
        rows = [{**incident_row(incident), **_made_from_columns(position)} for incident in news.incidents.values()]
        lakehouse.merge(
            ALERT_INCIDENTS.name,
            _incident_table(rows),
            on=ALERT_INCIDENTS.key,
            matched_if=None if news.is_anew else IS_NEWER,
        )
    for columns in (ACKNOWLEDGEMENT, LABEL):
        inherited = [
            {"incident_id": heir, **{name: people[name] for name in columns}}
            for heir, people in news.people.items()
            if people.get(columns[0]) is not None
        ]
        if inherited:
            lakehouse.merge(
                ALERT_INCIDENTS.name,
                _incident_table(inherited),
                on=ALERT_INCIDENTS.key,
                insert=False,
                matched_if=f"target.{columns[0]} IS NULL",
            )
    if news.absorbed and news.is_anew:
        lakehouse.delete(ALERT_INCIDENTS.name, pa.table({"incident_id": sorted(news.absorbed)}))
    elif news.absorbed:
        made_from = f"history_version <= {position.version.version}"
        lakehouse.delete_where(ALERT_INCIDENTS.name, f"incident_id IN ({_literals(news.absorbed)}) AND {made_from}")


def _mend_overtaken(lakehouse: Lakehouse, news: News, position: Position, reopen: timedelta) -> None:
    """Where another process wrote what a newer version of the history says while these incidents were on their way, one of them may be
    none any more: their alerts are folded again, for the version that the other process wrote."""
    rows = as_rows(lakehouse.read(ALERT_STATE.name))
    ahead = {
        row["alert_id"]: row
        for row in rows
        if row["history_table_id"] == position.version.table_id and row["history_version"] > position.version.version
    }
    late = dict[str, datetime]()
    for incident in news.incidents.values():
        if incident.alert_id in ahead:
            late[incident.alert_id] = min(late.get(incident.alert_id, incident.opened_at), incident.opened_at)
    if late:
        newest = max(ahead.values(), key=lambda row: row["history_version"])
        found, version = News(), TableVersion(position.version.table_id, newest["history_version"])
        _fold_again(lakehouse, {row["alert_id"]: state_of(row) for row in rows}, late, (), reopen, found)
        write_states(lakehouse, States(found.states, Position(version, newest["history_commit"]), found), reopen)


def _incident_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = arrow_schema(ALERT_INCIDENTS)
    return pa.Table.from_pylist(list(rows), pa.schema([schema.field(name) for name in rows[0]]))


def _has_people(row: Mapping[str, Any]) -> bool:
    return row["acknowledged_by"] is not None or row["label"] is not None


def _differs(before: AlertState | None, after: AlertState) -> bool:
    return before is None or _comparable(before) != _comparable(after)


def _comparable(state: AlertState) -> dict[str, Any]:
    """NaN is the same as NaN here."""
    return {name: str(value) if isinstance(value, float) else value for name, value in state_row(state).items()}


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _literals(values: Iterable[str]) -> str:
    return ", ".join(text_literal(value) for value in sorted(values))

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from alerting_assets.errors import ChangesUnavailable
from alerting_assets.incidents.fold import AlertState, Folded, incident_of, state_of, state_row
from alerting_assets.incidents.folding import made_anew, with_new
from alerting_assets.incidents.news import Position, Progress, States, order, rows_of_history
from alerting_assets.incidents.writing import write_states
from alerting_assets.lakehouse.arrow import as_rows
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS, ALERT_STATE


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
        return made_anew(lakehouse, reopen, known, head, on_progress)
    if since == head.version.version:
        return States(known, head)
    try:
        feed = lakehouse.changes(ALERT_HISTORY.name, since)
    except ChangesUnavailable:
        return made_anew(lakehouse, reopen, known, head, on_progress)
    changes = list(rows_of_history(feed.rows, "_change_type"))
    inserted = [row for row, kind in changes if kind == "insert"]
    deleted = {row.evaluation_id for row, kind in changes if kind == "delete"}
    newest = max((*(state.newest for state in known.values()), *inserted), key=order)
    if newest.evaluation_id in deleted:  # that is no retention: an older version of the history was restored
        return made_anew(lakehouse, reopen, known, head, on_progress)
    if feed.head != head.version:
        head = Position(feed.head, lakehouse.commit(ALERT_HISTORY.name, feed.head.version))
    news = with_new(lakehouse, known, inserted, reopen)
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
        states = made_anew(lakehouse, reopen, states.by_id, states.position, on_progress)
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


def _differs(before: AlertState | None, after: AlertState) -> bool:
    return before is None or _comparable(before) != _comparable(after)


def _comparable(state: AlertState) -> dict[str, Any]:
    """NaN is the same as NaN here."""
    return {name: str(value) if isinstance(value, float) else value for name, value in state_row(state).items()}

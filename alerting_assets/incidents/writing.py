"""States and incidents into their tables. Of two processes at once, the one that knows the newer version of the history wins each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from alerting_assets.incidents.fold import incident_row, state_of, state_row
from alerting_assets.incidents.folding import fold_again
from alerting_assets.incidents.news import ACKNOWLEDGEMENT, LABEL, News, Position, States, literals
from alerting_assets.lakehouse.arrow import arrow_schema, as_rows
from alerting_assets.lakehouse.port import Lakehouse, TableVersion
from alerting_assets.lakehouse.tables import ALERT_INCIDENTS, ALERT_STATE


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
        lakehouse.delete_where(ALERT_INCIDENTS.name, f"incident_id IN ({literals(news.absorbed)}) AND {made_from}")


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
        fold_again(lakehouse, {row["alert_id"]: state_of(row) for row in rows}, late, (), reopen, found)
        write_states(lakehouse, States(found.states, Position(version, newest["history_commit"]), found), reopen)


def _incident_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = arrow_schema(ALERT_INCIDENTS)
    return pa.Table.from_pylist(list(rows), pa.schema([schema.field(name) for name in rows[0]]))

"""Incidents as people meet them: listed, looked at, acknowledged, labelled.

What only looks shows what the history says, also where the tables are behind, and writes nothing."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.errors import IncidentError, did_you_mean
from alerting_assets.incidents.fold import Incident, incident_of
from alerting_assets.incidents.news import ACKNOWLEDGEMENT, LABEL, News
from alerting_assets.incidents.store import catch_up, read_states
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS
from alerting_assets.sql_literal import moment_literal, text_literal

SHORTEST_PREFIX = 8
SHOWN_EVALUATIONS = (
    *("evaluation_id", "evaluated_at", "evaluated_by", "evaluation_status", "query_result_value"),
    *("query_result_string", "threshold_met", "error_message", "note"),
)


class Label(StrEnum):
    TRUE_POSITIVE = "TRUE_POSITIVE"
    FALSE_POSITIVE = "FALSE_POSITIVE"


@dataclass(frozen=True)
class Noted:
    """An incident and what people wrote about it. prefix: the shortest beginning of its id that no other id has."""

    incident: Incident
    prefix: str
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    label: Label | None = None
    label_source: str | None = None
    labelled_at: datetime | None = None

    def seconds(self, now: datetime) -> float:
        """How long it took, or has been going on."""
        return ((self.incident.resolved_at or now) - self.incident.opened_at).total_seconds()


def list_incidents(
    lakehouse: Lakehouse,
    reopen: timedelta,
    *,
    alert_id: str | None = None,
    open_only: bool = False,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[Noted]:
    """The open ones first, then the newest.

    reopen: how soon after its recovery an incident is the same one.
    since: only those that were open at this moment or later.
    limit: how many at most; None: all.

    Raises LakehouseError."""
    news = read_states(lakehouse, reopen).unwritten
    conditions = [] if alert_id is None else [f"alert_id = {text_literal(alert_id)}"]
    if open_only:
        conditions.append("resolved_at IS NULL")
    if since is not None:
        conditions.append(f"(resolved_at IS NULL OR resolved_at >= {moment_literal(since)})")
    names = ("incident_id", "opened_at", "resolved_at")
    table = lakehouse.read(ALERT_INCIDENTS.name, names, where=" AND ".join(conditions) or None)
    if limit is not None:  # what the tables do not say yet may take the place of as many
        by = table.append_column("is_closed", pc.is_valid(table.column("resolved_at")))
        order = [("is_closed", "ascending"), ("opened_at", "descending"), ("incident_id", "descending")]
        table = by.sort_by(order).slice(0, limit + len(news.incidents) + len(news.absorbed))
    found = {row["incident_id"]: (row["resolved_at"] is None, row["opened_at"]) for row in table.to_pylist()}
    for incident_id in (*news.absorbed, *news.incidents):
        found.pop(incident_id, None)
    for one in news.incidents.values():
        if (
            (alert_id is None or one.alert_id == alert_id)
            and (one.is_open or not open_only)
            and (since is None or one.resolved_at is None or one.resolved_at >= since)
        ):
            found[one.incident_id] = (one.is_open, one.opened_at)
    order_of = sorted(found, key=lambda incident_id: (*found[incident_id], incident_id), reverse=True)
    return _noted(lakehouse, news, order_of[:limit])


def find_incident(lakehouse: Lakehouse, reopen: timedelta, prefix: str) -> Noted:
    """The incident whose id begins like that. Raises IncidentError where there is none, or several; LakehouseError."""
    news = read_states(lakehouse, reopen).unwritten
    (found,) = _noted(lakehouse, news, [_id_of(lakehouse, news, prefix)])
    return found


def evaluations_of(lakehouse: Lakehouse, incident: Incident) -> list[dict[str, Any]]:
    """The evaluations of its alert from its opening to its recovery, the oldest first, in the columns SHOWN_EVALUATIONS. Those that
    retention deleted are missing. Raises LakehouseError."""
    until = "" if incident.is_open else f" AND evaluated_at <= {moment_literal(incident.last_evaluated_at)}"
    where = (
        f"alert_id = {text_literal(incident.alert_id)} AND evaluated_at >= {moment_literal(incident.opened_at)}{until}"
    )
    rows: list[dict[str, Any]] = lakehouse.read(ALERT_HISTORY.name, SHOWN_EVALUATIONS, where=where).to_pylist()
    return sorted(rows, key=lambda row: (row["evaluated_at"], row["evaluation_id"]))


def acknowledge(lakehouse: Lakehouse, reopen: timedelta, prefix: str, by: str, now: datetime) -> Noted:
    """Note that somebody looks after it. The first one stays: who acknowledges it again changes nothing. Returns the incident as it is
    noted then.

    prefix: the beginning of its id. Raises IncidentError, LakehouseError."""
    return _note(lakehouse, reopen, prefix, ACKNOWLEDGEMENT, (by, now), "target.acknowledged_by IS NULL")


def label(lakehouse: Lakehouse, reopen: timedelta, prefix: str, label: Label | None, by: str, now: datetime) -> Noted:
    """Note whether it was right to fire, in place of what was noted before; None takes that back. Returns the incident as it is noted
    then.

    prefix: the beginning of its id. Raises IncidentError, LakehouseError."""
    values = (None, None, None) if label is None else (label.value, by, now)
    differs = (
        None
        if label is None
        else f"target.label IS NULL OR target.label <> '{label.value}' OR target.label_source <> source.label_source"
    )
    return _note(lakehouse, reopen, prefix, LABEL, values, differs)


def _note(
    lakehouse: Lakehouse,
    reopen: timedelta,
    prefix: str,
    columns: Sequence[str],
    values: Sequence[Any],
    matched_if: str | None,
) -> Noted:
    news = catch_up(lakehouse, reopen).unwritten
    incident_id = _id_of(lakehouse, news, prefix)
    schema = arrow_schema(ALERT_INCIDENTS)
    row = {"incident_id": incident_id, **dict(zip(columns, values, strict=True))}
    lakehouse.merge(
        ALERT_INCIDENTS.name,
        pa.Table.from_pylist([row], pa.schema([schema.field(name) for name in row])),
        on=ALERT_INCIDENTS.key,
        insert=False,
        matched_if=matched_if,
    )
    noted = _noted(lakehouse, news, [incident_id])
    if not noted:  # a late evaluation made it a part of another one just now
        raise IncidentError(f"incident {incident_id}: is no more; look for it with `alerting incidents list`")
    return noted[0]


def _noted(lakehouse: Lakehouse, news: News, incident_ids: Sequence[str]) -> list[Noted]:
    """In this order; those that are no more are left out."""
    if not incident_ids:
        return []
    where = f"incident_id IN ({', '.join(text_literal(one) for one in incident_ids)})"
    rows = {row["incident_id"]: row for row in lakehouse.read(ALERT_INCIDENTS.name, where=where).to_pylist()}
    ids, found = _ids(lakehouse, news), list[Noted]()
    for incident_id in incident_ids:
        row = rows.get(incident_id)
        incident = news.incidents.get(incident_id) or (None if row is None else incident_of(row))
        if incident is not None:
            inherited = news.people.get(incident_id, {})
            found.append(_with_people(Noted(incident, _prefix(incident_id, ids)), inherited, row or {}))
    return found


def _with_people(noted: Noted, *written: Mapping[str, Any]) -> Noted:
    """written: rows with people's columns; the later ones count more."""
    for row in written:
        if row.get("acknowledged_by") is not None:
            noted = replace(noted, **{name: row[name] for name in ACKNOWLEDGEMENT})
        if row.get("label") is not None:
            noted = replace(noted, **{**{name: row[name] for name in LABEL}, "label": Label(row["label"])})
    return noted


def _ids(lakehouse: Lakehouse, news: News, where: str | None = None) -> list[str]:
    """Of all incidents, or of those in the table that fulfil the condition and all that are news; sorted."""
    stored = lakehouse.read(ALERT_INCIDENTS.name, ["incident_id"], where=where).column("incident_id").to_pylist()
    return sorted({*stored, *news.incidents} - news.absorbed.keys())


def _prefix(incident_id: str, ids: Sequence[str]) -> str:
    """ids: sorted, so that those that are most alike are neighbours."""
    place = bisect_left(ids, incident_id)
    neighbours = [*ids[max(place - 1, 0) : place], *ids[place + 1 : place + 2]]
    shared = max((_shared(incident_id, other) for other in neighbours), default=0)
    return incident_id[: max(SHORTEST_PREFIX, shared + 1)]


def _shared(first: str, second: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _id_of(lakehouse: Lakehouse, news: News, prefix: str) -> str:
    wanted = prefix.lower()
    found = []
    if re.fullmatch("[0-9a-f]+", wanted):  # what follows a hex digit comes before the next letter
        ids = _ids(lakehouse, news, f"incident_id >= '{wanted}' AND incident_id < '{wanted}g'")
        found = [one for one in ids if one.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise IncidentError(f"incident {prefix}: {len(found)} ids begin like that: {shown}; give more of it")
    near = did_you_mean(wanted, {one[: max(len(wanted), SHORTEST_PREFIX)] for one in _ids(lakehouse, news)})
    raise IncidentError(f"there is no incident {prefix!r}{near or '; `alerting incidents list` shows them'}")

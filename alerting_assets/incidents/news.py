"""What is known of the alerts, what the tables do not say of it yet, and rows as the fold takes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from alerting_assets.incidents.fold import AlertState, Folded, Incident, Row
from alerting_assets.lakehouse.arrow import as_rows, as_values
from alerting_assets.lakehouse.port import Lakehouse, TableVersion
from alerting_assets.lakehouse.tables import ALERT_INCIDENTS
from alerting_assets.sql_literal import text_literal

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


def stored_incidents(
    lakehouse: Lakehouse, alert_ids: Collection[str] | None
) -> defaultdict[str, list[Mapping[str, Any]]]:
    """Rows of alert_incidents by alert. alert_ids: of these alerts only; None: of all."""
    where = None if alert_ids is None else f"alert_id IN ({literals(alert_ids)})"
    rows = lakehouse.read(ALERT_INCIDENTS.name, where=where)
    found = defaultdict[str, list[Mapping[str, Any]]](list)
    for row in as_rows(rows):
        found[row["alert_id"]].append(row)
    return found


def rows_of_history(table: pa.Table, *more: str) -> Iterable[tuple[Any, ...]]:
    """(Row, value of each further column)."""
    columns = [as_values(table.column(name)) for name in (*Row._fields, *more)]
    width = len(Row._fields)
    for values in zip(*columns, strict=True):
        yield (Row(*values[:width]), *values[width:]) if more else (Row(*values), None)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Each evaluation once."""
    return sorted({row.evaluation_id: row for row in rows}.values(), key=order)


def order(row: Row) -> tuple[datetime, str]:
    return row.evaluated_at, row.evaluation_id


def has_people(row: Mapping[str, Any]) -> bool:
    return row["acknowledged_by"] is not None or row["label"] is not None


def literals(values: Iterable[str]) -> str:
    return ", ".join(text_literal(value) for value in sorted(values))

"""What models learn from, for all alerts in a few statements: evaluations, backfilled moments, and incidents that people labelled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.alerts import gated
from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.anomaly import METHOD, NotLearned, Series
from alerting_assets.anomaly.series import HOUR, Booleans, Floats, Integers
from alerting_assets.configuration import DeclaredEvent, events_in
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_BACKFILL, ALERT_HISTORY, ALERT_INCIDENTS
from alerting_assets.sql_literal import moment_literal, text_literal
from alerting_assets.suppression.modelled import ModelledAlert

LEARNED_DAYS = METHOD.weeks * 7 + 1
"""What a training looks back at, and the day in which it may begin."""

COUNTED = "evaluation_status <> 'ERROR' AND (evaluated_by = 'own' OR query_result_value IS NOT NULL)"
"""SQL of which evaluations say what was measured: of gated alerts, those that the workspace made say nothing."""
MET = gated.MET_THEN


@dataclass(frozen=True)
class Evaluations:
    """Evaluations of several alerts, ordered by alert and time, as columns of one length.

    alert: place of the alert in `alerts`. at: seconds since 1970. value: NaN where there is no number. met: whether the condition was.
    rest: further columns of the table that were asked for."""

    alerts: Sequence[ModelledAlert]
    alert: Integers
    at: Integers
    value: Floats
    met: Booleans
    rest: pa.Table

    def breach(self) -> Integers:
        """1 where a value over the threshold lies above, -1 where below, 0 where the condition was not met."""
        breach = np.zeros(len(self.at), dtype=np.int64)
        for part, number in self.parts():
            breach[part] = breach_of(self.alerts[number].condition, self.value[part], self.met[part])
        return breach

    def parts(self) -> Iterable[tuple[slice, int]]:
        """The rows of each alert that has any, and its place in `alerts`."""
        numbers, first, count = np.unique(self.alert, return_index=True, return_counts=True)
        for number, begin, rows in zip(numbers.tolist(), first.tolist(), count.tolist(), strict=True):
            yield slice(begin, begin + rows), number


def histories(
    lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], now: datetime, days: int = LEARNED_DAYS
) -> dict[str, Series]:
    """The history of every one of these alerts, by alert_id: a few statements, however many alerts there are.

    A backfilled moment counts in an hour without an evaluation, and only where it was computed from what the alert measures now.
    days: how far back. An alert without evaluations has an empty series."""
    since = now - timedelta(days=days)
    evaluated = read_evaluations(lakehouse, alerts, since, now)
    backfilled = _read_backfill(lakehouse, alerts, since, now)
    left_out = not_learned(lakehouse, alerts, events_in(lakehouse))
    own, other = dict(_numbered(evaluated)), dict(_numbered(backfilled))
    return {
        alert.alert_id: _series(alert, own.get(number), other.get(number), left_out.get(alert.alert_id, ()))
        for number, alert in enumerate(alerts)
    }


def read_evaluations(
    lakehouse: Lakehouse,
    alerts: Sequence[ModelledAlert],
    since: datetime,
    until: datetime,
    *,
    where: str = "TRUE",
    columns: Sequence[str] = (),
) -> Evaluations:
    """The evaluations in [since, until] that did not end in an error. where: a further condition, our own SQL over the table's columns.
    columns: to be read as well."""
    names = ["alert_id", "evaluated_at", "query_result_value", "threshold_met", "evaluation_status", *columns]
    among = f"{_within(alerts, since, until)} AND {COUNTED} AND ({where})"
    found = lakehouse.read(ALERT_HISTORY.name, names, where=among)
    met = pc.coalesce(found.column("threshold_met"), pc.equal(found.column("evaluation_status"), "TRIGGERED"))
    return _evaluations(alerts, found, met, columns)


def not_learned(
    lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], events: Iterable[DeclaredEvent]
) -> dict[str, tuple[NotLearned, ...]]:
    """What nothing is learned from, by alert_id: incidents that people labelled as true, and planned events."""
    found = _true_incidents(lakehouse, alerts)
    for event, declared_at in events:
        start, end, known = (int(one.timestamp()) for one in (event.starts_at, event.ends_at, declared_at))
        planned = NotLearned(start, end, known, is_planned=True)
        for alert in alerts:
            if end > start and event.matches(alert):
                found[alert.alert_id] = (*found.get(alert.alert_id, ()), planned)
    return found


def _true_incidents(lakehouse: Lakehouse, alerts: Sequence[ModelledAlert]) -> dict[str, tuple[NotLearned, ...]]:
    columns = ["alert_id", "opened_at", "resolved_at", "labelled_at"]
    found = defaultdict[str, list[NotLearned]](list)
    where = f"label = 'TRUE_POSITIVE' AND {of_alerts(alerts)}"
    for row in lakehouse.read(ALERT_INCIDENTS.name, columns, where=where).to_pylist():
        end = None if row["resolved_at"] is None else int(row["resolved_at"].timestamp())
        # Rows from before labels had a time: they are known from the beginning.
        labelled = int((row["labelled_at"] or row["opened_at"]).timestamp())
        found[row["alert_id"]].append(NotLearned(int(row["opened_at"].timestamp()), end, labelled))
    return {alert_id: tuple(sorted(incidents, key=lambda one: one.start)) for alert_id, incidents in found.items()}


def breach_of(condition: Condition, value: Floats, met: Booleans) -> Integers:
    """On which side of an alert its values lie where its condition was met: 1 above, -1 below; 0 elsewhere."""
    if condition.operator is Operator.NOT_BETWEEN:
        # The middle, not the bounds: those of that time may have been others.
        side = np.where(value < condition.low / 2 + condition.high / 2, -1, 1)
    elif condition.operator is Operator.CHANGES_BY:
        side = np.full(len(value), -1 if condition.direction == "DECREASE" else 1)
    else:
        side = np.full(len(value), 1 if condition.fires_above else -1)
    return np.where(met, side, 0)


def _read_backfill(
    lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], since: datetime, until: datetime
) -> Evaluations:
    names = ["alert_id", "evaluated_at", "query_result_value", "threshold_met", "config_hash"]
    found = lakehouse.read(ALERT_BACKFILL.name, names, where=_within(alerts, since, until))
    ids = pa.array([alert.alert_id for alert in alerts], pa.string())
    hashes = pa.array([alert.measured_hash for alert in alerts], pa.string())
    present = pc.take(hashes, pc.index_in(found.column("alert_id"), ids))
    found = found.filter(pc.equal(found.column("config_hash"), present))
    return _evaluations(alerts, found, pc.fill_null(found.column("threshold_met"), False), ())


def _evaluations(
    alerts: Sequence[ModelledAlert], found: pa.Table, met: pa.ChunkedArray, columns: Sequence[str]
) -> Evaluations:
    ids = pa.array([alert.alert_id for alert in alerts], pa.string())
    alert = pc.index_in(found.column("alert_id"), ids).to_numpy().astype(np.int64)
    at = found.column("evaluated_at").cast(pa.int64()).to_numpy() // 1_000_000
    value = found.column("query_result_value").to_numpy().astype(np.float64)
    order = np.lexsort((at, alert))
    rest = found.select(list(columns)).take(order)
    return Evaluations(alerts, alert[order], at[order], value[order], met.to_numpy()[order].astype(bool), rest)


def _series(
    alert: ModelledAlert,
    own: tuple[Integers, Floats, Booleans] | None,
    other: tuple[Integers, Floats, Booleans] | None,
    left_out: tuple[NotLearned, ...],
) -> Series:
    at, value, met = own or _NOTHING
    if other is not None:
        is_new = ~np.isin(other[0] // HOUR, at // HOUR)
        at, value, met = (np.concatenate([one, two[is_new]]) for one, two in zip((at, value, met), other, strict=True))
        order = np.argsort(at, kind="stable")
        at, value, met = at[order], value[order], met[order]
    return Series(at, value, breach_of(alert.condition, value, met), alert.sides, alert.zone, left_out)


_NOTHING: tuple[Integers, Floats, Booleans] = (
    np.array([], dtype=np.int64),
    np.array([], dtype=np.float64),
    np.array([], dtype=bool),
)


def _numbered(found: Evaluations) -> Iterable[tuple[int, tuple[Integers, Floats, Booleans]]]:
    for part, number in found.parts():
        yield number, (found.at[part], found.value[part], found.met[part])


def _within(alerts: Sequence[ModelledAlert], since: datetime, until: datetime) -> str:
    """SQL of which rows are of these alerts and of this time."""
    return (
        f"evaluated_at >= {moment_literal(since)} AND evaluated_at <= {moment_literal(until)} AND {of_alerts(alerts)}"
    )


def of_alerts(alerts: Sequence[ModelledAlert]) -> str:
    """SQL of which rows are of these alerts."""
    if not alerts:
        return "FALSE"
    return f"alert_id IN ({', '.join(text_literal(alert.alert_id) for alert in alerts)})"

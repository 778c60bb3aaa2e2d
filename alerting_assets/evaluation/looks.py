"""What gated alerts look up in their history, for all alerts of a run by one statement a kind.

The deployed query holds a subquery for each look (`gated.looks_sql`); what is found here is the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from alerting_assets.alerts import gated
from alerting_assets.alerts import hold as holds
from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.gated import Kind, Look, looks_of
from alerting_assets.lakehouse.tables import ALERT_HISTORY, EXPECTED_RANGES
from alerting_assets.sql_literal import qualified, text_literal, timestamp_literal

Query = Callable[[str], pa.Table]

_NOTHING: dict[Kind, dict[str, Any]] = {
    Kind.COUNTS: {gated.EARLIER: 0, gated.EARLIER_NOT_MET: 0},
    Kind.LAST: {gated.BEFORE: None},
    Kind.NEAREST: {gated.BASE: None},
}


def look_up(query: Query, alerts: Iterable[CompiledAlert], now: datetime) -> dict[str, dict[str, Any]]:
    """alert_id → the columns of `gated.history_looks` by name, none for an alert that looks up nothing.

    Raises what `query` raises."""
    asked = defaultdict[Kind, list[tuple[CompiledAlert, Look]]](list)
    found = defaultdict[str, dict[str, Any]](dict)
    for alert in alerts:
        found[alert.alert_id] = {}
        for look in looks_of(alert.condition):
            asked[look.kind].append((alert, look))
            found[alert.alert_id] |= _NOTHING[look.kind]
    for kind, pairs in asked.items():
        for row in query(_sql(kind, pairs, now)).to_pylist():
            alert, _ = pairs[row["n"]]
            if kind is Kind.COUNTS:
                found[alert.alert_id] |= {gated.EARLIER: row["earlier"], gated.EARLIER_NOT_MET: row["not_met"]}
            else:
                found[alert.alert_id][gated.BEFORE if kind is Kind.LAST else gated.BASE] = row["found"]
    return found


def look_up_ranges(query: Query, alerts: Iterable[CompiledAlert], now: datetime) -> dict[str, dict[str, Any]]:
    """alert_id → what is expected now, as the fields of `hold.RANGE`; all None where no row counts. Only alerts with a model have one.

    Raises what `query` raises."""
    asked = {alert.alert_id: alert for alert in alerts if alert.hold is not None}
    nothing = dict.fromkeys(holds.FIELDS)
    found = dict.fromkeys(asked, nothing)
    if not asked:
        return found
    target = next(iter(asked.values())).target
    table = qualified(target.catalog, target.schema, EXPECTED_RANGES.name)
    where = f"alert_id IN ({', '.join(map(text_literal, asked))})"
    moment = timestamp_literal(now)
    rows = query(
        f"SELECT alert_id, model_name, {holds.COUNTING} AS expected\n"
        f"FROM (SELECT alert_id, model_name, {holds.aggregates(moment)}\n"
        f"  {holds.rows(table, moment, where)}\n  GROUP BY alert_id, model_name) AS found"
    )
    for row in rows.to_pylist():
        hold = asked[row["alert_id"]].hold
        if hold is not None and hold.model_name == row["model_name"] and row["expected"] is not None:
            found[row["alert_id"]] = row["expected"]
    return found


def as_sql(looked_up: Mapping[str, Any]) -> dict[str, str]:
    """What was looked up as it stands in the alert's query in place of the subqueries."""
    types = {gated.EARLIER: "BIGINT", gated.EARLIER_NOT_MET: "BIGINT", gated.BEFORE: "STRING", gated.BASE: "DOUBLE"}
    return {
        name: holds.literal_range(value)
        if name == holds.RANGE
        else f"CAST({'NULL' if value is None else text_literal(str(value))} AS {types[name]})"
        for name, value in looked_up.items()
    }


def _sql(kind: Kind, pairs: Sequence[tuple[CompiledAlert, Look]], now: datetime) -> str:
    """One row for each pair that found something, with its number n."""
    values, oldest, newest = [], now, None
    for number, (alert, look) in enumerate(pairs):
        begin, end = now - timedelta(seconds=look.oldest), now - timedelta(seconds=look.newest)
        oldest, newest = min(oldest, begin), end if newest is None else max(newest, end)
        # Whole seconds, as the deployed query counts them.
        middle = int(now.timestamp()) - look.middle
        values.append(
            f"({number}, {text_literal(alert.alert_id)}, {timestamp_literal(begin)}, {timestamp_literal(end)}, {middle})"
        )
    assert newest is not None
    target = pairs[0][0].target
    history = qualified(target.catalog, target.schema, ALERT_HISTORY.name)
    listed = ",\n  ".join(values)
    rows = (
        f"FROM {history} AS history\nJOIN (VALUES\n  {listed}\n) AS asked (n, alert_id, begin_at, end_at, middle)\n"
        "  ON history.alert_id = asked.alert_id AND evaluated_at > begin_at AND evaluated_at <= end_at\n"
        f"WHERE evaluation_status <> 'ERROR' AND evaluated_at > {timestamp_literal(oldest)} AND evaluated_at <= {timestamp_literal(newest)}"
    )
    if kind is Kind.COUNTS:
        not_met = f"COUNT(CASE WHEN NOT {gated.MET_THEN} THEN 1 END)"
        return f"SELECT asked.n, COUNT(*) AS earlier, {not_met} AS not_met\n{rows}\nGROUP BY asked.n"
    column, order, counted = "evaluation_status", "evaluated_at DESC, evaluation_id", gated.KNOWS
    if kind is Kind.NEAREST:
        column, order = "query_result_value", "ABS(unix_seconds(evaluated_at) - middle), evaluated_at, evaluation_id"
        counted = gated.HAS_VALUE
    ranked = f"ROW_NUMBER() OVER (PARTITION BY asked.n ORDER BY {order})"
    found = f"SELECT asked.n, {column} AS found, {ranked} AS place\n{rows} AND {counted}"
    return f"SELECT n, found FROM (\n{found}\n) AS ranked WHERE place = 1"

"""`alert_history`: what each alert last was, and the rows of a run in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.operators import State
from alerting_assets.evaluation.decide import Decision
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.sql_literal import identifier, text_literal


def latest_decision(lakehouse: Lakehouse, alert_id: str) -> Decision | None:
    """Of its newest evaluation; None if it was never evaluated."""
    table = ".".join(identifier(name) for name in (*lakehouse.namespace, ALERT_HISTORY.name))
    rows = lakehouse.query(
        f"SELECT * FROM {table} WHERE alert_id = {text_literal(alert_id)} ORDER BY evaluated_at DESC, evaluation_id LIMIT 1"
    ).to_pylist()
    if not rows:
        return None
    (row,) = rows
    value = row["query_result_string"] if row["query_result_string"] is not None else row["query_result_value"]
    state = State(row["evaluation_status"])
    return Decision(state, value, row["row_count"] or 0, row["threshold_met"], row["error_message"], row["note"])


_SHOWN = (
    "evaluated_at",
    "alert_id",
    "evaluation_status",
    "query_result_value",
    "query_result_string",
    "row_count",
    "threshold_met",
    "query_duration_ms",
    "error_message",
    "note",
)


def newest_evaluations(lakehouse: Lakehouse, alert_id: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest first, of one alert or of all; by one query."""
    table = ".".join(identifier(name) for name in (*lakehouse.namespace, ALERT_HISTORY.name))
    where = "" if alert_id is None else f" WHERE alert_id = {text_literal(alert_id)}"
    sql = f"SELECT {', '.join(_SHOWN)} FROM {table}{where} ORDER BY evaluated_at DESC, evaluation_id LIMIT {limit}"
    rows: list[dict[str, Any]] = lakehouse.query(sql).to_pylist()
    return rows


def append_rows(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows to alert_history in one commit; columns that they leave out are NULL. No rows make no commit."""
    if rows:
        lakehouse.append(ALERT_HISTORY.name, pa.Table.from_pylist(list(rows), schema=arrow_schema(ALERT_HISTORY)))

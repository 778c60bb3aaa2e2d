"""The newest rows of `alert_history`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from alerting_assets.alerts.configuration import ALERT_ID
from alerting_assets.alerts.operators import State
from alerting_assets.evaluation.decide import Decision
from alerting_assets.lakehouse.arrow import as_rows
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.sql_literal import moment_literal, text_literal


def latest_decision(lakehouse: Lakehouse, alert_id: str, now: datetime) -> Decision | None:
    """Of its newest evaluation; None if it was never evaluated."""
    rows = newest_evaluations(lakehouse, alert_id, 1, now)
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


_WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=30))
"""How far back is looked first: the statistics of the files say which of them hold what is newer."""


def newest_evaluations(lakehouse: Lakehouse, alert_id: str | None, limit: int, now: datetime) -> list[dict[str, Any]]:
    """The newest first, of one alert or of all."""
    if alert_id is not None and not ALERT_ID.fullmatch(alert_id):
        return []
    of_alert = [] if alert_id is None else [f"alert_id = {text_literal(alert_id)}"]
    rows: list[dict[str, Any]] = []
    for window in (*_WINDOWS, None):
        since = [] if window is None else [f"evaluated_at > {moment_literal(now - window)}"]
        where = " AND ".join([*of_alert, *since]) or None
        rows = as_rows(
            lakehouse.read(
                ALERT_HISTORY.name, _SHOWN, where=where, order_by="evaluated_at DESC, evaluation_id", limit=limit
            )
        )
        if len(rows) == limit:
            break
    return rows

"""`alert_history`: what each alert last was, and the rows of a run in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY


@dataclass(frozen=True)
class Previous:
    """opened_at: the first TRIGGERED evaluation since the last OK; None when the alert is not firing. An ERROR neither opens nor ends."""

    status: str
    evaluated_at: datetime
    opened_at: datetime | None


def previous_evaluations(lakehouse: Lakehouse) -> dict[str, Previous]:
    """Of every alert that was ever evaluated, by alert_id; one query for all."""
    rows = lakehouse.query(previous_evaluations_sql(*lakehouse.namespace)).to_pylist()
    return {row["alert_id"]: Previous(row["status"], row["evaluated_at"], row["opened_at"]) for row in rows}


def previous_evaluations_sql(catalog: str, schema: str) -> str:
    table = f"`{catalog}`.`{schema}`.`{ALERT_HISTORY.name}`"
    return f"""
        SELECT history.alert_id,
               max_by(history.evaluation_status, history.evaluated_at) AS status,
               MAX(history.evaluated_at) AS evaluated_at,
               MIN(CASE WHEN history.evaluation_status IN ('TRIGGERED', 'SUPPRESSED')
                         AND (recovery.last_ok IS NULL OR history.evaluated_at > recovery.last_ok)
                        THEN history.evaluated_at END) AS opened_at
        FROM {table} AS history
        LEFT JOIN (
            SELECT alert_id, MAX(evaluated_at) AS last_ok FROM {table} WHERE evaluation_status = 'OK' GROUP BY alert_id
        ) AS recovery ON recovery.alert_id = history.alert_id
        GROUP BY history.alert_id
        """


def append_rows(lakehouse: Lakehouse, rows: Sequence[Mapping[str, Any]]) -> None:
    """One commit; columns left out are NULL."""
    if rows:
        lakehouse.append(ALERT_HISTORY.name, pa.Table.from_pylist(list(rows), schema=arrow_schema(ALERT_HISTORY)))

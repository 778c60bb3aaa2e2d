"""Alerts with a model, and rows of the tables that suppression reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.anomaly import Decisions, Model, Series, Side, train, walk_forward
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.suppression.modelled import ModelledAlert, sides_of
from alerting_assets_tests.anomaly.histories import hourly, waves

MODEL = "health_monitor.gold.alert_anomaly_detector@serving"
NOW = datetime(2026, 3, 30, 9, 55, tzinfo=UTC)
"""A Monday."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THRESHOLD = 100.0
ABOVE = Condition(Operator.GREATER_THAN, frozenset(), threshold=THRESHOLD)


def modelled(alert_id: str = "COST-001", condition: Condition = ABOVE, **changes: Any) -> ModelledAlert:
    fields: dict[str, Any] = {
        "model_name": MODEL,
        "measured_hash": "m",
        "sides": sides_of(condition),
        "zone": UTC,
        "ml_threshold": 0.0,
        "is_live": True,
        "hold_hours": 23,
        "budget": 0.9,
    }
    return ModelledAlert(alert_id, condition=condition, **{**fields, **changes})


def evaluation(at: datetime, value: float | None, alert_id: str = "COST-001", **changes: Any) -> dict[str, Any]:
    """A row of alert_history."""
    met = value is not None and value > THRESHOLD
    return {
        "evaluation_id": f"{alert_id} {at.isoformat()}",
        "alert_id": alert_id,
        "evaluated_at": at,
        "evaluated_by": "own",
        "evaluation_status": "TRIGGERED" if met else "OK",
        "query_result_value": value,
        "threshold_met": met,
        "ml_suppressed": False,
        "config_hash": "c",
        **changes,
    }


def append_history(lakehouse: Lakehouse, rows: Iterable[dict[str, Any]]) -> None:
    lakehouse.append(ALERT_HISTORY.name, pa.Table.from_pylist(list(rows), schema=arrow_schema(ALERT_HISTORY)))


@dataclass(frozen=True)
class Served:
    """What is learned about alerts that measure this."""

    models: dict[str, Model] = field(default_factory=dict)
    version: str = "1"
    trained_at: datetime = NOW - timedelta(hours=10)
    measured: str = "m"

    def model_of(self, alert_id: str, measured_hash: str) -> Model | None:
        return self.models.get(alert_id) if measured_hash == self.measured else None


def history_of(series: Series, decisions: Decisions, alert_id: str = "COST-001") -> list[dict[str, Any]]:
    """Rows of alert_history: a series with what was decided about it."""
    rows = []
    columns = (series.at, series.value, series.met, decisions.suppressed)
    for at, value, met, held in zip(*(column.tolist() for column in columns), strict=True):
        reason = decisions.held_by[len(rows)]
        rows.append(
            evaluation(
                datetime.fromtimestamp(at, UTC),
                None if value != value else value,
                alert_id,
                threshold_met=met,
                evaluation_status="SUPPRESSED" if held else "TRIGGERED" if met else "OK",
                ml_suppressed=held,
                ml_reason=reason.value if reason is not None else "OUTSIDE" if met else None,
            )
        )
    return rows


def a_world(lakehouse: Lakehouse) -> Served:
    """The history of an alert whose highest values exceed its threshold, until NOW, and what is learned of it."""
    hours = 24 * 40
    at = hourly(hours, int(NOW.timestamp()) // 3600 * 3600 - (hours - 1) * 3600)
    value = waves(40)
    series = Series(at, value, np.where(value > 118, 1, 0), (Side.ABOVE,))
    append_history(lakehouse, history_of(series, walk_forward(series)))
    return Served({"COST-001": train(series, int(at[-1]) // 3600 // 24 * 24)})

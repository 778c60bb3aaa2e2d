"""One evaluation run: every alert's query once, all outcomes in one commit."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.operators import State
from alerting_assets.alerts.thresholds import number_text
from alerting_assets.errors import AlertingError, LakehouseUnavailable
from alerting_assets.evaluation.decide import Decision, decide, failed
from alerting_assets.evaluation.history import Previous, append_rows, previous_evaluations
from alerting_assets.lakehouse.port import Lakehouse

QUERIES_AT_A_TIME = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of one alert. resolution_time_seconds: from the first TRIGGERED to this OK; None on every other evaluation."""

    alert: CompiledAlert
    decision: Decision
    evaluated_at: datetime
    previous_status: str | None
    resolution_time_seconds: float | None
    query_duration_ms: float

    @property
    def value_text(self) -> str | None:
        """The measured value as people read it; None for NULL, and where there is no value."""
        decision = self.decision
        return decision.text if decision.text is not None or decision.number is None else number_text(decision.number)

    @property
    def condition_text(self) -> str:
        """The condition in words, as in `cost is greater than 100`."""
        return f"{self.alert.value_column} {self.alert.condition.words}"

    def row(self) -> dict[str, Any]:
        return {
            "evaluation_id": str(uuid.uuid4()),
            "alert_id": self.alert.alert_id,
            "evaluated_at": self.evaluated_at,
            "evaluated_by": "own",
            "evaluation_status": self.decision.state.value,
            "previous_status": self.previous_status,
            "query_result_value": self.decision.number,
            "query_result_string": self.decision.text,
            "row_count": self.decision.row_count,
            "threshold_met": self.decision.threshold_met,
            "ml_suppressed": False,
            "resolution_time_seconds": self.resolution_time_seconds,
            "query_duration_ms": self.query_duration_ms,
            "error_message": self.decision.error,
            "note": self.decision.note,
            "config_hash": self.alert.config_hash,
        }


def evaluate_alerts(
    lakehouse: Lakehouse,
    alerts: Sequence[CompiledAlert],
    now: datetime,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Evaluation]:
    """Evaluate alerts and record all of it in one commit; evaluations are returned and recorded in the order of `alerts`.

    on_progress: called with (alerts done, alerts in all).

    Raises LakehouseUnavailable, with nothing recorded, when the engine is away for all of them."""
    if not alerts:
        return []
    previous = previous_evaluations(lakehouse)
    done = 0
    away: list[LakehouseUnavailable] = []

    def one(alert: CompiledAlert) -> Evaluation:
        nonlocal done
        started = time.perf_counter()
        # The isolation boundary: whatever one alert's query does, the others are evaluated.
        try:
            decision = decide(alert, lakehouse.query(alert.sql))
        except AlertingError as error:
            away.extend([error] if isinstance(error, LakehouseUnavailable) else [])
            decision = failed(str(error))
        except Exception as error:  # noqa: BLE001
            _log.exception("alert %s", alert.alert_id)
            decision = failed(f"{type(error).__name__}: {error}")
        duration_ms = (time.perf_counter() - started) * 1000
        done += 1
        on_progress(done, len(alerts))
        return _evaluation(alert, decision, now, previous.get(alert.alert_id), duration_ms)

    with ThreadPoolExecutor(QUERIES_AT_A_TIME, thread_name_prefix="evaluate") as pool:
        evaluations = list(pool.map(one, alerts))
    if len(away) == len(alerts):
        raise away[0]
    append_rows(lakehouse, [evaluation.row() for evaluation in evaluations])
    return evaluations


def _evaluation(
    alert: CompiledAlert, decision: Decision, now: datetime, previous: Previous | None, duration_ms: float
) -> Evaluation:
    opened_at = previous.opened_at if previous and decision.state is State.OK else None
    resolution = (now - opened_at).total_seconds() if opened_at else None
    return Evaluation(alert, decision, now, previous.status if previous else None, resolution, duration_ms)

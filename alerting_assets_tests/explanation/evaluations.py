"""Evaluations that tests explain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alerting_assets.explanation.facts import Evaluated

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def evaluated(hour: float, value: float | None, status: str, met: bool | None = None, **more: Any) -> Evaluated:
    """One evaluation, so many hours after START; unless it is said, the condition is met where it fires."""
    columns = dict.fromkeys(Evaluated.__dataclass_fields__)
    given = {
        "evaluated_at": START + timedelta(hours=hour),
        "evaluated_by": "own",
        "evaluation_status": status,
        "query_result_value": value,
        "row_count": 1,
        "threshold_met": (status == "TRIGGERED" if met is None else met) if status != "ERROR" else None,
        "config_hash": "",
    }
    return Evaluated(**{**columns, **given, **more})

"""Evaluations that are in the table without a query having run, which saves the start of an engine."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from alerting_assets.configuration import load_definitions, read_rows, target_of, to_alerts
from alerting_assets.evaluation.run import record as record_rows
from alerting_assets.incidents.store import catch_up
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets_tests.cli.home import Home

REOPEN = timedelta(minutes=10)


def ago(hours: float) -> datetime:
    """A moment before this one."""
    return datetime.now(UTC) - timedelta(hours=hours)


def record(home: Home, alert_id: str, evaluations: Iterable[tuple[float, float | None, str]], **more: Any) -> None:
    """Load the definitions, and record (hours ago, value, status) of an alert, by the configuration that it has now. more: further
    columns of each."""
    with home.tables() as tables:
        create_tables(tables)
        load_definitions(tables, home.path / "alerts", datetime.now(UTC))
        alerts = {one.alert_id: one.compiled for one in to_alerts(read_rows(tables), target_of(home.settings))}
        compiled = alerts[alert_id]
        assert compiled is not None
        rows = [
            {
                "evaluation_id": str(uuid.uuid4()),
                "alert_id": alert_id,
                "evaluated_at": ago(hours),
                "evaluated_by": "own",
                "evaluation_status": status,
                "query_result_value": value,
                "row_count": 1,
                "threshold_met": None if status == "ERROR" else status == "TRIGGERED",
                "ml_suppressed": False,
                "config_hash": compiled.config_hash,
                **more,
            }
            for hours, value, status in evaluations
        ]
        record_rows(tables, rows)
        catch_up(tables, REOPEN)

"""Measured syncs that tests start from; each changes what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alerting_assets.deployment.metrics import SyncMetrics, measure

START = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def measured(**changes: Any) -> SyncMetrics:
    """A sync of no alerts that took two seconds and sent nothing, with changes."""
    values: dict[str, Any] = {
        "run_id": "run-1",
        "environment": "test",
        "started_by": "command",
        "started_at": START,
        "ended_at": START + timedelta(seconds=2),
        "outcomes": [],
        "requests": [],
        "retries": 0,
    }
    return measure(**{**values, **changes})

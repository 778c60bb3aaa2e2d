"""What one sync did and cost, as a row of `alert_sync_metrics`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.deployment.actions import HELD_BACK, Action, Outcome, Status
from alerting_assets.errors import ChangesUnavailable
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_SYNC_METRICS
from alerting_assets.workspace.port import Request

OTHER_COMMITS = 5
"""How many of the newest commits may hold no sync: a new column, an OPTIMIZE."""


@dataclass(frozen=True)
class SyncMetrics:
    """A row of alert_sync_metrics. The comments of the columns say what the fields mean; latencies are None when no request was
    sent."""

    sync_run_id: str
    sync_started_at: datetime
    sync_ended_at: datetime
    total_alerts: int
    success_count: int
    error_count: int
    created_count: int
    updated_count: int
    deleted_count: int
    avg_api_latency_ms: float | None
    max_api_latency_ms: float | None
    total_duration_seconds: float
    unchanged_count: int
    invalid_count: int
    p95_api_latency_ms: float | None
    api_calls: int
    retries: int
    dry_run: bool
    environment: str
    started_by: str
    syncs_avoided: int
    error_message: str | None

    @property
    def success_rate(self) -> float | None:
        """The share of alerts that succeeded, 0 to 1; None where there were no alerts."""
        return self.success_count / self.total_alerts if self.total_alerts else None

    @property
    def avoided_write_share(self) -> float | None:
        """The share of alerts that needed no write, 0 to 1; None where there were no alerts."""
        return self.unchanged_count / self.total_alerts if self.total_alerts else None

    @property
    def avoided_sync_share(self) -> float:
        """The share of looks at the change feed, this sync's own included, that started no sync: 0 to below 1."""
        return self.syncs_avoided / (self.syncs_avoided + 1)


def measure(
    *,
    run_id: str,
    environment: str,
    started_by: str,
    started_at: datetime,
    ended_at: datetime,
    outcomes: Sequence[Outcome],
    settled: Sequence[str | None] = (),
    requests: Sequence[Request],
    retries: int,
    dry_run: bool = False,
    syncs_avoided: int = 0,
    error: str | None = None,
) -> SyncMetrics:
    """The row of one sync; a pure function.

    settled: the last_sync_status of each alert that the sync was not about, and so has no outcome. What it was then, it still is.
    requests: the requests of this sync.
    error: why it failed as a whole; what was done until then still counts."""
    counts = Counter(outcome.status for outcome in outcomes)
    kept = sum(outcome.planned.action is Action.KEPT for outcome in outcomes)
    before = Counter(_as_settled(status) for status in settled)
    unchanged = counts[Status.UNCHANGED] - kept + before[Status.UNCHANGED]
    latencies = sorted(request.latency_ms for request in requests)
    return SyncMetrics(
        sync_run_id=run_id,
        sync_started_at=started_at,
        sync_ended_at=ended_at,
        total_alerts=len(outcomes) + len(settled),
        success_count=counts[Status.CREATED] + counts[Status.UPDATED] + counts[Status.DELETED] + unchanged,
        error_count=counts[Status.ERROR] + before[Status.ERROR],
        created_count=counts[Status.CREATED],
        updated_count=counts[Status.UPDATED],
        deleted_count=counts[Status.DELETED],
        avg_api_latency_ms=math.fsum(latencies) / len(latencies) if latencies else None,
        max_api_latency_ms=latencies[-1] if latencies else None,
        total_duration_seconds=max(0.0, (ended_at - started_at).total_seconds()),
        unchanged_count=unchanged,
        invalid_count=sum(counts[status] for status in HELD_BACK) + kept + before[Status.INVALID],
        p95_api_latency_ms=_percentile(latencies, 95),
        api_calls=len(latencies),
        retries=retries,
        dry_run=dry_run,
        environment=environment,
        started_by=started_by,
        syncs_avoided=syncs_avoided,
        error_message=error,
    )


def _as_settled(status: str | None) -> Status:
    """Whether an alert that was left aside is true in the workspace, failed, or is held back."""
    if status == Status.ERROR:
        return Status.ERROR
    return Status.INVALID if status is None or status in HELD_BACK else Status.UNCHANGED


def store_metrics(lakehouse: Lakehouse, metrics: SyncMetrics) -> None:
    """Append the row, in one commit."""
    rows = pa.Table.from_pylist([asdict(metrics)], schema=arrow_schema(ALERT_SYNC_METRICS))
    lakehouse.append(ALERT_SYNC_METRICS.name, rows)


def recent_metrics(lakehouse: Lakehouse, limit: int) -> list[SyncMetrics]:
    """The newest syncs, the newest first. It sends no query, so that the embedded engine does not start its SQL engine for it."""
    rows = _newest_rows(lakehouse, limit)
    newest = rows.sort_by([("sync_started_at", "descending"), ("sync_run_id", "descending")]).slice(0, limit)
    return [SyncMetrics(**row) for row in newest.to_pylist()]


def _newest_rows(lakehouse: Lakehouse, limit: int) -> pa.Table:
    """The rows of the newest commits. A sync is a commit, so they hold the newest syncs; reading the whole table, which has a file
    for each sync, takes seconds."""
    names = ALERT_SYNC_METRICS.column_names
    since = lakehouse.version(ALERT_SYNC_METRICS.name).version - limit - OTHER_COMMITS
    if since > 0:
        with suppress(ChangesUnavailable):
            rows = lakehouse.changes(ALERT_SYNC_METRICS.name, since).rows
            added = rows.filter(pc.equal(rows.column("_change_type"), "insert")).select(names)
            if added.num_rows >= limit:
                return added
    return lakehouse.read(ALERT_SYNC_METRICS.name, names)


def _percentile(ascending: Sequence[float], percent: int) -> float | None:
    """A percentile by nearest rank: the smallest value that at least so many percent of all do not exceed; None of nothing."""
    return ascending[math.ceil(len(ascending) * percent / 100) - 1] if ascending else None

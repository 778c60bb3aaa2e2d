"""Stage 3, measured: what syncs did and cost, over time."""

from collections.abc import Mapping

import dagster as dg

from alerting_assets.analytics import SYNC_PERFORMANCE, create_metric_view
from alerting_assets.assets.configurations import GROUP, OWNERS
from alerting_assets.assets.deployment import DEPLOYMENT_REPORT
from alerting_assets.assets.tables import Cell, table
from alerting_assets.deployment.metrics import SyncMetrics, recent_metrics
from alerting_assets.lakehouse.tables import ALERT_SYNC_METRICS
from alerting_assets.resource import AlertingResource

SHOWN_SYNCS = 20


@dg.asset(
    name=ALERT_SYNC_METRICS.name,
    deps=[DEPLOYMENT_REPORT],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"deltalake", "sql"},
    description=(
        "One row for every sync, written by the sync itself, whoever started it. This stage keeps the view "
        f"`{SYNC_PERFORMANCE}` over it and plots the newest sync."
    ),
)
def alert_sync_metrics(alerting: AlertingResource) -> dg.MaterializeResult[None]:
    lakehouse = alerting.get_lakehouse()
    create_metric_view(lakehouse, SYNC_PERFORMANCE)
    syncs = recent_metrics(lakehouse, SHOWN_SYNCS)
    newest = next((sync for sync in syncs if not sync.dry_run), None)
    return dg.MaterializeResult(
        metadata={
            **(_plotted(newest) if newest else {"syncs": "no sync yet"}),
            "last_syncs": table([_shown(sync) for sync in syncs]),
            "view": ".".join([*lakehouse.namespace, SYNC_PERFORMANCE]),
            "dagster/table_name": ".".join([*lakehouse.namespace, ALERT_SYNC_METRICS.name]),
        }
    )


def _plotted(sync: SyncMetrics) -> Mapping[str, float | int | str]:
    """The figures of a sync for plots. What has no value is left out, so that a plot has a gap there and not a zero."""
    numbers: dict[str, float | int | None] = {
        "duration_seconds": sync.total_duration_seconds,
        "avg_api_latency_ms": sync.avg_api_latency_ms,
        "p95_api_latency_ms": sync.p95_api_latency_ms,
        "max_api_latency_ms": sync.max_api_latency_ms,
        "api_calls": sync.api_calls,
        "retries": sync.retries,
        "success_rate": sync.success_rate,
        "avoided_write_share": sync.avoided_write_share,
        "avoided_sync_share": sync.avoided_sync_share,
    }
    return {"sync_run_id": sync.sync_run_id, **{name: value for name, value in numbers.items() if value is not None}}


def _shown(sync: SyncMetrics) -> Mapping[str, Cell]:
    return {
        "started (UTC)": f"{sync.sync_started_at:%Y-%m-%d %H:%M:%S}",
        "started by": sync.started_by,
        "dry run": sync.dry_run,
        "alerts": sync.total_alerts,
        "created": sync.created_count,
        "updated": sync.updated_count,
        "deleted": sync.deleted_count,
        "unchanged": sync.unchanged_count,
        "held back": sync.invalid_count,
        "failed": sync.error_count,
        "requests": sync.api_calls,
        "retries": sync.retries,
        "p95 ms": _rounded(sync.p95_api_latency_ms),
        "seconds": round(sync.total_duration_seconds, 2),
        "error": sync.error_message,
    }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)

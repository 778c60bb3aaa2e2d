"""`alerting metrics`: what the newest syncs did, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from alerting_assets.cli.context import Json, console, existing_lakehouse, print_json, print_table, settings
from alerting_assets.deployment.metrics import SyncMetrics, recent_metrics

COLUMNS = (
    *("started (UTC)", "by", "created", "updated", "deleted", "unchanged", "held back", "failed"),
    *("requests", "avg ms", "p95 ms", "max ms", "seconds", "error"),
)


NARROW = {
    "started (UTC)": "started (UTC)",
    "created": "new",
    "updated": "changed",
    "deleted": "deleted",
    "held back": "held",
    "failed": "failed",
    "seconds": "s",
}
"""The columns that stay in a narrow terminal, with shorter titles."""
WIDE = 150
"""Columns of the terminal that all of COLUMNS take."""


def metrics(
    last: Annotated[int, typer.Option(metavar="N", min=1, help="How many syncs, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """The newest syncs: what they did, their requests and latencies, and why one failed."""
    with existing_lakehouse(settings()) as tables:
        syncs = recent_metrics(tables, last)
    if as_json:
        print_json({"syncs": [_json(sync) for sync in syncs]})
    elif syncs:
        _print(syncs)
    else:
        console.print("No sync yet. `alerting apply` makes the first.")


def _print(syncs: Sequence[SyncMetrics]) -> None:
    title, rows = f"The last {len(syncs)} syncs", [_row(sync) for sync in syncs]
    if console.width >= WIDE:
        print_table(title, COLUMNS, rows)
        return
    kept = [COLUMNS.index(name) for name in NARROW]
    print_table(title, [*NARROW.values()], [[row[index] for index in kept] for row in rows])
    for sync in syncs:
        if sync.error_message:
            console.print(
                f"{sync.sync_started_at:%Y-%m-%d %H:%M:%S}: {sync.error_message}", markup=False, soft_wrap=True
            )


def _row(sync: SyncMetrics) -> tuple[Any, ...]:
    return (
        f"{sync.sync_started_at:%Y-%m-%d %H:%M:%S}",
        f"{sync.started_by} (dry run)" if sync.dry_run else sync.started_by,
        sync.created_count,
        sync.updated_count,
        sync.deleted_count,
        sync.unchanged_count,
        sync.invalid_count,
        sync.error_count,
        f"{sync.api_calls} ({sync.retries} again)" if sync.retries else sync.api_calls,
        _milliseconds(sync.avg_api_latency_ms),
        _milliseconds(sync.p95_api_latency_ms),
        _milliseconds(sync.max_api_latency_ms),
        f"{sync.total_duration_seconds:.2f}",
        sync.error_message,
    )


def _json(sync: SyncMetrics) -> dict[str, Any]:
    return {
        **asdict(sync),
        "success_rate": sync.success_rate,
        "avoided_write_share": sync.avoided_write_share,
        "avoided_sync_share": sync.avoided_sync_share,
    }


def _milliseconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"

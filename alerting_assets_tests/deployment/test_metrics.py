"""What a sync is measured by: counts, latencies, shares; one row each in the table."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from alerting_assets.deployment import Outcome, Reason, Status
from alerting_assets.deployment.actions import Held, Kept
from alerting_assets.deployment.metrics import SyncMetrics, recent_metrics, store_metrics
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import ALERT_SYNC_METRICS
from alerting_assets.workspace.port import Request
from alerting_assets_tests.deployment.syncs import START, measured
from alerting_assets_tests.examples import compiled


def outcomes(**counts: int) -> list[Outcome]:
    """CREATED=2: two alerts with this status."""
    planned = Held("A", Reason.QUARANTINED, "")
    return [Outcome(planned, Status(status)) for status, number in counts.items() for _ in range(number)]


def requests(*latencies: float) -> list[Request]:
    return [Request("GET", "/api/2.0/alerts", 200, latency) for latency in latencies]


@pytest.mark.unit
def test_every_status_is_counted_and_held_back_alerts_are_neither_success_nor_error() -> None:
    sync = measured(
        outcomes=outcomes(CREATED=5, UPDATED=4, DELETED=3, UNCHANGED=2, INVALID=1, NOT_VALIDATED=2, ERROR=6)
    )
    assert (sync.created_count, sync.updated_count, sync.deleted_count, sync.unchanged_count) == (5, 4, 3, 2)
    assert (sync.invalid_count, sync.error_count) == (3, 6)
    assert (sync.total_alerts, sync.success_count, sync.success_rate) == (23, 14, 14 / 23)


@pytest.mark.unit
def test_alerts_that_were_left_aside_count_as_what_they_are() -> None:
    before = ["CREATED", "UPDATED", "UNCHANGED", "DELETED", "INVALID", "NOT_VALIDATED", None, "ERROR"]
    sync = measured(outcomes=outcomes(UPDATED=1), settled=before)
    assert (sync.total_alerts, sync.success_count, sync.unchanged_count) == (9, 5, 4)
    assert (sync.invalid_count, sync.error_count) == (3, 1)


@pytest.mark.unit
def test_what_is_left_as_changed_by_hand_is_no_success() -> None:
    (kept,) = outcomes(UNCHANGED=1)
    kept = replace(kept, planned=Kept("A", Reason.DRIFTED, "left so", compiled=compiled()))
    sync = measured(outcomes=[kept])
    assert (sync.success_count, sync.unchanged_count, sync.invalid_count) == (0, 0, 1)


@pytest.mark.unit
def test_alerts_that_are_settled_without_a_look_are_unchanged() -> None:
    sync = measured(outcomes=outcomes(UPDATED=1, UNCHANGED=2), settled=["CREATED"] * 97)
    assert (sync.total_alerts, sync.unchanged_count, sync.success_count) == (100, 99, 100)
    assert (sync.success_rate, sync.avoided_write_share) == (1.0, 0.99)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("latencies", "average", "p95", "slowest"),
    [
        ([7.0], 7.0, 7.0, 7.0),
        ([float(number) for number in range(100, 0, -1)], 50.5, 95.0, 100.0),
        ([float(number) for number in range(1, 21)], 10.5, 19.0, 20.0),
        ([float(number) for number in range(1, 22)], 11.0, 20.0, 21.0),
        ([1.0] * 95 + [900.0] * 5, 45.95, 1.0, 900.0),
        ([1.0] * 94 + [900.0] * 6, 54.94, 900.0, 900.0),
    ],
)
def test_latencies_are_those_of_single_requests(
    latencies: list[float], average: float, p95: float, slowest: float
) -> None:
    sync = measured(requests=requests(*latencies))
    assert sync.avg_api_latency_ms == pytest.approx(average)
    assert (sync.p95_api_latency_ms, sync.max_api_latency_ms, sync.api_calls) == (p95, slowest, len(latencies))


@pytest.mark.unit
def test_no_request_has_no_latency_rather_than_none_at_all() -> None:
    sync = measured(requests=[])
    assert (sync.avg_api_latency_ms, sync.p95_api_latency_ms, sync.max_api_latency_ms, sync.api_calls) == (
        None,
        None,
        None,
        0,
    )


@pytest.mark.unit
def test_a_request_without_an_answer_counts_with_the_time_that_it_took() -> None:
    sync = measured(requests=[Request("POST", "/api/2.0/alerts", None, 30_000.0), *requests(10.0)], retries=1)
    assert (sync.max_api_latency_ms, sync.api_calls, sync.retries) == (30_000.0, 2, 1)


@pytest.mark.unit
def test_no_alerts_have_no_shares() -> None:
    sync = measured(outcomes=[])
    assert (sync.success_rate, sync.avoided_write_share, sync.total_alerts) == (None, None, 0)


@pytest.mark.unit
def test_a_failed_sync_keeps_what_was_done_until_then_and_says_why_it_failed() -> None:
    sync = measured(outcomes=outcomes(CREATED=1), error="the token is refused")
    assert (sync.created_count, sync.error_message) == (1, "the token is refused")


@pytest.mark.unit
@pytest.mark.parametrize(("avoided", "share"), [(0, 0.0), (1, 0.5), (99, 0.99)])
def test_avoided_syncs_are_a_share_of_all_looks_at_the_feed(avoided: int, share: float) -> None:
    assert measured(syncs_avoided=avoided).avoided_sync_share == share


@pytest.mark.unit
def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    assert measured(ended_at=START - timedelta(seconds=5)).total_duration_seconds == 0.0


@pytest.mark.unit
def test_the_row_is_the_tables() -> None:
    assert tuple(field.name for field in fields(SyncMetrics)) == ALERT_SYNC_METRICS.column_names


@pytest.mark.integration
def test_a_stored_sync_comes_back_as_it_was_in_one_commit_and_without_the_sql_engine(
    lakehouse: EmbeddedLakehouse,
) -> None:
    full = measured(
        outcomes=outcomes(CREATED=1, ERROR=1), requests=requests(1.25), dry_run=True, error="it's 'over'; DROP TABLE x"
    )
    bare = replace(measured(), sync_run_id="bare", sync_started_at=START + timedelta(microseconds=1))
    before = lakehouse.version(ALERT_SYNC_METRICS.name).version
    store_metrics(lakehouse, full)
    store_metrics(lakehouse, bare)
    assert lakehouse.version(ALERT_SYNC_METRICS.name).version == before + 2
    assert recent_metrics(lakehouse, 10) == [bare, full]
    assert lakehouse.engine_process_id is None


@pytest.mark.integration
def test_the_newest_syncs_come_first_and_no_more_than_asked_for(lakehouse: EmbeddedLakehouse) -> None:
    for day in (2, 3, 1):
        started: dict[str, Any] = {"started_at": datetime(2026, 1, day, tzinfo=UTC)}
        store_metrics(lakehouse, measured(run_id=str(day), ended_at=datetime(2026, 1, day, tzinfo=UTC), **started))
    assert [sync.sync_run_id for sync in recent_metrics(lakehouse, 2)] == ["3", "2"]
    assert [sync.sync_run_id for sync in recent_metrics(lakehouse, 20)] == ["3", "2", "1"]


@pytest.mark.integration
@pytest.mark.parametrize("has_feed", [True, False])
def test_of_many_syncs_the_newest_are_found_with_and_without_the_change_feed(
    lakehouse: EmbeddedLakehouse, tmp_path: Path, has_feed: bool
) -> None:
    for number in range(12):
        started = START + timedelta(minutes=number)
        store_metrics(lakehouse, measured(run_id=str(number), started_at=started, ended_at=started))
    if not has_feed:
        table = DeltaTable(tmp_path / "lakehouse" / "health_monitor" / "gold" / ALERT_SYNC_METRICS.name)
        table.alter.set_table_properties({"delta.enableChangeDataFeed": "false"})
    assert [sync.sync_run_id for sync in recent_metrics(lakehouse, 3)] == ["11", "10", "9"]


@pytest.mark.integration
def test_no_sync_yet_is_an_empty_list(lakehouse: EmbeddedLakehouse) -> None:
    assert recent_metrics(lakehouse, 20) == []

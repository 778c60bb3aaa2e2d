"""What there is to do, told by the tables alone: feeds that end, tables that come back, write-backs, failures that wait."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from alerting_assets.configuration import delete_alert, read_rows
from alerting_assets.configuration.rows import as_table
from alerting_assets.deployment import Work, find_work
from alerting_assets.deployment.lease import Position, held_lease
from alerting_assets.deployment.work import pause_after
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, SYNC_LEASES, create_tables
from alerting_assets_tests.examples import configuration

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TABLE = ALERT_CONFIGURATIONS.name


def configure(lakehouse: EmbeddedLakehouse, *alert_ids: str, **changes: Any) -> None:
    alerts = [configuration(**{"alert_id": name, "alert_name": name, **changes}) for name in alert_ids]
    lakehouse.merge(TABLE, as_table(alerts, NOW), on=["alert_id"])


def write_back(lakehouse: EmbeddedLakehouse, alert_id: str, **values: Any) -> None:
    """As a sync does."""
    whole = arrow_schema(ALERT_CONFIGURATIONS)
    schema = pa.schema([whole.field(name) for name in ("alert_id", *values)])
    rows = pa.Table.from_pylist([{"alert_id": alert_id, **values}], schema=schema)
    lakehouse.merge(TABLE, rows, on=["alert_id"], insert=False)


def synced(lakehouse: EmbeddedLakehouse, host: str = "local") -> None:
    """A complete sync ends here."""
    for row in read_rows(lakehouse):
        if row["last_sync_status"] is None:
            write_back(lakehouse, row["alert_id"], last_sync_status="CREATED")
    with held_lease(lakehouse, "test", lambda: datetime.now(UTC)) as lease:
        version = lakehouse.version(TABLE)
        lease.remember(Position(host, version, lakehouse.commit(TABLE, version.version)))


def work(lakehouse: EmbeddedLakehouse, now: datetime = NOW) -> Work:
    return find_work(lakehouse, "test", "local", now)


def ids(found: Work) -> set[str] | None:
    return None if found.alert_ids is None else set(found.alert_ids)


def folder(tmp_path: Path) -> Path:
    return tmp_path / "lakehouse" / "health_monitor" / "gold" / TABLE


def test_before_the_first_sync_it_is_everybody(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A")
    assert ids(work(lakehouse)) is None


def test_what_people_change_is_to_be_done_and_nothing_else(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A", "B", "C", "D")
    synced(lakehouse)
    assert work(lakehouse).is_nothing
    configure(lakehouse, "B", severity="CRITICAL")
    configure(lakehouse, "C", is_enabled=False)
    configure(lakehouse, "E")
    delete_alert(lakehouse, "D")
    found = work(lakehouse)
    assert ids(found) == {"B", "C", "D", "E"}
    assert found.up_to == lakehouse.version(TABLE)
    synced(lakehouse)
    assert work(lakehouse).is_nothing


def test_what_a_sync_writes_back_is_no_work(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A", "B", tags={"team": "x", "area": "y"})
    synced(lakehouse)
    version = lakehouse.version(TABLE).version
    write_back(
        lakehouse, "A", databricks_alert_id="r1", applied_hash="h", last_synced_at=NOW, last_sync_status="CREATED"
    )
    assert work(lakehouse).is_nothing
    assert lakehouse.version(TABLE).version == version + 1


def test_rows_written_again_as_they_were_are_no_work(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A", tags={"team": "x", "area": "y"})
    synced(lakehouse)
    later = as_table(
        [configuration(alert_id="A", alert_name="A", tags={"area": "y", "team": "x"})], NOW + timedelta(days=1)
    )
    lakehouse.merge(TABLE, later, on=["alert_id"])
    assert work(lakehouse).is_nothing


def test_a_change_that_was_taken_back_before_anybody_looked_is_looked_at_once(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A")
    synced(lakehouse)
    configure(lakehouse, "A", severity="CRITICAL")
    configure(lakehouse, "A")
    assert ids(work(lakehouse)) == {"A"}
    synced(lakehouse)
    assert work(lakehouse).is_nothing


def test_an_older_version_that_was_restored_is_to_be_deployed(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> None:
    configure(lakehouse, "A", "B")
    before = lakehouse.version(TABLE).version
    configure(lakehouse, "A", severity="CRITICAL")
    configure(lakehouse, "C")
    synced(lakehouse)
    DeltaTable(folder(tmp_path)).restore(before)
    assert {row["alert_id"] for row in read_rows(lakehouse)} == {"A", "B"}
    found = ids(work(lakehouse))
    assert found is None or {"A", "C"} <= found


def test_a_table_that_was_made_anew_is_everybodys(tmp_path: Path) -> None:
    with EmbeddedLakehouse(tmp_path / "lakehouse", "health_monitor", "gold") as lakehouse:
        create_tables(lakehouse)
        configure(lakehouse, "A")
        synced(lakehouse)
        for path in sorted(folder(tmp_path).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        create_tables(lakehouse)
        configure(lakehouse, "A")
        found = work(lakehouse)
        assert (ids(found), found.reason) == (None, "alert_configurations was made anew")


def test_a_folder_that_was_restored_from_a_copy_is_looked_at_whole_also_once_it_reaches_the_same_version(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    configure(lakehouse, "A", "B")
    synced(lakehouse)
    shutil.copytree(folder(tmp_path), tmp_path / "copy")
    configure(lakehouse, "A", severity="CRITICAL")
    configure(lakehouse, "B", severity="CRITICAL")
    synced(lakehouse)
    assert work(lakehouse).is_nothing
    shutil.rmtree(folder(tmp_path))
    shutil.copytree(tmp_path / "copy", folder(tmp_path))
    restored = work(lakehouse)
    assert (ids(restored), "was restored" in restored.reason) == (None, True), "an older version"
    configure(lakehouse, "A", severity="INFO")
    configure(lakehouse, "B", severity="INFO")
    same = work(lakehouse)
    assert (ids(same), same.change == restored.change) == (None, False), "the same version, by other commits"
    configure(lakehouse, "A", severity="WARNING")
    assert ids(work(lakehouse)) is None, "a newer version"
    synced(lakehouse)
    assert work(lakehouse).is_nothing
    configure(lakehouse, "B", severity="WARNING")
    assert ids(work(lakehouse)) == {"B"}


def test_a_position_of_the_version_before_is_looked_at_whole_once(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A")
    synced(lakehouse)
    with held_lease(lakehouse, "test", lambda: datetime.now(UTC)) as lease:
        lease.remember(Position("local", lakehouse.version(TABLE)))
    assert ids(work(lakehouse)) is None


def test_rows_that_were_restored_from_before_their_deployment_are_to_be_done(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    configure(lakehouse, "A", "B")
    before = lakehouse.version(TABLE).version
    synced(lakehouse)
    DeltaTable(folder(tmp_path)).restore(before)
    assert ids(work(lakehouse)) == {"A", "B"}


def test_a_feed_that_was_cleaned_up_is_everybodys(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> None:
    configure(lakehouse, "A")
    synced(lakehouse)
    for number in range(3):
        configure(lakehouse, f"B{number}")
    DeltaTable(folder(tmp_path)).create_checkpoint()
    for version in range(4):
        (folder(tmp_path) / "_delta_log" / f"{version:020}.json").unlink(missing_ok=True)
    found = work(lakehouse)
    assert ids(found) is None
    assert "its log was cleaned up" in found.reason


def test_another_workspace_is_everybodys(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A")
    synced(lakehouse, host="https://elsewhere")
    assert ids(work(lakehouse)) is None


def test_an_alert_that_failed_is_tried_again_after_growing_pauses(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A", "B")
    for failures in (1, 2, 5):
        write_back(
            lakehouse, "A", last_sync_status="ERROR", last_sync_error="x", last_synced_at=NOW, failed_syncs=failures
        )
        synced(lakehouse)
        due = NOW + pause_after(failures)
        assert work(lakehouse, due - timedelta(seconds=1)).is_nothing
        assert ids(work(lakehouse, due)) == {"A"}
    assert pause_after(1) < pause_after(2) < pause_after(5) < pause_after(50) == timedelta(hours=1)


def test_an_edit_that_came_between_validation_and_deployment_is_not_forgotten(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A", "B")
    write_back(lakehouse, "A", last_sync_status="NOT_VALIDATED", last_sync_error="in whatever words")
    write_back(lakehouse, "B", last_sync_status="INVALID", last_sync_error="no such table")
    synced(lakehouse)
    assert ids(work(lakehouse)) == {"A"}


def test_rows_of_the_version_before_that_say_it_by_their_error_are_not_forgotten_either(
    lakehouse: EmbeddedLakehouse,
) -> None:
    error = "was never validated in its present form; run `alerting validate`, or materialize validated_queries for it"
    configure(lakehouse, "A", "B")
    write_back(lakehouse, "A", last_sync_status="INVALID", last_sync_error=error)
    write_back(lakehouse, "B", last_sync_status="INVALID", last_sync_error=f"{error}!")
    synced(lakehouse)
    assert ids(work(lakehouse)) == {"A"}


def test_a_position_is_of_its_environment(lakehouse: EmbeddedLakehouse) -> None:
    configure(lakehouse, "A")
    synced(lakehouse)
    assert find_work(lakehouse, "other", "local", NOW).alert_ids is None
    assert lakehouse.read(SYNC_LEASES.name).num_rows == 1

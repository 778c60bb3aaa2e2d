"""What the daily maintenance, and the compaction by writers between, leave of tables, change feeds and files."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from alerting_assets.errors import ChangesUnavailable
from alerting_assets.lakehouse import delta_maintenance
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.delta import DeltaStore
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.evaluation_history import ALERT_EVALUATION_HISTORY
from alerting_assets.lakehouse.maintenance import BUSY_DAYS, Maintained, maintain_tables
from alerting_assets.lakehouse.port import TableName, TableVersion
from alerting_assets.lakehouse.tables import (
    ALERT_HISTORY,
    ALERT_STATE,
    EXPECTED_RANGES,
    SYNC_LEASES,
    TABLES,
    create_tables,
)
from alerting_assets_tests.lakehouse.commits import commit_each

pytestmark = pytest.mark.integration

START = datetime(2026, 1, 1, tzinfo=UTC)
ALERTS = 4


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[EmbeddedLakehouse]:
    with opened(tmp_path) as tables:
        create_tables(tables)
        yield tables


def opened(folder: Path) -> EmbeddedLakehouse:
    return EmbeddedLakehouse(folder / "lakehouse", "cat", "main")


def table_folder(folder: Path, table: str) -> Path:
    return folder / "lakehouse" / "cat" / "main" / table


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def run(minute: int) -> pa.Table:
    """The rows of an evaluation run."""
    fixed = {"evaluated_by": "own", "evaluation_status": "OK", "ml_suppressed": False, "config_hash": "c"}
    rows = [
        {"evaluation_id": f"{minute}-{alert}", "alert_id": f"A-{alert}", "evaluated_at": at(minute), **fixed}
        for alert in range(ALERTS)
    ]
    return pa.Table.from_pylist(rows, arrow_schema(ALERT_HISTORY))


def ids(minutes: range) -> Counter[str]:
    return Counter(f"{minute}-{alert}" for minute in minutes for alert in range(ALERTS))


def commit_runs(folder: Path, minutes: range) -> None:
    """One commit a run, past the port, so that nothing compacts them; and a checkpoint, as writers make them."""
    commit_each(table_folder(folder, ALERT_HISTORY.name), map(run, minutes))
    DeltaTable(table_folder(folder, ALERT_HISTORY.name)).create_checkpoint()


def history(lakehouse: EmbeddedLakehouse) -> Counter[str]:
    return Counter(lakehouse.read(ALERT_HISTORY.name, ["evaluation_id"]).column(0).to_pylist())


def feed(lakehouse: EmbeddedLakehouse, since: int, change: str = "insert") -> Counter[str]:
    rows = lakehouse.changes(ALERT_HISTORY.name, since).rows.to_pylist()
    return Counter(row["evaluation_id"] for row in rows if row["_change_type"] == change)


def files(folder: Path, table: str = ALERT_HISTORY.name) -> list[tuple[datetime, datetime]]:
    """The oldest and the newest evaluation in each file of alert_history, as queries know them, in the order of time."""
    found = pa.table(DeltaTable(table_folder(folder, table)).get_add_actions(flatten=True))
    return sorted(
        zip(found["min.evaluated_at"].to_pylist(), found["max.evaluated_at"].to_pylist(), strict=True),
        key=lambda times: times[0],
    )


def log(folder: Path, table: str = ALERT_HISTORY.name) -> list[str]:
    return sorted(entry.name for entry in (table_folder(folder, table) / "_delta_log").glob("*.json"))


def days_pass(folder: Path, table: str, days: int) -> None:
    """Every file of the table is older by so many days; what a commit says of its own time stays."""
    for path in table_folder(folder, table).rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_mtime - days * 86_400,) * 2)


def append_ranges(lakehouse: EmbeddedLakehouse, *until: datetime) -> None:
    rows = [
        {
            "alert_id": "A",
            "model_name": "m@serving",
            "valid_from": moment - timedelta(hours=1),
            "valid_until": moment,
            "model_version": "1",
            "created_at": moment - timedelta(hours=2),
        }
        for moment in until
    ]
    lakehouse.append(EXPECTED_RANGES.name, pa.Table.from_pylist(rows, arrow_schema(EXPECTED_RANGES)))


def maintained(
    lakehouse: EmbeddedLakehouse, table: str, now: datetime, *, retention_days: int = 30, history_days: int = 400
) -> Maintained:
    found = {one.table: one for one in maintain_tables(lakehouse, retention_days, history_days, now)}
    assert [one.error for one in found.values() if one.error] == []
    return found[table]


def read_up_to(lakehouse: EmbeddedLakehouse, version: TableVersion) -> None:
    """As the states and incidents say how far they have come."""
    moment = datetime.now(UTC)
    row = {
        "alert_id": "A-0",
        "evaluation_id": "e",
        "evaluated_at": moment,
        "evaluated_by": "own",
        "evaluation_status": "OK",
        "status_since": moment,
        "history_table_id": version.table_id,
        "history_version": version.version,
    }
    lakehouse.append(ALERT_STATE.name, pa.Table.from_pylist([row], arrow_schema(ALERT_STATE)))


def test_many_small_commits_become_few_files_and_readers_lose_nothing(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    commit_runs(tmp_path, range(300))
    position = lakehouse.version(ALERT_HISTORY.name).version - 100
    done = maintained(lakehouse, ALERT_HISTORY.name, datetime.now(UTC), history_days=4000)
    assert (done.compacted, done.deleted, done.behind) == (300, 0, None)
    assert history(lakehouse) == ids(range(300))
    assert len(files(tmp_path)) == 1
    assert feed(lakehouse, 0) == ids(range(300))
    assert feed(lakehouse, position) == ids(range(200, 300))
    assert set(lakehouse.changes(ALERT_HISTORY.name, 0).rows.column("_change_type").to_pylist()) == {"insert"}
    counted = lakehouse.query("SELECT COUNT(*) AS n FROM alert_history").to_pylist()
    assert counted == [{"n": 300 * ALERTS}]


def test_every_table_says_to_which_layer_and_domain_it_belongs(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> None:
    for spec in TABLES:
        kept = DeltaTable(tmp_path.joinpath("lakehouse", *lakehouse.namespace, spec.name)).metadata().configuration
        assert (kept.get("layer"), kept.get("domain")) == ("gold", "alerting")


def test_maintenance_where_nothing_was_written_makes_no_commit(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> None:
    commit_runs(tmp_path, range(3))
    for _ in range(2):
        maintained(lakehouse, ALERT_HISTORY.name, datetime.now(UTC))
        version = lakehouse.version(ALERT_HISTORY.name)
    days_pass(tmp_path, ALERT_HISTORY.name, BUSY_DAYS + 1)
    maintained(lakehouse, ALERT_HISTORY.name, datetime.now(UTC))
    assert lakehouse.version(ALERT_HISTORY.name) == version
    assert lakehouse.commit(ALERT_HISTORY.name, version.version) is not None


@pytest.mark.usefixtures("lakehouse")
def test_compacted_files_keep_apart_in_time(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path / "lakehouse")
    for first in range(0, 120, 40):
        commit_runs(tmp_path, range(first, first + 40))
        delta_maintenance.maintain(store, TableName("cat", "main", ALERT_HISTORY.name), 30, file_bytes=60_000)
    times = files(tmp_path)
    assert 1 < len(times) < 40
    assert all(before[1] < after[0] for before, after in pairwise(times))


def test_a_writer_compacts_what_many_runs_have_left(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> None:
    commit_runs(tmp_path, range(delta_maintenance.LOOKS_EVERY - 1))
    position = lakehouse.version(ALERT_HISTORY.name).version
    lakehouse.append(ALERT_HISTORY.name, run(delta_maintenance.LOOKS_EVERY - 1))
    assert len(files(tmp_path)) <= 2
    assert history(lakehouse) == ids(range(delta_maintenance.LOOKS_EVERY))
    assert feed(lakehouse, position) == ids(range(delta_maintenance.LOOKS_EVERY - 1, delta_maintenance.LOOKS_EVERY))


def test_a_version_says_when_it_was_made_as_long_as_the_log_has_it(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    commit_runs(tmp_path, range(1))
    version = lakehouse.version(ALERT_HISTORY.name).version
    made_at = lakehouse.committed_at(ALERT_HISTORY.name, version)
    assert made_at is not None
    assert abs(made_at - datetime.now(UTC)) < timedelta(minutes=5)
    days_pass(tmp_path, ALERT_HISTORY.name, 1)
    assert lakehouse.committed_at(ALERT_HISTORY.name, version) == made_at - timedelta(days=1)
    assert lakehouse.committed_at(ALERT_HISTORY.name, version + 1) is None


def test_exactly_the_evaluations_that_are_too_old_are_deleted_and_told(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    commit_runs(tmp_path, range(20))
    lakehouse.maintain(ALERT_HISTORY.name, 30)
    position = lakehouse.version(ALERT_HISTORY.name).version
    commit_runs(tmp_path, range(20, 22))
    lakehouse.create_table(ALERT_EVALUATION_HISTORY)
    started = [at(minute) for minute in (0, 6, 7, 8)]
    rows = [{"alert_run_id": str(uuid.uuid4()), "start_time": moment} for moment in started]
    lakehouse.append(ALERT_EVALUATION_HISTORY.name, pa.Table.from_pylist(rows, arrow_schema(ALERT_EVALUATION_HISTORY)))
    now = at(7) + timedelta(days=400)  # the run of minute 7 is kept
    append_ranges(lakehouse, now - timedelta(days=8), now - timedelta(days=6))
    found = {one.table: one.deleted for one in maintain_tables(lakehouse, 30, 400, now)}
    assert {table: deleted for table, deleted in found.items() if deleted is not None} == {
        ALERT_HISTORY.name: 7 * ALERTS,
        ALERT_EVALUATION_HISTORY.name: 2,
        EXPECTED_RANGES.name: 1,
    }
    assert history(lakehouse) == ids(range(7, 22))
    kept = lakehouse.read(ALERT_EVALUATION_HISTORY.name, ["start_time"]).column(0).to_pylist()
    assert sorted(kept) == started[2:]
    assert feed(lakehouse, position) == ids(range(20, 22))
    assert feed(lakehouse, position, "delete") == ids(range(7))
    assert lakehouse.changes(ALERT_HISTORY.name, position).rows.num_rows == (2 + 7) * ALERTS
    assert maintained(lakehouse, ALERT_HISTORY.name, now).deleted == 0


def test_what_is_older_than_the_retention_goes_with_its_log_and_its_change_feed(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    commit_runs(tmp_path, range(150))
    orphan = table_folder(tmp_path, ALERT_HISTORY.name) / "part-of-a-killed-writer.parquet"
    orphan.write_bytes(b"")
    maintained(lakehouse, ALERT_HISTORY.name, datetime.now(UTC))
    old = lakehouse.version(ALERT_HISTORY.name).version
    assert len(log(tmp_path)) > 150
    assert orphan.exists()
    days_pass(tmp_path, ALERT_HISTORY.name, BUSY_DAYS + 1)
    commit_runs(tmp_path, range(150, 152))
    done = maintained(lakehouse, ALERT_HISTORY.name, datetime.now(UTC))
    assert done.kept_days == BUSY_DAYS
    assert len(log(tmp_path)) < 10
    assert not orphan.exists()
    assert history(lakehouse) == ids(range(152))
    assert feed(lakehouse, old) == ids(range(150, 152))
    with pytest.raises(ChangesUnavailable):
        lakehouse.changes(ALERT_HISTORY.name, 10)


def test_the_change_feed_is_kept_for_a_reader_that_is_behind(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> None:
    commit_runs(tmp_path, range(120))
    position = TableVersion(lakehouse.version(ALERT_HISTORY.name).table_id, 20)
    commit = lakehouse.commit(ALERT_HISTORY.name, 20)
    read_up_to(lakehouse, position)
    days_pass(tmp_path, ALERT_HISTORY.name, 5)
    for _ in range(2):
        done = maintained(lakehouse, ALERT_HISTORY.name, datetime.now(UTC))
        assert (done.kept_days, done.behind) == (7, None)
        assert feed(lakehouse, 20) == ids(range(20, 120))
        assert lakehouse.commit(ALERT_HISTORY.name, 20) == commit


def test_a_reader_that_is_further_behind_than_the_retention_is_told(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    commit_runs(tmp_path, range(5))
    read_up_to(lakehouse, TableVersion(lakehouse.version(ALERT_HISTORY.name).table_id, 2))
    configurations = lakehouse.version("alert_configurations")
    lease: dict[str, Any] = {
        "environment": "dev",
        "holder": "h",
        "expires_at": START,
        "synced_table_id": configurations.table_id,
        "synced_version": configurations.version,
    }
    lakehouse.append(SYNC_LEASES.name, pa.Table.from_pylist([lease], arrow_schema(SYNC_LEASES)))
    DeltaTable(table_folder(tmp_path, "alert_configurations")).alter.set_table_properties(
        {"delta.checkpointInterval": "50"}
    )
    days_pass(tmp_path, ALERT_HISTORY.name, 31)
    days_pass(tmp_path, "alert_configurations", 31)
    found = {one.table: one.behind for one in maintain_tables(lakehouse, 30, 4000, datetime.now(UTC)) if one.behind}
    assert found == {
        "alert_history": "states and incidents read alert_history up to version 2 of 5, and the changes since then are kept no longer "
        "(ALERTING_RETENTION_DAYS=30): they are made anew from all evaluations",
        "alert_configurations": "the sync of dev read alert_configurations up to version "
        f"{configurations.version} of {configurations.version + 1}, and the changes since then are kept no longer "
        "(ALERTING_RETENTION_DAYS=30): the next one looks at every alert",
    }


MAINTAINER = """
import pathlib, sys
from datetime import datetime
from alerting_assets.lakehouse.maintenance import maintain_tables
from alerting_assets_tests.lakehouse.test_maintenance import opened
lakehouse = opened(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
maintain_tables(lakehouse, 30, 400, datetime.fromisoformat(sys.argv[2]))
"""


def kill_in_the_midst_of_maintenance(lakehouse: EmbeddedLakehouse, folder: Path, moments: list[float]) -> None:
    """Each time there is a minute more to compact and one to delete. moments: seconds after the start."""
    newest, position = 60, lakehouse.version(ALERT_HISTORY.name).version
    commit_runs(folder, range(newest))
    for number, seconds in enumerate(moments):
        now = at(number) + timedelta(days=400)
        process = subprocess.Popen(
            [sys.executable, "-c", MAINTAINER, str(folder), now.isoformat()], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.kill()
        process.wait()
        process.stdout.close()
        commit_runs(folder, range(newest, newest + 5))
        newest += 5
        kept = history(lakehouse)
        assert ids(range(number, newest)) <= kept <= ids(range(max(0, number - len(moments)), newest))
        assert max(kept.values()) == 1
        assert feed(lakehouse, position) == ids(range(newest))
        for spec in TABLES:
            assert lakehouse.read(spec.name).schema.names == list(spec.column_names)
    now = at(len(moments)) + timedelta(days=400)
    maintained(lakehouse, ALERT_HISTORY.name, now)
    assert history(lakehouse) == ids(range(len(moments), newest))
    assert len(files(folder)) < 5


def test_a_maintenance_that_is_killed_leaves_every_table_whole(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> None:
    kill_in_the_midst_of_maintenance(lakehouse, tmp_path, [0.05, 0.2])


@pytest.mark.thorough
def test_a_maintenance_that_is_killed_at_any_moment_leaves_every_table_whole(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    draw = random.Random(20261128)
    kill_in_the_midst_of_maintenance(lakehouse, tmp_path, [draw.uniform(0.0, 0.8) for _ in range(50)])

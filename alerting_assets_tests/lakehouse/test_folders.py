"""What lies on disk: tables that people drop in, broken folders, folders that cannot be used."""

from __future__ import annotations

import logging
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from alerting_assets.errors import (
    ChangesUnavailable,
    LakehouseError,
    LakehouseUnavailable,
    QueryError,
    QueryErrorKind,
    TableNotFound,
)
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import TableName
from alerting_assets.settings import Settings

pytestmark = pytest.mark.integration


def drop_in(folder: Path, **columns: list[object]) -> None:
    folder.mkdir(parents=True)
    write_deltalake(folder, pa.table(columns))


def make_read_only(folder: Path) -> None:
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        folder.chmod(0o755)
        pytest.skip("this user may write everywhere")


@pytest.fixture
def root(lakehouse: EmbeddedLakehouse, tmp_path: Path) -> Path:
    lakehouse.query("SELECT 1 AS one")  # what follows happens while the engine runs
    return tmp_path / "lakehouse"


def test_tables_dropped_in_later_are_found_in_any_catalog_and_schema(lakehouse: EmbeddedLakehouse, root: Path) -> None:
    drop_in(root / "health_monitor" / "gold" / "mine", x=[1])
    drop_in(root / "health_monitor" / "silver" / "mine", x=[2])
    drop_in(root / "main" / "default" / "fact-table", x=[3])
    sql = "SELECT a.x + b.x + c.x AS x FROM mine a, silver.mine b, main.default.`fact-table` c"
    assert lakehouse.query(sql).to_pylist() == [{"x": 6}]
    assert TableName("main", "default", "fact-table") in lakehouse.tables()
    assert [column.type for column in lakehouse.table_columns("main.default.fact-table")] == ["bigint"]


def test_threads_that_meet_a_new_table_at_once_all_find_it(lakehouse: EmbeddedLakehouse, root: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for number in range(5):
            drop_in(root / "health_monitor" / "gold" / f"new_{number}", x=[number])
            results = pool.map(lakehouse.query, [f"SELECT x FROM new_{number}"] * 4)
            assert [rows.to_pylist() for rows in results] == [[{"x": number}]] * 4


def test_a_table_replaced_by_one_of_another_shape_is_read_as_it_is_now(
    lakehouse: EmbeddedLakehouse, root: Path
) -> None:
    drop_in(root / "health_monitor" / "gold" / "mine", x=[1])
    assert lakehouse.query("SELECT x FROM mine").num_rows == 1
    before = lakehouse.version("mine")
    shutil.rmtree(root / "health_monitor" / "gold" / "mine")
    drop_in(root / "health_monitor" / "gold" / "mine", y=["a", "b"])
    assert lakehouse.query("SELECT y FROM mine ORDER BY y").to_pylist() == [{"y": "a"}, {"y": "b"}]
    assert lakehouse.version("mine").table_id != before.table_id


def test_a_table_that_was_removed_is_missing(lakehouse: EmbeddedLakehouse, root: Path) -> None:
    drop_in(root / "health_monitor" / "gold" / "mine", x=[1])
    lakehouse.query("SELECT x FROM mine")
    shutil.rmtree(root / "health_monitor" / "gold" / "mine")
    with pytest.raises(QueryError) as caught:
        lakehouse.query("SELECT x FROM mine")
    assert caught.value.kind is QueryErrorKind.MISSING_TABLE


def test_broken_folders_are_reported_and_stop_nobody_else(
    lakehouse: EmbeddedLakehouse, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gold = root / "health_monitor" / "gold"
    (gold / "empty_log" / "_delta_log").mkdir(parents=True)
    (gold / "garbage" / "_delta_log").mkdir(parents=True)
    (gold / "garbage" / "_delta_log" / f"{0:020}.json").write_text("no json")
    drop_in(root / "system" / "billing" / "usage", x=[1])
    drop_in(gold / "good", x=[1])
    (gold / "a file").write_text("")
    with caplog.at_level(logging.WARNING):
        assert lakehouse.query("SELECT x FROM good").to_pylist() == [{"x": 1}]
    for name in ("empty_log", "health_monitor.gold.garbage", "system.billing.usage"):
        assert name in caplog.text
    with pytest.raises(TableNotFound, match=r"empty_log is broken: .*empty_log/_delta_log holds no commit"):
        lakehouse.read("empty_log")
    with pytest.raises(LakehouseError, match=r"garbage cannot be opened: .*gold/garbage\)") as caught:
        lakehouse.read("garbage")
    assert "\n" not in str(caught.value)


def test_a_view_of_another_process_is_seen_when_it_is_made_and_when_it_is_replaced(
    lakehouse: EmbeddedLakehouse, root: Path
) -> None:
    with EmbeddedLakehouse(root, "health_monitor", "gold") as other:
        for number in (1, 22, 333):
            other.create_view("shared", f"SELECT {number} AS n")
            assert lakehouse.query("SELECT n FROM shared").to_pylist() == [{"n": number}]


def test_a_view_over_a_table_that_comes_later_works_once_it_is_there(lakehouse: EmbeddedLakehouse, root: Path) -> None:
    views = root / "health_monitor" / "gold" / "_views"
    views.mkdir()
    (views / "early.sql").write_text("SELECT x + 1 AS y FROM late")
    with pytest.raises(QueryError):
        lakehouse.query("SELECT y FROM early")
    drop_in(root / "health_monitor" / "gold" / "late", x=[1])
    assert lakehouse.query("SELECT y FROM early").to_pylist() == [{"y": 2}]


def test_changes_of_a_table_whose_log_was_cleaned_up_or_that_has_no_feed_are_unavailable(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "lakehouse" / "health_monitor" / "gold"
    for number in range(4):
        rows = pa.table(
            {"environment": [str(number)], "holder": ["x"], "expires_at": pa.array([0], pa.timestamp("us", "UTC"))}
        )
        lakehouse.append("sync_leases", rows)
    DeltaTable(folder / "sync_leases").create_checkpoint()
    for version in range(3):
        (folder / "sync_leases" / "_delta_log" / f"{version:020}.json").unlink()
    with pytest.raises(ChangesUnavailable, match=r"sync_leases: the change feed does not reach back to version 0"):
        lakehouse.changes("sync_leases", 0)
    assert lakehouse.changes("sync_leases", 3).rows.num_rows == 1
    drop_in(folder / "no_feed", x=[1])
    write_deltalake(folder / "no_feed", pa.table({"x": [2]}), mode="append")
    with pytest.raises(ChangesUnavailable, match=r"no_feed has no change feed"):
        lakehouse.changes("no_feed", 0)


def test_a_root_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        LakehouseUnavailable, match=rf"{re.escape(str(tmp_path))}/file/lakehouse cannot be written .*ALERTING_HOME"
    ):
        open_lakehouse(Settings(home=tmp_path / "file"))


def test_a_folder_that_is_not_writable_is_named(tmp_path: Path) -> None:
    make_read_only(tmp_path)
    with pytest.raises(LakehouseUnavailable, match=r"lakehouse cannot be written \(Permission denied\)"):
        open_lakehouse(Settings(home=tmp_path))


def test_a_table_that_is_not_writable_is_named_and_can_still_be_read(
    lakehouse: EmbeddedLakehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "lakehouse" / "health_monitor" / "gold" / "sync_leases"
    rows = pa.table({"environment": ["a"], "holder": ["x"], "expires_at": pa.array([0], pa.timestamp("us", "UTC"))})
    for path in (folder / "_delta_log", folder):
        make_read_only(path)
        try:
            with pytest.raises(
                LakehouseUnavailable, match=r"sync_leases cannot be written: .*Permission denied.*sync_leases\)"
            ):
                lakehouse.append("sync_leases", rows)
            assert lakehouse.read("sync_leases").num_rows == 0
        finally:
            path.chmod(0o755)


def test_a_path_that_delta_cannot_use_is_named(tmp_path: Path) -> None:
    with pytest.raises(LakehouseUnavailable, match="percent sign"):
        EmbeddedLakehouse(tmp_path / "100%", "cat", "main")


@pytest.mark.parametrize("name", ["../gold.things", "a b", "_delta_log", "x/y", "", "a.b.c.d", "..", "`a``b`"])
def test_a_name_that_no_table_can_have_leads_nowhere(lakehouse: EmbeddedLakehouse, name: str) -> None:
    for action in (lakehouse.table_columns, lakehouse.read, lakehouse.version):
        with pytest.raises(TableNotFound, match="name"):
            action(name)


def test_a_catalog_name_that_the_engine_keeps_for_itself_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(LakehouseUnavailable, match="ALERTING_CATALOG=system"):
        open_lakehouse(Settings(home=tmp_path, catalog="system"))


def test_settings_open_the_embedded_engine_in_its_namespace(tmp_path: Path) -> None:
    with open_lakehouse(Settings(home=tmp_path, catalog="c", schema="s")) as lakehouse:
        assert lakehouse.namespace == ("c", "s")
        assert lakehouse.tables() == ()

"""Spark behind Spark Connect: a server of its own process, reached by ALERTING_SPARK_REMOTE. Its metastore keeps the tables."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyspark
import pytest

from alerting_assets.errors import LakehouseUnavailable, QueryError, QueryErrorKind, TableNotFound
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.lakehouse.port import Lakehouse, MergeResult, TableName
from alerting_assets.lakehouse.spark_jvm import DELTA_CATALOG, DELTA_PACKAGE
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, TABLES, create_tables
from alerting_assets.settings import Settings
from alerting_assets_tests.lakehouse.conformance import FULL, HOSTILE, THINGS, things

pytestmark = pytest.mark.integration

SPARK = Path(pyspark.__file__).parent
START_SECONDS = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    folder = tmp_path_factory.mktemp("connect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = {
        "spark.master": "local[2]",
        "spark.driver.host": "127.0.0.1",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": DELTA_CATALOG,
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
    }
    command = [str(SPARK / "bin" / "spark-submit"), "--packages", DELTA_PACKAGE]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    for name, value in configuration.items():
        command += ["--conf", f"{name}={value}"]
    environment = {**os.environ, "SPARK_HOME": str(SPARK)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        deadline = time.monotonic() + START_SECONDS
        while b"Spark Connect server started" not in (folder / "log").read_bytes():
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.2)
        yield f"sc://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def remote(address: str, schema: str) -> Lakehouse:
    return open_lakehouse(Settings(lakehouse="spark", spark_remote=address, catalog="spark_catalog", schema=schema))


def test_tables_rows_changes_and_views_work_behind_spark_connect(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    with remote(server[0], "gold") as engine:
        create_tables(engine)
        create_tables(engine)
        assert {name.table for name in engine.tables()} == {spec.name for spec in TABLES}
        assert engine.table_columns("alert_configurations") == ALERT_CONFIGURATIONS.columns
        engine.create_table(THINGS)
        start = engine.append("things", things(FULL, {"id": "nulls"}))
        assert engine.read("things").sort_by("id").to_pylist() == [FULL, {**dict.fromkeys(FULL), "id": "nulls"}]
        rows = things(*({"id": text, "text": text, "tags": [(text, text)]} for text in HOSTILE))
        assert engine.merge("things", rows, on=["id"]) == MergeResult(len(HOSTILE), 0)
        assert engine.merge("things", rows, on=["id"]) == MergeResult(0, 0)
        assert engine.delete("things", things({"id": "a"})) == 1
        changes = engine.changes("things", start)
        assert changes.rows.column("_change_type").to_pylist() == ["insert"] * len(HOSTILE) + ["delete"]
        engine.create_view("v", "SELECT COUNT(*) AS n FROM things")
        assert engine.query("SELECT n FROM v").to_pylist() == [{"n": len(HOSTILE) + 1}]
    with remote(server[0], "gold") as engine:
        assert TableName("spark_catalog", "gold", "things") in engine.tables()


def test_errors_behind_spark_connect_are_as_everywhere(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    with remote(server[0], "other") as engine:
        with pytest.raises(TableNotFound, match=r"spark_catalog\.other\.nothing does not exist"):
            engine.append("nothing", pa.table({"x": [1]}))
        with pytest.raises(QueryError) as caught:
            engine.describe("SELECT nope FROM spark_catalog.gold.things")
        assert (caught.value.kind, caught.value.name) == (QueryErrorKind.MISSING_COLUMN, "nope")
        assert (caught.value.line, caught.value.column) == (1, 8)
        with pytest.raises(QueryError) as caught:
            engine.query("SELECT CAST('a' AS INT)")
        assert caught.value.kind is QueryErrorKind.RUNTIME


def test_a_server_without_the_catalog_is_told_apart(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    with pytest.raises(
        LakehouseUnavailable, match=r"nowhere\.gold \(ALERTING_CATALOG, ALERTING_SCHEMA\) cannot be used"
    ):
        open_lakehouse(Settings(lakehouse="spark", spark_remote=server[0], catalog="nowhere"))


def test_a_server_that_is_not_there_is_named_without_its_token() -> None:
    with pytest.raises(LakehouseUnavailable, match=r"server at 127\.0\.0\.1:9 .*is it running") as caught:
        remote("sc://127.0.0.1:9/;token=secret-token", "gold")
    assert "secret" not in str(caught.value)


def test_a_session_that_is_lost_says_what_to_do(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    """The last: it ends the server."""
    with remote(server[0], "gold") as engine:
        engine.query("SELECT 1 AS one")
        server[1].kill()
        server[1].wait()
        with pytest.raises(
            LakehouseUnavailable, match=r"the Spark session is lost; is the Spark Connect server at .* still up"
        ):
            engine.query("SELECT 1 AS one")

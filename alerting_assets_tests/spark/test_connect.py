"""Spark behind Spark Connect, reached by ALERTING_SPARK_REMOTE. Its metastore keeps the tables."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest

from alerting_assets.errors import LakehouseUnavailable
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.lakehouse.port import Lakehouse, TableName
from alerting_assets.lakehouse.spark_jvm import DELTA_CATALOG, DELTA_PACKAGE
from alerting_assets.settings import Settings
from alerting_assets_tests.ports import free_ports
from alerting_assets_tests.spark.statements import check_errors, check_every_kind_of_statement

pytestmark = pytest.mark.integration

SPARK = Path(pyspark.__file__).parent
START_SECONDS = 120


def remote(address: str, schema: str) -> Lakehouse:
    return open_lakehouse(Settings(lakehouse="spark", spark_remote=address, catalog="spark_catalog", schema=schema))


def test_tables_rows_changes_views_and_errors_are_as_everywhere_behind_spark_connect(connect_address: str) -> None:
    with remote(connect_address, "gold") as engine:
        check_every_kind_of_statement(engine)
        check_errors(engine)
    with remote(connect_address, "gold") as engine:
        assert TableName("spark_catalog", "gold", "things") in engine.tables()


def test_a_server_without_the_catalog_is_told_apart(connect_address: str) -> None:
    with pytest.raises(
        LakehouseUnavailable, match=r"nowhere\.gold \(ALERTING_CATALOG, ALERTING_SCHEMA\) cannot be used"
    ):
        open_lakehouse(Settings(lakehouse="spark", spark_remote=connect_address, catalog="nowhere"))


def test_a_server_that_is_not_there_is_named_without_its_token() -> None:
    with pytest.raises(LakehouseUnavailable, match=r"server at 127\.0\.0\.1:9 .*is it running") as caught:
        remote("sc://127.0.0.1:9/;token=secret-token", "gold")
    assert "secret" not in str(caught.value)


@contextmanager
def server_process(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Spark Connect server as people start one."""
    (port,) = free_ports(1)
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


@pytest.mark.thorough
def test_a_session_that_is_lost_says_what_to_do(tmp_path: Path) -> None:
    with server_process(tmp_path) as (address, process), remote(address, "gold") as engine:
        check_every_kind_of_statement(engine)
        process.kill()
        process.wait()
        with pytest.raises(
            LakehouseUnavailable, match=r"the Spark session is lost; is the Spark Connect server at .* still up"
        ):
            engine.query("SELECT 1 AS one")

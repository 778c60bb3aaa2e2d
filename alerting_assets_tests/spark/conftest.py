"""The JVM that all tests of one process share. It also serves Spark Connect, so that no second one is needed for that."""

from __future__ import annotations

import os

import pytest

from alerting_assets.lakehouse import spark_jvm
from alerting_assets_tests.ports import free_ports

# For JVMs of tests, those of other processes included: they live for minutes and see a few rows, so they never earn back what the
# optimizing compiler and a parallel garbage collector cost, which is 40 % of their CPU.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


@pytest.fixture(scope="session")
def connect_address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Starts the JVM of this process. The address of its Spark Connect server."""
    (port,) = free_ports(1)
    configuration = {
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
    }
    arguments = " ".join(f"--conf {name}={value}" for name, value in configuration.items())
    with pytest.MonkeyPatch.context() as patch:  # JVMs of other processes shall not take the same port
        patch.setenv("PYSPARK_SUBMIT_ARGS", f"{arguments} pyspark-shell")
        spark_jvm.open_session(tmp_path_factory.mktemp("jvm") / "spark.log", spark_jvm.SESSION_CATALOG)
    return f"sc://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def jvm(connect_address: str) -> None:
    """For tests that open a local Spark in this process."""

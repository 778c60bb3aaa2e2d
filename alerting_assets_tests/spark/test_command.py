"""The command on Spark and on a warehouse, in processes of its own: the whole graph, and what a person reads when Spark cannot start or
goes away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alerting_assets_tests.integration.test_main_job import CHECKOUT, figures, run
from alerting_assets_tests.spark.test_warehouse import started_warehouse

DESTINATIONS = 6
"""Of alerts/destinations."""

pytestmark = pytest.mark.integration

LOSE_THE_JVM = """
import os, pathlib, signal, sys
from alerting_assets.errors import LakehouseUnavailable
from alerting_assets.lakehouse import spark_jvm
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
root = pathlib.Path(sys.argv[1])
engine = LocalSparkLakehouse(root, "cat", "main")
spark_jvm._context._gateway.proc.kill()
spark_jvm._context._gateway.proc.wait()
try:
    engine.query("SELECT 1 AS one")
except LakehouseUnavailable as error:
    print(error)
print(LocalSparkLakehouse(root, "cat", "main").query("SELECT 1 AS one").to_pylist())
"""


def status(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`alerting status` on Spark."""
    command = [sys.executable, "-c", "from alerting_assets.cli import main; main()", "status"]
    full = {**os.environ, "ALERTING_LAKEHOUSE": "spark", "ALERTING_HOME": str(home), **environment}
    return subprocess.run(command, env=full, capture_output=True, text=True, timeout=240, check=False)


def test_without_java_the_ways_out_are_named(tmp_path: Path) -> None:
    ended = status(tmp_path, PATH=str(tmp_path), JAVA_HOME="")
    assert ended.returncode == 2
    assert "needs Java 17 or newer, and there is no java on the PATH; install it" in ended.stderr
    assert "ALERTING_LAKEHOUSE=embedded" in ended.stderr


def test_a_java_home_without_java_is_named(tmp_path: Path) -> None:
    ended = status(tmp_path, JAVA_HOME=str(tmp_path))
    assert ended.returncode == 2
    assert f"JAVA_HOME={tmp_path} holds no bin/java" in ended.stderr


def test_without_maven_it_says_what_is_missing_and_where_to_read_on(tmp_path: Path) -> None:
    settings = tmp_path / "ivysettings.xml"
    settings.write_text(
        '<ivysettings><settings defaultResolver="none"/><resolvers>'
        '<ibiblio name="none" m2compatible="true" root="http://127.0.0.1:9/maven"/></resolvers></ivysettings>'
    )
    (tmp_path / "spark-defaults.conf").write_text(
        f"spark.jars.ivy {tmp_path / 'ivy'}\nspark.jars.ivySettings {settings}\n"
    )
    ended = status(tmp_path / "home", SPARK_CONF_DIR=str(tmp_path))
    assert ended.returncode == 2
    assert "could not get Delta's JARs (io.delta:delta-spark_4.2_2.13:4.4.0) from Maven" in ended.stderr
    assert "spark.jars.repositories" in ended.stderr
    assert str(tmp_path / "home" / "spark.log") in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.thorough
def test_a_jvm_that_ended_is_named_with_its_log_and_the_next_lakehouse_starts_another(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOSE_THE_JVM, str(tmp_path / "lakehouse")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    first, second = ended.stdout.splitlines()
    assert first.startswith("the Spark session is lost; its JVM ended")
    assert str(tmp_path / "spark.log") in first
    assert second == "[{'one': 1}]"


@pytest.mark.usefixtures("jvm")
def test_the_whole_graph_runs_on_a_warehouse(tmp_path: Path) -> None:
    """Over HTTP to a workspace with Spark behind it: alerts created, then unchanged."""
    definitions = tmp_path / "alerts"
    definitions.mkdir()
    (definitions / "one.yml").write_text(
        """
alerts:
  - alert_id: CONF-001
    alert_name: Many alerts
    agent_domain: QUALITY
    severity: INFO
    alert_query_template: SELECT COUNT(*) AS n FROM ${catalog}.${gold_schema}.alert_configurations
    aggregation_column: n
    operator: GREATER_THAN
    threshold_value_double: 0
    schedule_cron: 0 0 8 * * ?
    owner: me@example.com
"""
    )
    with started_warehouse(tmp_path / "server", "health_monitor", "gold") as server:
        environment = {
            "ALERTING_DEFINITIONS": str(definitions),
            "ALERTING_LAKEHOUSE": "warehouse",
            "ALERTING_WORKSPACE": "databricks",
            "DATABRICKS_HOST": server.address,
            "DATABRICKS_TOKEN": server.token,
            "DATABRICKS_WAREHOUSE_ID": "local",
        }
        for created, unchanged in ((1, 0), (0, 1)):
            ended = run(tmp_path / "home", **environment)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            found = figures(ended.stdout)
            assert (found["created"], found["unchanged"], found["triggered"]) == (created, unchanged, 1)
            assert "not built in a shared metastore" in ended.stdout


def test_the_main_job_has_the_same_summary_on_spark_and_then_embedded_finds_nothing_to_do(tmp_path: Path) -> None:
    """With the definitions of one domain, and those that are quarantined."""
    definitions = tmp_path / "alerts"
    definitions.mkdir()
    (definitions / "destinations").mkdir()
    for file in ("cost.yml", "broken_on_purpose.yml", "destinations/teams.yml"):
        shutil.copy(CHECKOUT / "alerts" / file, definitions / file)
    check_the_main_job(tmp_path / "home", valid=8, held=0, ALERTING_DEFINITIONS=str(definitions))


@pytest.mark.thorough
def test_the_main_job_has_the_same_summary_with_all_definitions(tmp_path: Path) -> None:
    check_the_main_job(tmp_path, valid=41, held=1)


def check_the_main_job(home: Path, *, valid: int, held: int, **environment: str) -> None:
    """Which alerts fire depends on the time of day; it is the same on both."""
    on_spark = run(home, ALERTING_LAKEHOUSE="spark", **environment)
    assert on_spark.returncode == 0, on_spark.stdout + on_spark.stderr
    embedded = run(home, **environment)
    assert embedded.returncode == 0, embedded.stdout + embedded.stderr
    writes = valid + DESTINATIONS
    deployed = {"created": valid, "unchanged": 0, "write requests to the workspace": writes}
    found = figures(embedded.stdout)
    assert figures(on_spark.stdout) == found | deployed
    assert found == {
        "destinations": DESTINATIONS,
        "configured": valid + 2,
        "valid": valid,
        "quarantined": 2,
        "warnings": found["warnings"],
        "created": 0,
        "updated": 0,
        "unchanged": valid,
        "deleted": 0,
        "failed": 0,
        "write requests to the workspace": 0,
        "evaluated": valid,
        "triggered": found["triggered"],
        "held back by a model": held,
    }
    for name in ("fact_invoices", "duration_second "):
        assert name in on_spark.stdout
        assert name in embedded.stdout

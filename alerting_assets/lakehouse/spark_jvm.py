"""A JVM with Spark and Delta on this machine: one a process, started at the first use, gone with the process.

Delta's JARs come from Maven, resolved by Spark itself (Ivy) and kept in ~/.ivy2*; other repositories are named to Spark as always: by
`spark.jars.repositories` or `spark.jars.ivySettings` in `spark-defaults.conf`. What the JVM says goes to a log file.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alerting_assets.errors import LakehouseUnavailable
from alerting_assets.lakehouse.pyspark_import import load_pyspark

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
"""Fits the pinned pyspark 4.2."""
JAVA_VERSION = "17"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
SESSION_CATALOG = "spark_catalog"
LONGEST_LOG = 5_000_000
"""Size in bytes above which the log is begun anew at the next start."""

_lock = threading.Lock()
_context: SparkContext | None = None
_log_file: Path | None = None


def open_session(log_file: Path, catalog: str) -> SparkSession:
    """A session with a catalog in memory of its own, which answers to the name `catalog`. The JVM is started if it does not run.

    log_file: where the JVM writes what it says, if this call starts it."""
    load_pyspark()
    from pyspark.sql import SparkSession

    context = _running_context(log_file)
    jvm: Any = context._jvm
    options = {} if catalog == SESSION_CATALOG else {f"spark.sql.catalog.{catalog}": DELTA_CATALOG}
    # Not newSession(), which shares the catalog in memory.
    jvm_session = jvm.org.apache.spark.sql.classic.SparkSession(context._jsc.sc(), options)
    jvm.org.apache.spark.sql.classic.SparkSession.setActiveSession(jvm_session)  # which catalogs take for their own
    session = SparkSession(context, jvm_session)
    if catalog != SESSION_CATALOG:
        # Delta's catalog only works as an extension of the session's own, so the name becomes another one for that.
        catalogs = jvm_session.sessionState().catalogManager()
        catalogs.catalog(catalog).setDelegateCatalog(catalogs.catalog(SESSION_CATALOG))
    return session


def is_alive() -> bool:
    process = getattr(_context._gateway, "proc", None) if _context is not None else None
    return process is not None and process.poll() is None


def log_path() -> Path | None:
    """The file that the running JVM writes to, or None before the first session."""
    return _log_file


def _running_context(log_file: Path) -> SparkContext:
    global _context, _log_file
    with _lock:
        if _context is None or not is_alive():
            _forget_dead_context()
            _context, _log_file = _start(log_file), log_file
        return _context


def _forget_dead_context() -> None:
    from pyspark import SparkContext

    SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None


def _start(log_file: Path) -> SparkContext:
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")):
        where = f"JAVA_HOME={home} holds no bin/java" if home else "there is no java on the PATH"
        raise LakehouseUnavailable(
            f"ALERTING_LAKEHOUSE=spark needs Java {JAVA_VERSION} or newer, and {where}; install it (a JDK or JRE), "
            "or set ALERTING_SPARK_REMOTE to a Spark Connect server, or use ALERTING_LAKEHOUSE=embedded, which needs no Java"
        )
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # it prints every error that we translate
    configuration = SparkConf()
    for name, value in _configuration().items():
        configuration.set(name, value)
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        is_long = log_file.exists() and log_file.stat().st_size > LONGEST_LOG
        with log_file.open("w" if is_long else "a", encoding="utf-8") as output:
            said_before = output.tell()
            gateway = launch_gateway(configuration, {"stdout": output, "stderr": output})
        with _without_remote_mode():
            return SparkContext(gateway=gateway, conf=configuration)
    except OSError as error:
        raise LakehouseUnavailable(
            f"{log_file}, the log of Spark's JVM, cannot be written ({error.strerror})"
        ) from error
    except PySparkRuntimeError as error:
        raise LakehouseUnavailable(_why_not(log_file, said_before)) from error


@contextmanager
def _without_remote_mode() -> Iterator[None]:
    """pyspark makes no context in a process that has a Spark Connect session, such as the embedded engine's, unless it forgets that."""
    mode = os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)
    try:
        yield
    finally:
        if mode is not None:
            os.environ["SPARK_CONNECT_MODE_ENABLED"] = mode


def _configuration() -> dict[str, str]:
    # The session catalog makes the folder of a schema even where every table has a location.
    warehouse = tempfile.mkdtemp(prefix="alerting-spark-")
    atexit.register(shutil.rmtree, warehouse, ignore_errors=True)
    return {
        "spark.master": "local[*]",
        "spark.app.name": "alerting",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "WARN",
        "spark.jars.packages": DELTA_PACKAGE,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        f"spark.sql.catalog.{SESSION_CATALOG}": DELTA_CATALOG,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # the embedded engine cannot read INT96, the default
        "spark.sql.variable.substitute": "false",  # ${…} in a text is text, as on a SQL warehouse
        "spark.sql.warehouse.dir": warehouse,
        "spark.sql.shuffle.partitions": "4",  # the default of 200 is for a cluster
        "spark.databricks.delta.snapshotPartitions": "2",  # the same of 50
    }


_REASONS = (
    (
        re.compile(r"unresolved dependency: (\S+)|Server access error|Connection (?:timed out|refused)|UnknownHost"),
        f"Spark could not get Delta's JARs ({DELTA_PACKAGE}) from Maven: give this machine access to Maven Central, or name your own "
        "repository as spark.jars.repositories in spark-defaults.conf (SPARK_CONF_DIR), or copy ~/.ivy2* from a machine that has them",
    ),
    (
        re.compile(r"UnsupportedClassVersionError|Unsupported major\.minor|requires Java"),
        f"Java is too old: Spark 4 needs Java {JAVA_VERSION} or newer; install it and set JAVA_HOME",
    ),
    (
        re.compile(r"OutOfMemory|Cannot allocate memory|insufficient memory"),
        "there is not enough memory for Spark's JVM (it takes 1 to 2 GB); use ALERTING_LAKEHOUSE=embedded on a small machine",
    ),
)


def _why_not(log_file: Path, said_before: int) -> str:
    """Why the JVM did not start, from its log. said_before: how many bytes of the log are older, from other starts or from a JVM
    that still runs."""
    text = log_file.read_bytes()[said_before:].decode(errors="replace")
    for pattern, message in _REASONS:
        if pattern.search(text):
            return f"{message}. What Spark said is in {log_file}"
    lines = [line for line in text.splitlines() if line.strip()] or ["it said nothing"]
    said = next((line for line in lines if re.search(r"Exception|Error", line)), lines[-1])
    return f"Spark's JVM did not start: {said.strip()[:300]}. All that it said is in {log_file}"

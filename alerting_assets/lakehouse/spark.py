"""The Spark engine: Delta tables through a SparkSession, that of a JVM on this machine or one behind Spark Connect."""

from __future__ import annotations

import re
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from alerting_assets.errors import (
    ConcurrentWriteError,
    LakehouseError,
    LakehouseUnavailable,
    QueryError,
)
from alerting_assets.lakehouse import spark_jvm, sql_text
from alerting_assets.lakehouse.delta import DeltaStore, make_folder
from alerting_assets.lakehouse.port import TableName, TableSpec
from alerting_assets.lakehouse.pyspark_import import load_pyspark
from alerting_assets.lakehouse.session_catalog import SessionCatalog
from alerting_assets.lakehouse.spark_errors import SparkFailure, plain, silence_client
from alerting_assets.lakehouse.sql_engine import RETRY_SECONDS, Source, SqlLakehouse, Statements
from alerting_assets.lakehouse.views import ViewStore
from alerting_assets.sql_literal import identifier

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

QUERY_SECONDS = 600.0
_LOST_REMOTE = (
    "StatusCode.UNAVAILABLE",
    "StatusCode.UNAUTHENTICATED",
    "SESSION_NOT_FOUND",
    "SESSION_CLOSED",
    "SESSION_CHANGED",
    "OPERATION_NOT_FOUND",
)


@dataclass(frozen=True)
class Connection:
    """A SparkSession and what it takes to use it safely.

    is_lost: whether the session is gone. It is given the text of an error, or "" where there is no error.
    way_out: what a person can do once the session is lost, for messages.
    close: ends the session."""

    session: SparkSession
    is_lost: Callable[[str], bool]
    way_out: str
    close: Callable[[], None]


_TOLD_IN_STRUCTS = ("OPTIMIZE ", "VACUUM ")
"""Commands whose figures come as nested structs, which pyarrow cannot take over, and which nobody reads."""


class SparkStatements(Statements):
    """The statements of `sql_engine` through a SparkSession. query_seconds: how long one statement may run."""

    def __init__(self, connection: Connection, query_seconds: float = QUERY_SECONDS) -> None:
        self._connection, self._query_seconds = connection, query_seconds

    @property
    def session(self) -> SparkSession:
        return self._connection.session

    def run(
        self,
        sql: str,
        parameters: Mapping[str, str] | None = None,
        *,
        reads: bool = False,  # noqa: ARG002  the session itself tries again what it can
        in_schema: bool = True,  # noqa: ARG002  the session is in it from its start
        seconds: float | None = None,
    ) -> pa.Table:
        """Open-source Spark with Delta's parser binds no parameters; `source` needs none."""
        assert not parameters
        with self.translated(), self._interruptible(self._query_seconds if seconds is None else seconds):
            frame = self.session.sql(sql)  # a command has run by now
            if sql.startswith(_TOLD_IN_STRUCTS):
                return pa.table({})
            return frame.toArrow()

    @contextmanager
    def source(self, rows: pa.Table) -> Iterator[Source]:
        name = f"alerting_rows_{uuid.uuid4().hex}"
        with self._frame(rows) as frame:
            with self.translated():
                frame.createOrReplaceTempView(name)
            try:
                yield Source(name)
            finally:
                if not self._connection.is_lost(""):
                    self.session.catalog.dropTempView(name)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _frame(self, rows: pa.Table) -> Iterator[DataFrame]:
        with self.translated():
            frame = self.session.createDataFrame(rows)
        yield frame

    @contextmanager
    def _interruptible(self, seconds: float) -> Iterator[None]:
        """Stops what runs in this block on Ctrl-C and when it takes too long."""
        tag, overdue = uuid.uuid4().hex, threading.Event()

        def stop_overdue() -> None:
            overdue.set()
            self._interrupt(tag)

        timer = threading.Timer(seconds, stop_overdue)
        timer.daemon = True
        self._add_tag(tag)
        timer.start()
        try:
            yield
        except Exception as error:
            if overdue.is_set():
                raise QueryError.timed_out(seconds) from error
            raise
        except BaseException:  # Ctrl-C, or Dagster's own interrupt
            self._interrupt(tag)
            raise
        finally:
            timer.cancel()
            if not self._connection.is_lost(""):
                self._remove_tag(tag)

    def _add_tag(self, tag: str) -> None:
        """Mark what this thread runs from now on."""
        self.session.addTag(tag)

    def _remove_tag(self, tag: str) -> None:
        self.session.removeTag(tag)

    def _interrupt(self, tag: str) -> None:
        """Stop what is marked so, in whatever thread it runs."""
        self.session.interruptTag(tag)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise what the session raises in this block as SparkFailure, or as LakehouseUnavailable where the session is lost."""
        from grpc import RpcError
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            yield
        except (
            PySparkException,
            Py4JError,
            RpcError,
            OSError,
            ValueError,
        ) as error:  # ValueError: Arrow's, of types it lacks
            text = str(error)
            if self._connection.is_lost(text):
                raise LakehouseUnavailable(f"the Spark session is lost; {self._connection.way_out}") from error
            raise SparkFailure(text) from error


class LocalSparkStatements(SparkStatements):
    """Tags are those of the context: those of a local session are only known to the thread that added them, which is the one that
    waits."""

    def _add_tag(self, tag: str) -> None:
        self.session.sparkContext.addJobTag(tag)

    def _remove_tag(self, tag: str) -> None:
        self.session.sparkContext.removeJobTag(tag)

    def _interrupt(self, tag: str) -> None:
        self.session.sparkContext.cancelJobsWithTag(tag)

    @contextmanager
    def _frame(self, rows: pa.Table) -> Iterator[DataFrame]:
        """Rows as a data frame, by way of a Parquet file: a JVM reads a million rows from it in seconds, and takes a minute for
        them from Arrow through its Python gateway."""
        with tempfile.TemporaryDirectory(prefix="alerting-rows-") as folder:
            file = f"{folder}/rows.parquet"
            pq.write_table(rows, file)
            with self.translated():
                frame = self.session.read.parquet(file)
            yield frame


class LocalSparkLakehouse(SqlLakehouse):
    """Tables lie at `<root>/<catalog>/<schema>/<table>/`, the same folders that the embedded engine uses; every Delta table of the
    own catalog found there can be queried. The catalog is in memory, so each process has its own.

    Two processes may write at once: on a plain file system Delta's commit is only safe within one JVM, so each write holds a file
    lock of its table. Embedded processes do not take that lock.
    """

    def __init__(self, root: Path, catalog: str, schema: str, *, query_seconds: float = QUERY_SECONDS) -> None:
        self._store = DeltaStore(root.absolute())
        make_folder(self._store.root)
        self._views = ViewStore(self._store)
        session = spark_jvm.open_session(root.parent / "spark.log", catalog)
        connection = Connection(
            session,
            is_lost=lambda text: not spark_jvm.is_alive() or "stopped SparkContext" in text,
            way_out=(
                f"its JVM ended, perhaps for want of memory (its log: {spark_jvm.log_path()}); "
                "run the command again, it goes on from what is there"
            ),
            close=lambda: None,  # the JVM serves the whole process
        )
        self._spark = LocalSparkStatements(connection, query_seconds)
        super().__init__(self._spark, catalog, schema, sql_text.OPEN_SOURCE)
        self._lock = threading.RLock()
        self._catalog = SessionCatalog(session, self._store.root, self._store, self._views, unusable=self._unusable)
        folder = self._store.root / catalog / schema
        self._run(sql_text.create_schema(TableName(catalog, schema, ""), str(folder)))
        self._run(f"USE {identifier(catalog)}.{identifier(schema)}")
        self._refresh()

    def create_table(self, spec: TableSpec) -> None:
        super().create_table(spec)
        self._refresh()  # so that the session's catalog is known to hold it, and to be wrong when its folder goes

    def tables(self) -> tuple[TableName, ...]:
        catalog = self.namespace[0]
        found = {*self._store.tables(), *self._views.files()}
        return tuple(sorted(name for name in found if name.catalog == catalog))

    def run(self, sql: str) -> pa.Table:
        """Run any one statement, as it is, and return its rows. Raises SparkFailure."""
        return self._run(sql)

    def create_view(self, name: str, sql: str) -> None:
        if not self._views.holds(self._name(name), sql):
            super().create_view(name, sql)

    @contextmanager
    def rows_as_view(self, rows: pa.Table) -> Iterator[str]:
        """The name of a view of `rows`, for the statements of this block."""
        with self._statements.source(rows) as source:
            yield source.sql

    def define_view(self, view: TableName, sql: str) -> None:
        """Raises SparkFailure, LakehouseError."""
        self._define_view(view, sql)

    def _run(self, sql: str, parameters: Mapping[str, str] | None = None, **how: Any) -> pa.Table:
        if hasattr(self, "_catalog"):
            with self._lock, self._spark.translated():
                self._catalog.refresh_views()
        return super()._run(sql, parameters, **how)

    def _location(self, name: TableName) -> str | None:
        return str(self._store.path(name))

    def _define_view(self, view: TableName, sql: str) -> None:
        self._store.path(view)  # refuses names that no file can have
        if view in self._store.tables():
            raise LakehouseError(f"view {view} cannot be created: there is a table of this name")
        with self._lock, self._spark.translated():
            self._catalog.define_view(view, sql)
            self._views.write(view, sql)

    @contextmanager
    def _writing(self, name: TableName) -> Iterator[None]:
        folder = self._store.root / "_locks"
        make_folder(folder)
        try:
            lock = FileLock(folder / f"{name}.lock", timeout=RETRY_SECONDS).acquire()
        except Timeout as error:
            raise ConcurrentWriteError(
                f"table {name}: other writers held it for {RETRY_SECONDS:.0f} seconds; nothing was written, try again later"
            ) from error
        except OSError as error:
            raise LakehouseUnavailable(f"{folder} cannot be written ({error.strerror}); make it writable") from error
        with lock:
            yield

    def _refresh(self) -> bool:
        with self._lock, self._spark.translated():
            generation = self._catalog.generation
            self._catalog.refresh()
            return self._catalog.generation != generation

    def _unusable(self, name: TableName) -> str | None:
        if name.catalog != self.namespace[0]:
            return f"a local Spark knows one catalog, {self.namespace[0]} (ALERTING_CATALOG)"
        return None


def remote_spark(url: str, catalog: str, schema: str, *, query_seconds: float = QUERY_SECONDS) -> SqlLakehouse:
    """A lakehouse at a Spark Connect server. url: `sc://host:port/;token=…`. The catalog must exist there; the schema is created if
    it does not."""
    load_pyspark()
    from grpc import RpcError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.retries import DefaultPolicy

    silence_client()
    host = urlsplit(url).netloc
    try:
        session = SparkSession.builder.remote(url).create()
        session.client.set_retry_policies([])  # a server that is not there is no matter of waiting for ten minutes
        session.conf.set("spark.sql.session.timeZone", "UTC")
        session.conf.set("spark.sql.variable.substitute", "false")
        session.client.set_retry_policies([DefaultPolicy(max_retries=5)])  # about 15 s
    except (PySparkException, RpcError, ValueError) as error:
        raise LakehouseUnavailable(
            f"the Spark Connect server at {host} (ALERTING_SPARK_REMOTE) does not let us in: {_grpc_reason(error)}; "
            "is it running, is the address right (sc://host:15002), and is a token needed (…/;token=…)?"
        ) from None  # the error may hold the whole address, with its token
    connection = Connection(
        session,
        is_lost=lambda text: any(sign in text for sign in _LOST_REMOTE),
        way_out=f"is the Spark Connect server at {host} still up? run the command again, it goes on from what is there",
        close=session.stop,
    )
    statements = SparkStatements(connection, query_seconds)
    own = TableName(catalog, schema, "")
    try:
        statements.run(sql_text.create_schema(own))
        statements.run(f"USE {identifier(catalog)}.{identifier(schema)}")
    except SparkFailure as failure:
        raise LakehouseUnavailable(
            f"{catalog}.{schema} (ALERTING_CATALOG, ALERTING_SCHEMA) cannot be used at {host}: {plain(failure.text)}"
        ) from failure
    return SqlLakehouse(statements, catalog, schema, sql_text.OPEN_SOURCE)


def _grpc_reason(error: Exception) -> str:
    status = re.search(r"StatusCode\.(\w+)", str(error))
    return status[1] if status else type(error).__name__

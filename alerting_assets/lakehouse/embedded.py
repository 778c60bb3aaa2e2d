"""The embedded engine: delta-rs for every write, history and change feed; Sail for Spark SQL, started at the first query."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from alerting_assets.errors import LakehouseError, LakehouseUnavailable, QueryError, QueryErrorKind, TableNotFound
from alerting_assets.lakehouse import delta_maintenance, delta_writes, sql_text
from alerting_assets.lakehouse.delta import DeltaStore, make_folder
from alerting_assets.lakehouse.port import (
    Changes,
    Column,
    Lakehouse,
    MaintenanceResult,
    MergeResult,
    TableName,
    TableSpec,
    TableVersion,
)
from alerting_assets.lakehouse.pyspark_import import load_pyspark
from alerting_assets.lakehouse.sail import RESERVED_CATALOG, Sail, SailServer
from alerting_assets.lakehouse.sail_errors import is_missing_table, plan_error, planned_names, query_error, rows_of
from alerting_assets.lakehouse.session_catalog import SessionCatalog
from alerting_assets.lakehouse.views import ViewStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Result = TypeVar("Result")


class EmbeddedLakehouse(Lakehouse):
    """Tables lie at `<root>/<catalog>/<schema>/<table>/`; every Delta table found there can be queried.

    max_calls: queries after which the SQL engine's process is replaced. It grows by about 0.1 MB a call, and a new one takes about
        half a second.
    query_seconds: how long one query may run.
    describe_seconds: how long the analysis of one query may take."""

    def __init__(
        self,
        root: Path,
        catalog: str,
        schema: str,
        *,
        max_calls: int = 2_500,
        query_seconds: float = 600.0,
        describe_seconds: float = 30.0,
    ) -> None:
        if catalog == RESERVED_CATALOG:
            raise LakehouseUnavailable(
                f"ALERTING_CATALOG={catalog}: the embedded engine keeps this name for itself; choose another"
            )
        self._namespace = (catalog, schema)
        self._describe_seconds = describe_seconds
        self._store = DeltaStore(root.absolute())
        make_folder(self._store.root)
        self._views = ViewStore(self._store)
        self._catalogs: weakref.WeakKeyDictionary[SailServer, SessionCatalog] = weakref.WeakKeyDictionary()
        self._sail = Sail(self._store.root, catalog, schema, self._prepare, max_calls, query_seconds)

    @property
    def engine(self) -> str:
        return "embedded"

    @property
    def is_spark(self) -> bool:
        return False

    @property
    def namespace(self) -> tuple[str, str]:
        return self._namespace

    @property
    def engine_process_id(self) -> int | None:
        """The process id of the running Sail child, or None before the first query."""
        return self._sail.process_id

    def create_table(self, spec: TableSpec) -> None:
        self._store.create(self._name(spec.name), spec)

    def append(self, table: str | TableName, rows: pa.Table) -> int:
        version = delta_writes.append(self._store, self._name(table), rows)
        delta_maintenance.compact_if_needed(self._store, self._name(table), version)
        return version

    def merge(
        self,
        table: str | TableName,
        rows: pa.Table,
        *,
        on: Sequence[str],
        update: Sequence[str] | None = None,
        insert: bool = True,
        matched_if: str | None = None,
        among: str | None = None,
    ) -> MergeResult:
        result, version = delta_writes.merge(
            self._store,
            self._name(table),
            rows,
            on=on,
            update=update,
            insert=insert,
            matched_if=matched_if,
            among=among,
        )
        if result != MergeResult(0, 0):
            delta_maintenance.compact_if_needed(self._store, self._name(table), version)
        return result

    def delete(self, table: str | TableName, keys: pa.Table) -> int:
        return delta_writes.delete(self._store, self._name(table), keys)

    def delete_where(self, table: str | TableName, condition: str) -> int:
        return delta_writes.delete_where(self._store, self._name(table), condition)

    def version(self, table: str | TableName) -> TableVersion:
        return self._store.version(self._name(table))

    def commit(self, table: str | TableName, version: int) -> str | None:
        return self._store.commit(self._name(table), version)

    def committed_at(self, table: str | TableName, version: int) -> datetime | None:
        return self._store.committed_at(self._name(table), version)

    def maintain(self, table: str | TableName, retention_days: int) -> MaintenanceResult:
        return delta_maintenance.maintain(self._store, self._name(table), retention_days)

    def changes(self, table: str | TableName, since: int) -> Changes:
        return self._store.changes(self._name(table), since)

    def read(
        self,
        table: str | TableName,
        columns: Sequence[str] | None = None,
        *,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        return self._store.read(self._name(table), columns, sql_text.which(where, order_by, limit))

    def query(self, sql: str, *, seconds: float | None = None) -> pa.Table:
        return self._run(sql, lambda session: rows_of(session, sql), seconds)

    def describe(self, sql: str, *, planned: bool = True) -> tuple[Column, ...]:
        return self._run(sql, lambda session: _describe(session, sql, planned=planned), self._describe_seconds)

    def output_names(self, sql: str) -> tuple[str, ...]:
        return self._run(sql, lambda session: _output_names(session, sql), self._describe_seconds)

    def table_columns(self, table: str | TableName) -> tuple[Column, ...]:
        name = self._name(table)
        if name in self._views.files():
            return self.describe(f"SELECT * FROM {sql_text.quoted(name)}")
        return self._store.columns(name)

    def tables(self) -> tuple[TableName, ...]:
        return tuple(sorted({*self._store.tables(), *self._views.files()}))

    def create_view(self, name: str, sql: str) -> None:
        view = self._name(name)
        self._store.path(view)  # refuses names that no file can have
        if view in self._store.tables():
            raise LakehouseError(f"view {view} cannot be created: there is a table of this name")
        if self._views.holds(view, sql):
            return  # as it was proven when it was written: no reason to start the SQL engine

        def define(server: SailServer) -> None:
            with server.lock:
                catalog = self._catalogs[server]
                catalog.refresh()
                _describe(server.session, sql)
                catalog.define_view(view, sql)
                try:
                    _describe(server.session, f"SELECT * FROM {sql_text.quoted(view)}")
                except BaseException:
                    catalog.forget_view(view)
                    raise

        try:
            self._translated(sql, define)
        except QueryError as error:
            if error.kind is not QueryErrorKind.SYNTAX or "`" not in sql:
                raise
            raise QueryError(
                QueryErrorKind.UNSUPPORTED,
                f"view {view}: the embedded engine cannot keep names in backticks inside a view; use plain names",
            ) from error
        self._views.write(view, sql)

    def close(self) -> None:
        self._sail.close()

    def _name(self, table: str | TableName) -> TableName:
        if isinstance(table, TableName):
            return table
        parts = [part.strip("`") for part in table.split(".")]
        if len(parts) > 3 or not all(parts):
            raise TableNotFound(f"{table!r} is not a table name; use table, schema.table or catalog.schema.table")
        return TableName(*(*self._namespace[: 3 - len(parts)], *parts))

    def _prepare(self, server: SailServer) -> None:
        catalog = SessionCatalog(server.session, server.folder, self._store, self._views, unusable=_unusable)
        catalog.refresh()
        self._catalogs[server] = catalog

    def _run(self, sql: str, work: Callable[[SparkSession], Result], seconds: float | None = None) -> Result:
        def attempt(server: SailServer) -> Result:
            from pyspark.errors import PySparkException

            catalog = self._catalogs[server]
            with server.lock:
                catalog.refresh_views()
                generation = catalog.generation
            try:
                return work(server.session)
            except PySparkException as error:
                if not is_missing_table(error):
                    raise
                with server.lock:
                    catalog.refresh()
                if catalog.generation == generation:
                    raise
            return work(server.session)

        return self._translated(sql, attempt, seconds)

    def _translated(self, sql: str, work: Callable[[SailServer], Result], seconds: float | None = None) -> Result:
        load_pyspark()
        from pyspark.errors import PySparkException

        try:
            return self._sail.run(work, seconds)
        except (PySparkException, pa.ArrowException) as error:
            raise query_error(error, sql, self._known_tables) from error

    def _known_tables(self) -> list[str]:
        return [str(name) for name in self.tables()]


def _unusable(name: TableName) -> str | None:
    return (
        f"the catalog name {RESERVED_CATALOG} is reserved by the embedded engine"
        if name.catalog == RESERVED_CATALOG
        else None
    )


def _describe(session: SparkSession, sql: str, *, planned: bool = True) -> tuple[Column, ...]:
    """The output columns of a query that is analysed and not run. Asking for its schema finds most errors, with their positions in
    the text; its plan finds the rest (folded constants, casts).

    `session.sql` would execute a text that is a command. A relation of its own, as it is built here, can only be analysed."""
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.plan import SQL

    frame = DataFrame(SQL(sql), session)
    schema = frame.schema
    if planned:
        error = plan_error(frame._explain_string(), sql)
        if error is not None:
            raise error
    return tuple(Column(field.name, field.dataType.simpleString(), field.nullable) for field in schema.fields)


def _output_names(session: SparkSession, sql: str) -> tuple[str, ...]:
    """The names of the output columns as the plan shows them. Not asking for the schema saves a third of the time that the
    validation of an aggregated alert takes."""
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.plan import SQL

    with contextlib.suppress(PySparkException):  # the schema names most errors better: found again below
        if names := planned_names(DataFrame(SQL(sql), session)._explain_string()):
            return names
    return tuple(column.name for column in _describe(session, sql))

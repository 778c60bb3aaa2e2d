"""The lakehouse as SQL, shared by Spark and Databricks SQL warehouses; `Statements` is the way that a statement travels."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa
from tenacity import RetryCallState, Retrying, stop_after_delay, wait_random_exponential

from alerting_assets.errors import (
    ChangesUnavailable,
    ConcurrentWriteError,
    LakehouseError,
    QueryError,
    QueryErrorKind,
    TableNotFound,
)
from alerting_assets.lakehouse import sql_text
from alerting_assets.lakehouse.arrow import arrow_field, arrow_type, spark_type
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
from alerting_assets.lakehouse.rows import conform, distinct_keys, merge_source, refuse_duplicates, subset
from alerting_assets.lakehouse.spark_errors import SparkFailure, plain, planned_failure
from alerting_assets.sql_literal import identifier

RETRY_SECONDS = 120.0
"""How long a writer goes on against others before it gives up."""

CREATE_ATTEMPTS = 6
LEAST_VACUUM_DAYS = 7
"""VACUUM refuses less, to protect queries and writers that run meanwhile."""

_FEED_COLUMNS = (
    pa.field("_change_type", pa.string()),
    pa.field("_commit_version", pa.int64()),
    pa.field("_commit_timestamp", pa.timestamp("us", tz="UTC")),
)
Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Rows as a relation that can stand behind FROM and USING, and the parameters that its SQL names."""

    sql: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class Statements(ABC):
    """How a statement reaches an engine. Thread-safe. Raises SparkFailure for what the engine answers, and LakehouseErrors for
    everything else."""

    @abstractmethod
    def run(
        self,
        sql: str,
        parameters: Mapping[str, str] | None = None,
        *,
        reads: bool = False,
        in_schema: bool = True,
        seconds: float | None = None,
    ) -> pa.Table:
        """Run one statement and return its rows; DDL returns none.

        parameters: values of type STRING by name.
        reads: the statement changes nothing, so it may be sent again when an answer is lost.
        in_schema: short names are those of our own schema, which therefore must exist.
        seconds: how long it may run; None: as long as any statement."""

    @abstractmethod
    def source(self, rows: pa.Table) -> AbstractContextManager[Source]:
        """Make `rows` available as a relation to the statements of this block."""

    @abstractmethod
    def close(self) -> None: ...


@dataclass(frozen=True)
class _Described:
    """properties: of the table, as DESCRIBE writes them: `[a=1,b=2]`."""

    columns: tuple[Column, ...]
    properties: str

    @property
    def has_change_feed(self) -> bool:
        return f"{sql_text.CHANGE_FEED}=true" in self.properties


class SqlLakehouse(Lakehouse):
    """Tables and views live in a metastore (Unity Catalog, or whatever the Spark session has)."""

    def __init__(
        self, statements: Statements, catalog: str, schema: str, features: sql_text.Features, engine: str = "spark"
    ) -> None:
        self._statements = statements
        self._engine = engine
        self._namespace = (catalog, schema)
        self._features = features

    @property
    def engine(self) -> str:
        return self._engine

    @property
    def namespace(self) -> tuple[str, str]:
        return self._namespace

    def create_table(self, spec: TableSpec) -> None:
        name = self._name(spec.name)

        def attempt() -> None:
            try:
                described = self._described(name)
            except TableNotFound:
                self._run(sql_text.create_schema(name), in_schema=False)
                self._run(sql_text.create_table(name, spec, self._features, self._location(name)))
                described = self._described(name)
            existing = {column.name: column.type for column in described.columns}
            for column in spec.columns:
                if existing.get(column.name, column.type) != column.type:
                    raise LakehouseError(
                        f"table {name}, column {column.name}: is {existing[column.name]}, must be {column.type}; "
                        "columns are never retyped: move the data into a new table"
                    )
            if new := [column for column in spec.columns if column.name not in existing]:
                self._run(sql_text.add_columns(name, new))
            wanted = {**({} if described.has_change_feed else {sql_text.CHANGE_FEED: "true"}), **spec.properties}
            self._set_properties(name, wanted, described)

        self._write(name, attempt)

    def append(self, table: str | TableName, rows: pa.Table) -> int:
        name = self._name(table)
        data = conform(name, rows, self._arrow_schema(name))
        if data.num_rows:
            with self._source(name, data) as source:
                sql = sql_text.insert(name, data.column_names, source.sql)
                self._write(name, lambda: self._run(sql, source.parameters))
        return self._newest_version(name)

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
        name = self._name(table)
        refuse_duplicates(name, rows, on)
        schema = self._arrow_schema(name)
        planned = merge_source(name, rows, schema, on=on, update=update, insert=insert, extra=matched_if is not None)
        if not (planned.rows.num_rows and (planned.updated or insert)):
            return MergeResult(0, 0)
        with self._source(name, planned.rows) as source:
            sql = sql_text.merge(
                name,
                schema,
                source.sql,
                on=on,
                updated=planned.updated,
                inserted=planned.stored if insert else (),
                columns=planned.rows.column_names,
                matched_if=matched_if,
                among=among,
            )
            counts = self._write(name, lambda: self._run(sql, source.parameters)).to_pylist()[0]
        return MergeResult(int(counts["num_inserted_rows"]), int(counts["num_updated_rows"]))

    def delete(self, table: str | TableName, keys: pa.Table) -> int:
        name = self._name(table)
        schema = self._arrow_schema(name)
        wanted = distinct_keys(name, keys, schema)
        if not wanted.num_rows:
            return 0
        with self._source(name, wanted) as source:
            sql = sql_text.delete(name, schema, source.sql, wanted.column_names)
            counts = self._write(name, lambda: self._run(sql, source.parameters)).to_pylist()[0]
        return int(counts["num_deleted_rows"])

    def delete_where(self, table: str | TableName, condition: str) -> int:
        name = self._name(table)
        counted = self._on_table(name, f"SELECT COUNT(*) AS found FROM {sql_text.quoted(name)} WHERE {condition}")
        if found := int(counted.column("found")[0].as_py()):
            self._write(name, lambda: self._run(sql_text.delete_where(name, condition)))
        return found

    def version(self, table: str | TableName) -> TableVersion:
        name = self._name(table)
        detail = self._on_table(name, f"DESCRIBE DETAIL {sql_text.quoted(name)}").to_pylist()[0]
        return TableVersion(str(detail["id"]), self._newest_version(name))

    def commit(self, table: str | TableName, version: int) -> str | None:
        """A hash of what the table's history says of it: its time, its operation and what that did."""
        row = self._told_of(self._name(table), version)
        if row is None:
            return None
        told = [row[column] for column in ("timestamp", "operation", "operationParameters", "operationMetrics")]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:32]

    def committed_at(self, table: str | TableName, version: int) -> datetime | None:
        row = self._told_of(self._name(table), version)
        if row is None:
            return None
        moment: datetime = row["timestamp"]
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    def maintain(self, table: str | TableName, retention_days: int) -> MaintenanceResult:
        """Files are kept for LEAST_VACUUM_DAYS at least. The log is cleaned up by Delta itself, as the property says that is set here."""
        name, days = self._name(table), max(retention_days, LEAST_VACUUM_DAYS)
        wanted = {
            "delta.logRetentionDuration": f"interval {days} days",
            "delta.deletedFileRetentionDuration": f"interval {days} days",
            "delta.enableExpiredLogCleanup": "true",  # the embedded engine, which may share the folder, switches it off
            "delta.autoOptimize.autoCompact": "true",  # small files are compacted by those who write them
        }
        self._write(name, lambda: self._set_properties(name, wanted))
        self._write(name, lambda: self._run(f"OPTIMIZE {sql_text.quoted(name)}"))
        self._write(name, lambda: self._run(f"VACUUM {sql_text.quoted(name)} RETAIN {days * 24} HOURS"))
        return MaintenanceResult()

    def changes(self, table: str | TableName, since: int) -> Changes:
        name = self._name(table)
        head = self.version(name)
        described = self._described(name)
        columns = [arrow_field(column).with_nullable(True).remove_metadata() for column in described.columns]
        schema = pa.schema([*columns, *_FEED_COLUMNS])
        if not described.has_change_feed:
            raise ChangesUnavailable(
                f"table {name} has no change feed: set {sql_text.CHANGE_FEED}=true on it (ALTER TABLE … SET TBLPROPERTIES)"
            )
        if since > head.version:
            raise ChangesUnavailable(f"table {name} is at version {head.version}: there are no changes since {since}")
        if since == head.version:
            return Changes(schema.empty_table(), head)
        try:
            feed = self._run(sql_text.changes(name, max(since + 1, 0), head.version), reads=True)
        except SparkFailure as failure:
            if failure.is_missing_table or not failure.is_feed_gone:
                raise self._table_error(name, failure) from failure
            raise ChangesUnavailable(
                f"table {name}: the change feed does not reach back to version {since}: {plain(failure.text)}"
            ) from failure
        rows = _cast(feed.select(schema.names), schema)
        return Changes(rows.sort_by("_commit_version"), head)

    def read(
        self,
        table: str | TableName,
        columns: Sequence[str] | None = None,
        *,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        name = self._name(table)
        try:
            rows = self._run(sql_text.select(name, columns, sql_text.which(where, order_by, limit)), reads=True)
        except SparkFailure as failure:
            error = self._table_error(name, failure)
            if self._query_error(failure).kind is QueryErrorKind.MISSING_COLUMN:
                subset(name, self._arrow_schema(name), columns or ())
            raise error from failure
        return _plain_schema(rows)

    def query(self, sql: str, *, seconds: float | None = None) -> pa.Table:
        return _plain_schema(self._analysed(sql, seconds=seconds))

    def describe(self, sql: str, *, planned: bool = True) -> tuple[Column, ...]:
        """DESCRIBE QUERY finds most errors, with positions; the plan finds the rest (folded constants, casts)."""
        rows = self._analysed(f"DESCRIBE QUERY\n{sql}", shift=1).to_pylist()
        if planned:
            plan = "\n".join(row["plan"] for row in self._analysed(f"EXPLAIN\n{sql}", shift=1).to_pylist())
            if (failure := planned_failure(plan)) is not None:
                raise self._query_error(failure)
        return tuple(Column(row["col_name"], row["data_type"]) for row in rows)

    def table_columns(self, table: str | TableName) -> tuple[Column, ...]:
        name = self._name(table)
        columns = self._described(name).columns
        required = self._required_columns(name)
        return tuple(replace(column, nullable=column.name not in required) for column in columns)

    def tables(self) -> tuple[TableName, ...]:
        """The tables and views of our own schema. All others are left out, because a metastore may hold a hundred thousand of them."""
        catalog, schema = self._namespace
        try:
            listed = self._run(f"SHOW TABLES IN {identifier(catalog)}.{identifier(schema)}", reads=True)
        except SparkFailure as failure:
            if failure.is_missing_table:
                return ()
            raise LakehouseError(
                f"the tables of {catalog}.{schema} cannot be listed: {plain(failure.text)}"
            ) from failure
        names = (row["tableName"] for row in listed.to_pylist() if not row["isTemporary"])
        return tuple(sorted(TableName(catalog, schema, name) for name in names))

    def create_view(self, name: str, sql: str) -> None:
        view = self._name(name)
        self.describe(sql)
        try:
            self._define_view(view, sql)
        except SparkFailure as failure:
            raise self._view_error(view, failure) from failure

    def create_metric_view(self, name: str, definition: str, plain_sql: str) -> None:
        view = self._name(name)
        if self._features.metric_views:
            try:
                self._run(sql_text.create_metric_view(view, definition))
                return
            except SparkFailure as failure:
                if not failure.has_no_metric_views:
                    raise self._view_error(view, failure) from failure
                log.info("view %s becomes a plain one: %s", view, plain(failure.text))
        self.create_view(name, plain_sql)

    def close(self) -> None:
        self._statements.close()

    # -- what a session with a catalog of its own in memory does otherwise

    def _location(self, name: TableName) -> str | None:  # noqa: ARG002
        """The folder that a new table is created in; None leaves the choice to the metastore."""
        return None

    def _define_view(self, view: TableName, sql: str) -> None:
        self._run(sql_text.create_view(view, sql))

    def _writing(self, name: TableName) -> AbstractContextManager[object]:  # noqa: ARG002
        """A context that is held around every write. The tables of a metastore need none."""
        return nullcontext()

    def _refresh(self) -> bool:
        """Look again for what other processes created, and say whether a table that was missing may be there now."""
        return False

    # -- statements

    def _run(self, sql: str, parameters: Mapping[str, str] | None = None, **how: Any) -> pa.Table:
        try:
            return self._statements.run(sql, parameters, **how)
        except SparkFailure as failure:
            if not (failure.is_missing_table and self._refresh()):
                raise
        return self._statements.run(sql, parameters, **how)

    def _analysed(self, sql: str, shift: int = 0, seconds: float | None = None) -> pa.Table:
        """Send a text that holds a user's query after `shift` lines of ours; positions in errors count from the user's first line."""
        try:
            return self._run(sql, reads=True, seconds=seconds)
        except SparkFailure as failure:
            raise self._query_error(SparkFailure(failure.text, shift)) from failure

    def _query_error(self, failure: SparkFailure) -> QueryError:
        return failure.query_error(on_databricks=self._features is sql_text.DATABRICKS)

    def _on_table(self, name: TableName, sql: str) -> pa.Table:
        try:
            return self._run(sql, reads=True)
        except SparkFailure as failure:
            raise self._table_error(name, failure) from failure

    def _write(self, name: TableName, attempt: Callable[[], Result]) -> Result:
        """Run a write, and run it again after a random pause each time that another writer was faster. Raises ConcurrentWriteError
        after RETRY_SECONDS."""
        retrying = Retrying(
            retry=_may_win,
            wait=wait_random_exponential(multiplier=0.1, max=5.0),
            stop=stop_after_delay(RETRY_SECONDS),
            reraise=True,
        )
        try:
            with self._writing(name):
                return retrying(attempt)
        except SparkFailure as failure:
            if failure.is_conflict:
                raise ConcurrentWriteError(
                    f"table {name}: other writers won for {RETRY_SECONDS:.0f} seconds; nothing was written, try again later"
                ) from failure
            raise self._table_error(name, failure) from failure

    @contextmanager
    def _source(self, name: TableName, rows: pa.Table) -> Iterator[Source]:
        try:
            with self._statements.source(rows) as source:
                yield source
        except SparkFailure as failure:
            raise self._table_error(name, failure) from failure

    def _table_error(self, name: TableName, failure: SparkFailure) -> LakehouseError:
        if failure.is_missing_table:
            return TableNotFound(f"table {name} does not exist")
        return LakehouseError(f"table {name}: {plain(failure.text)}")

    def _view_error(self, view: TableName, failure: SparkFailure) -> LakehouseError:
        if failure.condition.startswith(("EXPECT_VIEW_NOT_TABLE", "TABLE_OR_VIEW_ALREADY_EXISTS")):
            return LakehouseError(f"view {view} cannot be created: there is a table of this name")
        return self._query_error(failure)

    def _described(self, name: TableName) -> _Described:
        rows = self._on_table(name, f"DESCRIBE TABLE EXTENDED {sql_text.quoted(name)}").to_pylist()
        columns, properties = [], ""
        for position, row in enumerate(rows):
            if row["col_name"] == "" or row["col_name"].startswith("# "):
                details = {item["col_name"]: item["data_type"] for item in rows[position:]}
                properties = details.get("Table Properties") or ""
                break
            columns.append(Column(row["col_name"], row["data_type"], comment=row["comment"] or ""))
        return _Described(tuple(columns), properties)

    def _required_columns(self, name: TableName) -> set[str]:
        """The NOT NULL columns. DESCRIBE does not tell them: Databricks' information schema does, or Spark's schema of a result."""
        if self._features.information_schema:
            rows = self._on_table(name, sql_text.required_columns(name)).to_pylist()
            return {row["column_name"] for row in rows}
        schema = self._on_table(name, f"{sql_text.select(name, None)} LIMIT 0").schema
        return {item.name for item in schema if not item.nullable}

    def _set_properties(self, name: TableName, wanted: Mapping[str, str], described: _Described | None = None) -> None:
        """Set those that are missing or differ."""
        present = (described or self._described(name)).properties
        if missing := {key: value for key, value in wanted.items() if f"{key}={value}" not in present}:
            self._run(sql_text.set_properties(name, missing))

    def _told_of(self, name: TableName, version: int) -> dict[str, Any] | None:
        """What the table's history says of a version; None where it says nothing of it."""
        head = self._newest_version(name)
        if not 0 <= version <= head:
            return None
        return next((row for row in self._history(name, head - version + 1) if row["version"] == version), None)

    def _newest_version(self, name: TableName) -> int:
        return int(self._history(name, 1)[0]["version"])

    def _history(self, name: TableName, newest: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._on_table(
            name, f"DESCRIBE HISTORY {sql_text.quoted(name)} LIMIT {newest}"
        ).to_pylist()
        return rows

    def _arrow_schema(self, name: TableName) -> pa.Schema:
        return pa.schema([arrow_field(column) for column in self.table_columns(name)])

    def _name(self, table: str | TableName) -> TableName:
        if isinstance(table, TableName):
            return table
        parts = [part.strip("`") for part in table.split(".")]
        if len(parts) > 3 or not all(parts):
            raise TableNotFound(f"{table!r} is not a table name; use table, schema.table or catalog.schema.table")
        return TableName(*(*self._namespace[: 3 - len(parts)], *parts))


def _may_win(state: RetryCallState) -> bool:
    """Whether another attempt may succeed. A conflict passes. What is there already is found by the next look, unless it is not
    what we meant, so that is tried a few times only."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, SparkFailure):
        return False
    return error.is_conflict or (error.is_there_already and state.attempt_number < CREATE_ATTEMPTS)


def _plain_schema(rows: pa.Table) -> pa.Table:
    """The rows in our own types, without the metadata and the NOT NULL that an engine adds: a result promises neither."""
    return _cast(rows, pa.schema([pa.field(item.name, _plain_type(item.type)) for item in rows.schema]))


def _plain_type(arrow: pa.DataType) -> pa.DataType:
    try:
        return arrow_type(spark_type(arrow))
    except LakehouseError:
        return arrow  # an interval, say: shown as the engine gave it


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays(
        [rows.column(index).cast(item.type) for index, item in enumerate(schema)], schema=schema
    )

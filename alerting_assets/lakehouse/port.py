"""The port to Delta tables and SQL. An engine is a subclass of `Lakehouse`; nothing above it knows which one.

Contract, the same for every engine:

1. Rows travel as `pyarrow.Table`. Timestamps are microseconds in UTC.
2. A write is one Delta commit or nothing. Concurrent writers retry with jitter; `ConcurrentWriteError` only when the retries run out.
3. `merge` touches a matched row only where an updated column really differs (`IS DISTINCT FROM`), and makes no commit
   when no row is inserted or changed. So a write-back of unchanged data leaves no trace in the change feed.
4. Rows travel as Arrow data, or as parameters of a statement, never inside SQL text.
5. `describe` executes nothing. `query` runs exactly one query; callers prove first that the text is one (validation/).
6. Errors are the `LakehouseError` tree; no exception of a library underneath gets out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

import pyarrow as pa


@dataclass(frozen=True, order=True)
class TableName:
    catalog: str
    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.table}"


@dataclass(frozen=True)
class Column:
    """`type` is Spark's simple string: bigint, double, decimal(10,2), array<string>, map<string,string>, …"""

    name: str
    type: str
    nullable: bool = True
    comment: str = ""


@dataclass(frozen=True)
class TableSpec:
    """One of our own tables. `key` names the columns that identify a row; merges and deletes match rows by them. properties: of the
    table, beside those of Delta."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class TableVersion:
    """`table_id` is Delta's metadata id: a dropped and re-created table has another one, so versions of two lives never mix."""

    table_id: str
    version: int


@dataclass(frozen=True)
class Changes:
    """Rows of the change feed for versions (since, head], ordered by `_commit_version`, with the columns
    `_change_type` (insert, update_preimage, update_postimage, delete), `_commit_version`, `_commit_timestamp`."""

    rows: pa.Table
    head: TableVersion


@dataclass(frozen=True)
class MergeResult:
    inserted: int
    updated: int


@dataclass(frozen=True)
class MaintenanceResult:
    """compacted: how many files became fewer, larger ones. removed: how many files, of data and of the change feed, were deleted.
    None: the engine does not tell."""

    compacted: int | None = None
    removed: int | None = None


class Lakehouse(ABC):
    """A catalog of Delta tables, and SQL over them.

    `namespace` is the catalog and the schema in which our own tables live. Wherever a method takes a table, it takes a short name
    (a table of that namespace), a name with its schema, or a full name."""

    @property
    @abstractmethod
    def engine(self) -> str:
        """`embedded`, `spark` or `warehouse`: what its verdict on a query is worth."""

    @property
    def is_spark(self) -> bool:
        """Whether it is Spark or Databricks: what it accepts and what comes out is the same there. Another engine's word needs a second
        opinion."""
        return True

    @property
    @abstractmethod
    def namespace(self) -> tuple[str, str]:
        """(catalog, schema) of our own tables."""

    @abstractmethod
    def create_table(self, spec: TableSpec) -> None:
        """Create the table with its change feed on, unless it is there; calling this again changes nothing.

        Columns that an existing table lacks are added, as nullable. Nothing is ever dropped or retyped: a column whose type differs
        raises LakehouseError."""

    @abstractmethod
    def append(self, table: str | TableName, rows: pa.Table) -> int:
        """Append the rows in one commit and return the table's version after it. Columns that `rows` lacks become NULL; no rows
        make no commit."""

    @abstractmethod
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
        """MERGE on the columns `on`.

        update: columns to set on matched rows; None means all of `rows` but `on`; () means none.
        insert: whether unmatched rows are inserted.
        matched_if: further condition on the update, SQL over `target.` and `source.` columns (source may hold columns that the
            table lacks, for use here only). It is our own text, never a user's.
        among: which rows of the table are looked at, SQL over `target.` columns, by which the engine finds the few files that can
            hold them; a row that it leaves out counts as absent. Our own text as well.
        """

    @abstractmethod
    def delete(self, table: str | TableName, keys: pa.Table) -> int:
        """Delete the rows whose key columns have one of the combinations of values in `keys`, and return how many were deleted.
        When none matches, no commit is made."""

    @abstractmethod
    def delete_where(self, table: str | TableName, condition: str) -> int:
        """Delete the rows for which a condition holds, and return how many were deleted. When there is none, no commit is made.

        condition: SQL over the table's columns, and our own text, never a user's. A moment is compared as text with its zone, as in
            `at < '2026-03-29T01:30:00Z'`, which means the same on every engine."""

    @abstractmethod
    def version(self, table: str | TableName) -> TableVersion: ...

    @abstractmethod
    def commit(self, table: str | TableName, version: int) -> str | None:
        """What tells the commit that made this version from any other one that made, or will make, the same version of the same
        table, as after a restore from a copy; None where the table has no such version or its log no longer says."""

    @abstractmethod
    def committed_at(self, table: str | TableName, version: int) -> datetime | None:
        """When this version was made; None where the table has no such version or its log no longer says."""

    @abstractmethod
    def maintain(self, table: str | TableName, retention_days: int) -> MaintenanceResult:
        """Compact small files into large ones, in the order in which their rows were written, and remove the files and the log that no
        version of the last `retention_days` needs; its change feed is kept as long. An engine may keep them longer. Neither compaction
        nor removal adds rows to the change feed. A process that is killed in the midst of it leaves a table that is whole."""

    @abstractmethod
    def changes(self, table: str | TableName, since: int) -> Changes:
        """The changes after version `since`. Raises ChangesUnavailable when the feed was cleaned up past `since`, or `since` is
        beyond the head."""

    @abstractmethod
    def read(
        self,
        table: str | TableName,
        columns: Sequence[str] | None = None,
        *,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """The rows of a table, which must fit into memory. An engine that finds them without its SQL engine, which takes a second to
        start, does so.

        columns: the columns to read; None reads all.
        where: a condition that they fulfil, as in `delete_where`; None: all rows.
        order_by: SQL over the table's columns as well; None: in no order. limit: how many rows at most."""

    @abstractmethod
    def query(self, sql: str, *, seconds: float | None = None) -> pa.Table:
        """Run exactly one query and return all its rows. Raises QueryError when the engine refuses it or it fails.

        seconds: how long it may run; None: as long as the engine lets a query run."""

    @abstractmethod
    def describe(self, sql: str, *, planned: bool = True) -> tuple[Column, ...]:
        """The output columns of a query, which is analysed and not run. Raises QueryError.

        planned: whether the engine also plans the query. That finds what analysis alone does not, such as a constant that cannot be
            cast."""

    def output_names(self, sql: str) -> tuple[str, ...]:
        """The names of the output columns of a query, which is analysed, planned and not run. Raises QueryError as `describe` does."""
        return tuple(column.name for column in self.describe(sql))

    @abstractmethod
    def table_columns(self, table: str | TableName) -> tuple[Column, ...]:
        """The columns of any table or view that the engine knows. Raises TableNotFound."""

    @abstractmethod
    def tables(self) -> tuple[TableName, ...]:
        """All tables and views, listed anew at every call: every one in the folders, or those of our own schema where a metastore
        keeps them."""

    @abstractmethod
    def create_view(self, name: str, sql: str) -> None:
        """Create or replace a view. Where views are files, creating one again that is there in this very form costs nothing."""

    def create_metric_view(self, name: str, definition: str, plain_sql: str) -> None:  # noqa: ARG002
        """Create or replace a metric view where the engine has those, and elsewhere a plain view of the same name.

        definition: the YAML of the metric view, as Databricks reads it.
        plain_sql: the query of the plain view: every measure by all dimensions."""
        self.create_view(name, plain_sql)

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""The embedded engine without a lakehouse: a query sees the rows that come with it, and nothing else."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from alerting_assets.lakehouse.arrow import spark_type
from alerting_assets.lakehouse.pyspark_import import load_pyspark
from alerting_assets.lakehouse.sail import Sail, SailServer
from alerting_assets.lakehouse.sail_errors import query_error, rows_of
from alerting_assets.sql_literal import identifier

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

QUERY_SECONDS = 60.0


class ScratchEngine:
    """A SQL engine over rows that are handed to it. Thread-safe; nothing is written anywhere. The engine's process starts at the
    first query."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="alerting-scratch-")
        self._sail = Sail(Path(self._folder.name), "scratch", "scratch", lambda _server: None, 5_000, QUERY_SECONDS)
        self._numbers = itertools.count()

    def query(self, tables: Sequence[pa.Table], sql_of: Callable[[Sequence[str]], str]) -> pa.Table:
        """Run one query over the given tables. sql_of: makes the query's text from the names under which the tables are known, in
        their order. Raises QueryError."""
        load_pyspark()
        from pyspark.errors import PySparkException

        names = [f"given_{next(self._numbers)}" for _ in tables]
        sql = sql_of(names)

        def work(server: SailServer) -> pa.Table:
            session = server.session
            try:
                for name, rows in zip(names, tables, strict=True):
                    _frame(session, rows).createOrReplaceTempView(name)
                return rows_of(session, sql)
            finally:
                for name in names:
                    session.catalog.dropTempView(name)

        try:
            return self._sail.run(work)
        except (PySparkException, pa.ArrowException) as error:
            raise query_error(error, sql, list) from error

    def close(self) -> None:
        self._sail.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _frame(session: SparkSession, rows: pa.Table) -> DataFrame:
    if rows.num_rows:
        return session.createDataFrame(rows)
    columns = ", ".join(f"CAST(NULL AS {spark_type(field.type)}) AS {identifier(field.name)}" for field in rows.schema)
    return session.sql(f"SELECT {columns} WHERE FALSE")

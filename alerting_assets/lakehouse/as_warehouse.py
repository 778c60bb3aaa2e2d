"""A local Spark as a SQL warehouse, for the local workspace's statements: what Databricks has and open-source Spark lacks is left out
of a statement, or answered here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack

import pyarrow as pa

from alerting_assets.lakehouse.port import TableName
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
from alerting_assets.workspace.local import StatementRunner
from alerting_assets.workspace.local.sql_text import Parameter, bind, spark_literal

_LEFT_OUT = re.compile(r"^CLUSTER BY AUTO\n|,\s*CONSTRAINT `\w+` PRIMARY KEY \([^)]*\)", re.M)
_REQUIRED_COLUMNS = re.compile(
    r"SELECT column_name FROM `(\w+)`\.information_schema\.columns\s+"
    r"WHERE table_schema = '(\w+)' AND table_name = '(\w+)' AND is_nullable = 'NO'"
)
_CREATE_VIEW = re.compile(r"CREATE OR REPLACE VIEW `(\w+)`\.`(\w+)`\.`(\w+)` AS\n(.*)", re.S)


LARGE = 65_536
"""Number of characters from which on a parameter's value is not written as a literal: Spark takes minutes to parse megabytes of
text."""


def statement_runner(lakehouse: LocalSparkLakehouse) -> StatementRunner:
    """A function that runs any one statement. Its errors have Spark's own text, as those of a warehouse have."""

    def run(sql: str, parameters: Sequence[Parameter]) -> pa.Table:
        if found := _REQUIRED_COLUMNS.fullmatch(sql):
            columns = lakehouse.table_columns(TableName(*found.groups()))
            return pa.table({"column_name": [column.name for column in columns if not column.nullable]})
        if found := _CREATE_VIEW.fullmatch(sql):
            lakehouse.define_view(
                TableName(*found.groups()[:3]), found[4]
            )  # kept as a file, so that it outlives this process
            return pa.table({})
        if sql.startswith("CREATE TABLE"):
            sql = _LEFT_OUT.sub("", sql)
        with ExitStack() as stack:
            values = {}
            for parameter in parameters:
                text = parameter.value or ""
                values[parameter.name] = spark_literal(parameter)
                if len(text) > LARGE and parameter.type.upper() == "STRING":
                    view = stack.enter_context(lakehouse.rows_as_view(pa.table({"value": [text]})))
                    values[parameter.name] = f"(SELECT value FROM {view})"
            return lakehouse.run(bind(sql, values) if parameters else sql)

    return run

"""A local Spark as a SQL warehouse, for the local workspace's statements: what Databricks has and open-source Spark lacks is left out
of a statement, or answered here."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa

from alerting_assets.lakehouse.port import TableName
from alerting_assets.lakehouse.spark import LocalSparkLakehouse

_LEFT_OUT = re.compile(r"^CLUSTER BY AUTO\n|,\s*CONSTRAINT `\w+` PRIMARY KEY \([^)]*\)", re.M)
_REQUIRED_COLUMNS = re.compile(
    r"SELECT column_name FROM `(\w+)`\.information_schema\.columns\s+"
    r"WHERE table_schema = '(\w+)' AND table_name = '(\w+)' AND is_nullable = 'NO'"
)
_CREATE_VIEW = re.compile(r"CREATE OR REPLACE VIEW `(\w+)`\.`(\w+)`\.`(\w+)` AS\n(.*)", re.S)


def statement_runner(lakehouse: LocalSparkLakehouse) -> Callable[[str], pa.Table]:
    """Runs any one statement. Errors have Spark's own text, as those of a warehouse have."""

    def run(sql: str) -> pa.Table:
        if found := _REQUIRED_COLUMNS.fullmatch(sql):
            columns = lakehouse.table_columns(TableName(*found.groups()))
            return pa.table({"column_name": [column.name for column in columns if not column.nullable]})
        if found := _CREATE_VIEW.fullmatch(sql):
            lakehouse.define_view(
                TableName(*found.groups()[:3]), found[4]
            )  # kept as a file, so that it outlives this process
            return pa.table({})
        return lakehouse.run(_LEFT_OUT.sub("", sql) if sql.startswith("CREATE TABLE") else sql)

    return run

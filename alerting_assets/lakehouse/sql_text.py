"""The statements of the SQL engines, as text: one dialect, that of Databricks and of Spark with Delta. Pure.

Values never stand in the text: rows come as a relation (`source`: a view, or a SELECT over a parameter). The only exceptions
are names that a catalog is asked for, comments and locations, which stand there as literals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse.arrow import arrow_type
from alerting_assets.lakehouse.parameter_rows import sql_type
from alerting_assets.lakehouse.port import Column, TableName, TableSpec
from alerting_assets.sql_literal import identifier, qualified, text_literal

CHANGE_FEED = "delta.enableChangeDataFeed"


@dataclass(frozen=True)
class Features:
    """What an engine has that others lack. All of it is additional: a reader meets the same columns without it."""

    primary_keys: bool = False
    automatic_clustering: bool = False
    information_schema: bool = False
    metric_views: bool = False


OPEN_SOURCE = Features()
DATABRICKS = Features(primary_keys=True, automatic_clustering=True, information_schema=True, metric_views=True)


def quoted(name: TableName) -> str:
    return qualified(name.catalog, name.schema, name.table)


def create_schema(name: TableName, location: str | None = None) -> str:
    where = f" LOCATION {text_literal(location)}" if location else ""
    return f"CREATE SCHEMA IF NOT EXISTS {identifier(name.catalog)}.{identifier(name.schema)}{where}"


def create_table(name: TableName, spec: TableSpec, features: Features, location: str | None = None) -> str:
    """CREATE TABLE of one of our own tables. location: its folder, where no metastore chooses one."""
    columns = [_column(column) for column in spec.columns]
    if features.primary_keys and _may_be_primary_key(spec):
        keys = ", ".join(identifier(column) for column in spec.key)
        columns.append(f"CONSTRAINT {identifier(f'{spec.name}_key')} PRIMARY KEY ({keys})")
    clauses = [
        f"CREATE TABLE IF NOT EXISTS {quoted(name)} (\n  " + ",\n  ".join(columns) + "\n)",
        "USING DELTA",
        *(["CLUSTER BY AUTO"] if features.automatic_clustering else []),
        *([f"COMMENT {text_literal(spec.comment)}"] if spec.comment else []),
        *([f"LOCATION {text_literal(location)}"] if location else []),
        f"TBLPROPERTIES ({_properties({CHANGE_FEED: 'true', **spec.properties})})",
    ]
    return "\n".join(clauses)


def add_columns(name: TableName, columns: Sequence[Column]) -> str:
    """ALTER TABLE that adds these columns. They are added as nullable, because the rows that are there have no value for them."""
    added = ",\n  ".join(_column(Column(column.name, column.type, comment=column.comment)) for column in columns)
    return f"ALTER TABLE {quoted(name)} ADD COLUMNS (\n  {added}\n)"


def set_properties(name: TableName, properties: Mapping[str, str]) -> str:
    return f"ALTER TABLE {quoted(name)} SET TBLPROPERTIES ({_properties(properties)})"


def _properties(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{text_literal(name)} = {text_literal(value)}" for name, value in properties.items())


def insert(name: TableName, columns: Sequence[str], source: str) -> str:
    names = ", ".join(identifier(column) for column in columns)
    return f"INSERT INTO {quoted(name)} ({names})\nSELECT {names} FROM {source}"


def merge(
    name: TableName,
    schema: pa.Schema,
    source: str,
    *,
    on: Sequence[str],
    updated: Sequence[str],
    inserted: Sequence[str],
    columns: Sequence[str],
    matched_if: str | None = None,
    among: str | None = None,
) -> str:
    """schema: the table's, in Arrow. columns: all of the source. A matched row is touched only where one of `updated` differs.

    Delta rewrites, in a commit, every file in which a row matches, whatever the conditions behind WHEN MATCHED say. So rows
    that would change nothing are taken out of the source first; then a merge without changes makes no commit.
    """
    changed = " OR ".join(_differs(schema.field(column)) for column in updated)
    if matched_if and changed:
        changed = f"({changed}) AND ({matched_if})"
    matches = _on(schema, on) if among is None else f"{_on(schema, on)} AND ({among})"
    unchanged = f"{matches} AND NOT COALESCE({changed}, false)" if changed else matches
    kept = ", ".join(f"source.{identifier(column)}" for column in columns)
    clauses = [
        f"MERGE INTO {quoted(name)} AS target",
        f"USING (\n  SELECT {kept} FROM {source} AS source"
        f"\n  LEFT ANTI JOIN {quoted(name)} AS target ON {unchanged}\n) AS source",
        f"ON {matches}",
    ]
    if changed:
        assignments = ", ".join(f"target.{identifier(name)} = source.{identifier(name)}" for name in updated)
        clauses.append(f"WHEN MATCHED AND ({changed}) THEN UPDATE SET {assignments}")
    if inserted:
        names = ", ".join(identifier(column) for column in inserted)
        values = ", ".join(f"source.{identifier(column)}" for column in inserted)
        clauses.append(f"WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})")
    return "\n".join(clauses)


def delete(name: TableName, schema: pa.Schema, source: str, keys: Sequence[str]) -> str:
    head = f"MERGE INTO {quoted(name)} AS target\nUSING {source} AS source\nON {_on(schema, keys)}"
    return f"{head}\nWHEN MATCHED THEN DELETE"


def delete_where(name: TableName, condition: str) -> str:
    return f"DELETE FROM {quoted(name)} WHERE {condition}"


def select(name: TableName, columns: Sequence[str] | None, rest: str = "") -> str:
    """rest: of `which`."""
    names = "*" if columns is None else ", ".join(identifier(column) for column in columns)
    return f"SELECT {names} FROM {quoted(name)}{rest}"


def which(where: str | None, order_by: str | None, limit: int | None) -> str:
    """What follows a table behind FROM, in SQL that DataFusion reads as well."""
    clauses = (("WHERE", where), ("ORDER BY", order_by), ("LIMIT", limit))
    return "".join(f" {word} {clause}" for word, clause in clauses if clause is not None)


def required_columns(name: TableName) -> str:
    return (
        f"SELECT column_name FROM {identifier(name.catalog)}.information_schema.columns\n"
        f"WHERE table_schema = {text_literal(name.schema.lower())} AND table_name = {text_literal(name.table.lower())} "
        "AND is_nullable = 'NO'"
    )


def changes(name: TableName, first: int, last: int) -> str:
    return f"SELECT * FROM table_changes({text_literal(quoted(name))}, {first}, {last})"


def create_view(name: TableName, sql: str) -> str:
    return f"CREATE OR REPLACE VIEW {quoted(name)} AS\n{sql}"


def create_metric_view(name: TableName, definition: str) -> str:
    """CREATE VIEW of a metric view. definition: its YAML, which is not escaped, so LakehouseError is raised where it holds the `$$`
    that would end it."""
    if "$$" in definition:
        raise LakehouseError(f"metric view {name}: its definition holds $$, which would end it")
    return f"CREATE OR REPLACE VIEW {quoted(name)}\nWITH METRICS\nLANGUAGE YAML\nAS $$\n{definition.strip()}\n$$"


def _column(column: Column) -> str:
    type_text = sql_type(arrow_type(column.type))
    required = "" if column.nullable else " NOT NULL"
    comment = f" COMMENT {text_literal(column.comment)}" if column.comment else ""
    return f"{identifier(column.name)} {type_text}{required}{comment}"


def _may_be_primary_key(spec: TableSpec) -> bool:
    """Databricks makes the columns of a primary key NOT NULL, so a key with NULLs in it cannot be one."""
    nullable = {column.name for column in spec.columns if column.nullable}
    return nullable.isdisjoint(spec.key)


def _on(schema: pa.Schema, columns: Sequence[str]) -> str:
    """NULL keys match NULL keys: a plain `=` would insert such a row again at every merge."""
    return " AND ".join(
        f"target.{identifier(column)} {'<=>' if schema.field(column).nullable else '='} source.{identifier(column)}"
        for column in columns
    )


def _differs(field: pa.Field) -> str:
    target, source = f"target.{identifier(field.name)}", f"source.{identifier(field.name)}"
    if pa.types.is_map(field.type):  # Spark compares no maps; sorted entries do not depend on their order either
        target, source = f"array_sort(map_entries({target}))", f"array_sort(map_entries({source}))"
    return f"NOT ({target} <=> {source})"

"""Rows on their way into a table: its types, its keys, and what a merge makes of them. Pure; the same for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse.arrow import spark_type
from alerting_assets.lakehouse.port import TableName


@dataclass(frozen=True)
class MergeSource:
    """The source of a merge, made ready.

    rows: in the table's types; the columns that only `matched_if` uses come last.
    stored: the columns of `rows` that the table has.
    updated: the columns to set on matched rows."""

    rows: pa.Table
    stored: tuple[str, ...]
    updated: tuple[str, ...]


def merge_source(
    name: TableName,
    rows: pa.Table,
    schema: pa.Schema,
    *,
    on: Sequence[str],
    update: Sequence[str] | None,
    insert: bool,
    extra: bool,
) -> MergeSource:
    """Check the rows of a merge and give them the table's types. `on`, `update` and `insert` are those of `Lakehouse.merge`. extra:
    whether `rows` may have columns that the table lacks."""
    stored = [column for column in rows.column_names if column in schema.names]
    unknown = [column for column in rows.column_names if column not in schema.names]
    missing = [column for column in on if column not in stored]
    if missing:
        raise LakehouseError(f"merge into {name}: the key column {missing[0]} is not in the rows or not in the table")
    if unknown and not extra:
        raise LakehouseError(f"table {name} has no column {unknown[0]}; it has: {', '.join(schema.names)}")
    required = [field.name for field in schema if not field.nullable and field.name not in stored]
    if insert and required:
        raise LakehouseError(f"merge into {name}: rows to insert lack the NOT NULL column {required[0]}")
    source = conform(name, rows.select(stored), subset(name, schema, stored))
    for column in unknown:
        source = source.append_column(column, rows.column(column))
    updated = [column for column in stored if column not in on] if update is None else update
    return MergeSource(source, tuple(stored), tuple(updated))


def refuse_duplicates(name: TableName, rows: pa.Table, on: Sequence[str]) -> None:
    """Raises LakehouseError when two rows have the same key, or when there is no key."""
    missing = [column for column in on if column not in rows.column_names]
    if missing or not on:
        raise LakehouseError(
            f"merge into {name}: the rows lack the key column {missing[0] if missing else '(none given)'}"
        )
    counts = rows.group_by(list(on)).aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts.column("count_all"), 1))
    if twice.num_rows:
        key = ", ".join(f"{column}={twice.column(column)[0].as_py()!r}" for column in on)
        raise LakehouseError(
            f"merge into {name}: the key {key} occurs {twice.column('count_all')[0]} times in the rows"
        )


def distinct_keys(name: TableName, keys: pa.Table, schema: pa.Schema) -> pa.Table:
    """`keys` in the table's types, each combination of values once. NULLs are allowed even in columns that are NOT NULL: such a key
    matches no row."""
    nullable = pa.schema([field.with_nullable(True) for field in subset(name, schema, keys.column_names)])
    source = conform(name, keys, nullable)
    return source.group_by(source.column_names).aggregate([])


def subset(name: TableName, schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """The fields of these columns, in their order. Raises LakehouseError for a column that the table does not have."""
    unknown = [column for column in columns if column not in schema.names]
    if unknown:
        raise LakehouseError(f"table {name} has no column {unknown[0]}; it has: {', '.join(schema.names)}")
    return pa.schema([schema.field(column) for column in columns])


def conform(name: TableName, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` with the types of `schema`; columns that are left out become NULL.

    Raises LakehouseError, which names the table and the column, for values of another type and for NULLs where the schema allows
    none."""
    subset(name, schema, rows.column_names)
    return pa.Table.from_arrays([_conform_column(name, rows, field) for field in schema], schema=schema)


def _conform_column(name: TableName, rows: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in rows.column_names:
        values = pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
    else:
        options = pc.CastOptions(target_type=field.type, allow_time_truncate=True)
        try:
            values = pc.cast(rows.column(field.name), options=options)
        except pa.ArrowException as error:
            source = spark_type(rows.schema.field(field.name).type)
            why = " ".join(str(error).split())[:300]
            raise LakehouseError(
                f"table {name}, column {field.name}: {source} cannot be stored as {spark_type(field.type)}: {why}"
            ) from error
    if not field.nullable and values.null_count:
        raise LakehouseError(
            f"table {name}, column {field.name} is NOT NULL: {values.null_count} of {rows.num_rows} rows lack it"
        )
    return values

"""Append, merge and delete on one Delta table. Each is one commit or none; values travel as Arrow data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse.delta import DeltaStore, conform, scan, table_schema
from alerting_assets.lakehouse.port import MergeResult, TableName

_REMOVE = "__remove"
"""Column of a merge's source that marks the keys to delete."""


def append(store: DeltaStore, name: TableName, rows: pa.Table) -> int:
    def attempt(table: DeltaTable) -> int:
        data = conform(name, rows, table_schema(table))
        if data.num_rows:
            write_deltalake(table, data, mode="append")
        return int(table.version())

    return store.write(name, attempt)


def delete(store: DeltaStore, name: TableName, keys: pa.Table) -> int:
    def attempt(table: DeltaTable) -> int:
        schema = table_schema(table)
        source = conform(name, keys, _subset(name, schema, keys.column_names, nullable=True))
        source = source.group_by(source.column_names).aggregate([])
        if not source.num_rows:
            return 0
        merger = table.merge(source, _on(schema, source.column_names), source_alias="source", target_alias="target")
        return int(merger.when_matched_delete().execute()["num_target_rows_deleted"])

    return store.write(name, attempt)


def merge(
    store: DeltaStore,
    name: TableName,
    rows: pa.Table,
    *,
    on: Sequence[str],
    update: Sequence[str] | None,
    insert: bool,
    matched_if: str | None,
    delete_where_not_matched: Mapping[str, str] | None,
) -> MergeResult:
    """The contract is `Lakehouse.merge`. The merge reads the version that the keys to delete were looked up in, and
    delta-rs refuses the commit when another writer came between: no row is judged by data that is out of date."""
    _refuse_duplicates(name, rows, on)

    def attempt(table: DeltaTable) -> MergeResult:
        schema = table_schema(table)
        source = _source(name, rows, schema, on, insert=insert, extra=matched_if is not None)
        stored = [column for column in rows.column_names if column in schema.names]
        updated = [column for column in stored if column not in on] if update is None else list(update)
        if delete_where_not_matched:
            source = _with_removals(name, table, source, on, delete_where_not_matched)
        if not source.num_rows:
            return MergeResult(0, 0, 0)
        removes = _REMOVE in source.column_names
        keep = f" AND NOT source.{_REMOVE}" if removes else ""
        merger = table.merge(source, _on(schema, on), source_alias="source", target_alias="target")
        if removes:
            merger = merger.when_matched_delete(predicate=f"source.{_REMOVE}")
        if updated:
            differs = " OR ".join(_differs(schema.field(column)) for column in updated)
            condition = f"({differs}){keep}" + (f" AND ({matched_if})" if matched_if else "")
            merger = merger.when_matched_update(_assignments(updated), predicate=condition)
        if insert:
            merger = merger.when_not_matched_insert(_assignments(stored), predicate=keep.removeprefix(" AND ") or None)
        if not (updated or insert or removes):
            return MergeResult(0, 0, 0)
        counts = merger.execute()
        return MergeResult(
            inserted=int(counts["num_target_rows_inserted"]),
            updated=int(counts["num_target_rows_updated"]),
            deleted=int(counts["num_target_rows_deleted"]),
        )

    return store.write(name, attempt)


def _source(
    name: TableName, rows: pa.Table, schema: pa.Schema, on: Sequence[str], *, insert: bool, extra: bool
) -> pa.Table:
    """`rows` in the table's types. `extra` columns, which the table lacks, are kept as they are."""
    own = [column for column in rows.column_names if column in schema.names]
    unknown = [column for column in rows.column_names if column not in schema.names]
    missing = [column for column in on if column not in own]
    if missing:
        raise LakehouseError(f"merge into {name}: the key column {missing[0]} is not in the rows or not in the table")
    if unknown and not extra:
        raise LakehouseError(f"table {name} has no column {unknown[0]}; it has: {', '.join(schema.names)}")
    required = [field.name for field in schema if not field.nullable and field.name not in own]
    if insert and required:
        raise LakehouseError(f"merge into {name}: rows to insert lack the NOT NULL column {required[0]}")
    source = conform(name, rows.select(own), _subset(name, schema, own, nullable=False))
    for column in unknown:
        source = source.append_column(column, rows.column(column))
    return source


def _with_removals(
    name: TableName, table: DeltaTable, source: pa.Table, on: Sequence[str], where: Mapping[str, str]
) -> pa.Table:
    """`source` with a row for each key of the table that has the values `where` and is not in `source`."""
    schema = table_schema(table)
    for column in where:
        _subset(name, schema, [column], nullable=True)
    candidates = scan(table, [*dict.fromkeys([*on, *where])])
    mask = pa.array([True] * candidates.num_rows)
    for column, value in where.items():
        mask = pc.and_(mask, pc.fill_null(pc.equal(candidates.column(column), value), False))
    held = set(_keys(source, on))
    gone = candidates.filter(mask).select(on)
    gone = gone.filter(pa.array([key not in held for key in _keys(gone, on)], pa.bool_()))
    if not gone.num_rows:
        return source
    source = pa.table(source.columns, schema=pa.schema([field.with_nullable(True) for field in source.schema]))
    marked = source.append_column(_REMOVE, pa.array([False] * source.num_rows))
    removals = gone.append_column(_REMOVE, pa.array([True] * gone.num_rows))
    return pa.concat_tables([marked, removals], promote_options="default")


def _refuse_duplicates(name: TableName, rows: pa.Table, on: Sequence[str]) -> None:
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


def _keys(rows: pa.Table, on: Sequence[str]) -> list[tuple[object, ...]]:
    return list(zip(*(rows.column(column).to_pylist() for column in on), strict=True))


def _subset(name: TableName, schema: pa.Schema, columns: Sequence[str], *, nullable: bool) -> pa.Schema:
    unknown = [column for column in columns if column not in schema.names]
    if unknown:
        raise LakehouseError(f"table {name} has no column {unknown[0]}; it has: {', '.join(schema.names)}")
    fields = [schema.field(column) for column in columns]
    return pa.schema([field.with_nullable(True) if nullable else field for field in fields])


def _on(schema: pa.Schema, columns: Sequence[str]) -> str:
    """NULL keys match NULL keys: a plain `=` would insert such a row again at every merge."""
    return " AND ".join(
        f"(target.{_quoted(column)} {'IS NOT DISTINCT FROM' if schema.field(column).nullable else '='} source.{_quoted(column)})"
        for column in columns
    )


def _differs(field: pa.Field) -> str:
    target, source = f"target.{_quoted(field.name)}", f"source.{_quoted(field.name)}"
    if pa.types.is_map(field.type):  # compared entry by entry otherwise, so that another order would be a difference
        target, source = f"array_sort(map_entries({target}))", f"array_sort(map_entries({source}))"
    return f"({target} IS DISTINCT FROM {source})"


def _assignments(columns: Sequence[str]) -> dict[str, str]:
    return {_quoted(column): f"source.{_quoted(column)}" for column in columns}


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'

"""Append, merge and delete on one Delta table. Each is one commit or none; values travel as Arrow data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from alerting_assets.lakehouse.delta import DeltaStore, scan, table_schema
from alerting_assets.lakehouse.port import MergeResult, TableName
from alerting_assets.lakehouse.rows import conform, distinct_keys, merge_source, refuse_duplicates, subset

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
        source = distinct_keys(name, keys, schema)
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
    refuse_duplicates(name, rows, on)

    def attempt(table: DeltaTable) -> MergeResult:
        schema = table_schema(table)
        planned = merge_source(name, rows, schema, on=on, update=update, insert=insert, extra=matched_if is not None)
        source, updated = planned.rows, planned.updated
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
            merger = merger.when_not_matched_insert(
                _assignments(planned.stored), predicate=keep.removeprefix(" AND ") or None
            )
        if not (updated or insert or removes):
            return MergeResult(0, 0, 0)
        counts = merger.execute()
        return MergeResult(
            inserted=int(counts["num_target_rows_inserted"]),
            updated=int(counts["num_target_rows_updated"]),
            deleted=int(counts["num_target_rows_deleted"]),
        )

    return store.write(name, attempt)


def _with_removals(
    name: TableName, table: DeltaTable, source: pa.Table, on: Sequence[str], where: Mapping[str, str]
) -> pa.Table:
    """`source` with a row for each key of the table that has the values `where` and is not in `source`."""
    schema = table_schema(table)
    subset(name, schema, list(where))
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


def _keys(rows: pa.Table, on: Sequence[str]) -> list[tuple[object, ...]]:
    return list(zip(*(rows.column(column).to_pylist() for column in on), strict=True))


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

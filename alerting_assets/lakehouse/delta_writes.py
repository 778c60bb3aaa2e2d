"""Append, merge and delete on one Delta table. Each is one commit or none; values travel as Arrow data only."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from alerting_assets.lakehouse.delta import DeltaStore, table_schema
from alerting_assets.lakehouse.port import MergeResult, TableName
from alerting_assets.lakehouse.rows import conform, distinct_keys, merge_source, refuse_duplicates


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


def delete_where(store: DeltaStore, name: TableName, condition: str) -> int:
    def attempt(table: DeltaTable) -> int:
        return int(table.delete(condition)["num_deleted_rows"] or 0)

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
    among: str | None = None,
) -> tuple[MergeResult, int]:
    """The contract is `Lakehouse.merge`; the version after it is returned, too.

    delta-rs refuses the commit when another writer came between what the merge read and what it writes: no row is judged by data that
    is out of date."""
    refuse_duplicates(name, rows, on)

    def attempt(table: DeltaTable) -> tuple[MergeResult, int]:
        schema = table_schema(table)
        planned = merge_source(name, rows, schema, on=on, update=update, insert=insert, extra=matched_if is not None)
        if not (planned.rows.num_rows and (planned.updated or insert)):
            return MergeResult(0, 0), table.version()
        matches = _on(schema, on) if among is None else f"{_on(schema, on)} AND ({among})"
        merger = table.merge(planned.rows, matches, source_alias="source", target_alias="target")
        if planned.updated:
            differs = " OR ".join(_differs(schema.field(column)) for column in planned.updated)
            condition = f"({differs}) AND ({matched_if})" if matched_if else differs
            merger = merger.when_matched_update(_assignments(planned.updated), predicate=condition)
        if insert:
            merger = merger.when_not_matched_insert(_assignments(planned.stored))
        counts = merger.execute()
        result = MergeResult(int(counts["num_target_rows_inserted"]), int(counts["num_target_rows_updated"]))
        return result, table.version()

    return store.write(name, attempt)


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

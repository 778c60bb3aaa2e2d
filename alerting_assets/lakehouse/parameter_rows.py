"""Rows as text: JSON in a parameter of a statement, which `from_json` turns back into rows. Every value of a Spark type survives
that exactly."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse.arrow import spark_type
from alerting_assets.sql_literal import identifier


def relation(schema: pa.Schema, parameter: str) -> str:
    """SQL of a subquery that yields the rows held by the named parameter. In FAILFAST mode, what cannot be read is an error and
    never a NULL."""
    fields = ", ".join(f"{identifier(item.name)}: {sql_type(item.type)}" for item in schema)
    rows = f"from_json(:{parameter}, 'ARRAY<STRUCT<{fields}>>', map('mode', 'FAILFAST'))"
    return f"(SELECT inline({rows}))"


def chunks(rows: pa.Table, limit: int) -> Iterator[str]:
    """The rows as JSON arrays of at most `limit` characters each (ASCII only, so as many bytes). There is at least one, which is
    empty when there are no rows.

    Raises LakehouseError for a single row that is longer than `limit`."""
    encoders = [_encoder(item) for item in rows.schema]
    names = rows.column_names
    parts: list[str] = []
    size = 0
    for batch in rows.to_batches(max_chunksize=10_000):
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            row = {
                name: encode(value)
                for name, encode, value in zip(names, encoders, values, strict=True)
                if value is not None
            }
            text = json.dumps(row, separators=(",", ":"), allow_nan=False)
            if len(text) + 2 > limit:
                raise LakehouseError(
                    f"one row takes {len(text):,} bytes as JSON; a statement of a SQL warehouse can hold {limit:,}"
                )
            if parts and size + len(text) + 2 > limit:
                yield f"[{','.join(parts)}]"
                parts, size = [], 0
            parts.append(text)
            size += len(text) + 1
    yield f"[{','.join(parts)}]"


def sql_type(arrow: pa.DataType) -> str:
    """The SQL of an Arrow type, as in `STRUCT<`a`: MAP<STRING, STRING>>`."""
    text = spark_type(arrow).upper()
    if pa.types.is_struct(arrow):  # names of fields keep their case
        fields = ", ".join(f"{identifier(item.name)}: {sql_type(item.type)}" for item in arrow)
        return f"STRUCT<{fields}>"
    if pa.types.is_list(arrow):
        return f"ARRAY<{sql_type(arrow.value_type)}>"
    if pa.types.is_map(arrow):
        return f"MAP<{sql_type(arrow.key_type)}, {sql_type(arrow.item_type)}>"
    return text


def _encoder(item: pa.Field) -> Any:
    if _holds_map_without_text_keys(item.type):
        raise LakehouseError(
            f"column {item.name}: {spark_type(item.type)} cannot travel to a SQL warehouse; map keys must be STRING"
        )
    return _map_encoder if pa.types.is_map(item.type) else _plain


def _holds_map_without_text_keys(arrow: pa.DataType) -> bool:
    if pa.types.is_map(arrow):
        return bool(not pa.types.is_string(arrow.key_type) or pa.types.is_nested(arrow.item_type))
    return bool(pa.types.is_list(arrow) and pa.types.is_map(arrow.value_type))


def _map_encoder(value: list[tuple[str, Any]] | None) -> dict[str, Any] | None:
    return None if value is None else {key: _plain(item) for key, item in value}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value

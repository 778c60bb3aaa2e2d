"""Arrow tables as statement execution answers them: disposition INLINE, format JSON_ARRAY, every value a string or null."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

INLINE_LIMIT = 25 * 1024 * 1024


class ResultTooLarge(ValueError):
    pass


def inline_result(table: pa.Table, row_limit: int | None) -> dict[str, Any]:
    """manifest and result. Raises ResultTooLarge."""
    kept = table.slice(0, row_limit) if row_limit is not None else table
    columns = [[_text(value) for value in column.to_pylist()] for column in kept.columns]
    size = sum(len(value.encode()) for column in columns for value in column if value is not None)
    if size > INLINE_LIMIT:
        raise ResultTooLarge(
            f"Inline byte limit exceeded: with disposition=INLINE a result can have at most {INLINE_LIMIT} bytes, this one has {size}."
        )
    rows = [list(row) for row in zip(*columns, strict=True)]
    chunk = {"chunk_index": 0, "row_count": len(rows), "row_offset": 0}
    return {
        "manifest": {
            "format": "JSON_ARRAY",
            "schema": {
                "column_count": len(columns),
                "columns": [_column(index, field) for index, field in enumerate(kept.schema)],
            },
            "total_chunk_count": 1,
            "chunks": [chunk],
            "total_row_count": len(rows),
            "total_byte_count": size,
            "truncated": kept.num_rows < table.num_rows,
        },
        "result": {**chunk, "data_array": rows},
    }


_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str, str], ...] = (
    (kinds.is_boolean, "BOOLEAN", "BOOLEAN"),
    (kinds.is_int8, "BYTE", "TINYINT"),
    (kinds.is_int16, "SHORT", "SMALLINT"),
    (kinds.is_int32, "INT", "INT"),
    (kinds.is_integer, "LONG", "BIGINT"),
    (kinds.is_float32, "FLOAT", "FLOAT"),
    (kinds.is_floating, "DOUBLE", "DOUBLE"),
    (kinds.is_date, "DATE", "DATE"),
    (kinds.is_timestamp, "TIMESTAMP", "TIMESTAMP"),
    (kinds.is_map, "MAP", "MAP"),
    (kinds.is_nested, "ARRAY", "ARRAY"),
    (kinds.is_binary, "BINARY", "BINARY"),
    (kinds.is_large_binary, "BINARY", "BINARY"),
    (kinds.is_null, "NULL", "VOID"),
)


def _column(position: int, field: pa.Field) -> dict[str, Any]:
    column = {"name": field.name, "position": position}
    if kinds.is_decimal(field.type):
        precision, scale = field.type.precision, field.type.scale
        text = f"DECIMAL({precision},{scale})"
        return {**column, "type_name": "DECIMAL", "type_text": text, "type_precision": precision, "type_scale": scale}
    if kinds.is_struct(field.type):
        return {**column, "type_name": "STRUCT", "type_text": "STRUCT"}
    for matches, name, text in _TYPES:
        if matches(field.type):
            return {**column, "type_name": name, "type_text": text}
    return {**column, "type_name": "STRING", "type_text": "STRING"}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + ("Z" if value.tzinfo else "")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict | list):
        return json.dumps(value, default=_text, ensure_ascii=False)
    return str(value)

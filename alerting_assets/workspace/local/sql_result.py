"""Arrow tables as statement execution answers them: INLINE as JSON_ARRAY, every value a string or null; EXTERNAL_LINKS as streams
of Arrow."""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from alerting_assets.sql_literal import identifier

INLINE_LIMIT = 25 * 1024 * 1024


class ResultTooLarge(ValueError):
    pass


@dataclass(frozen=True)
class ArrowChunk:
    """One part of a result behind a link. info: its entry in the manifest. stream: a whole Arrow stream, schema included."""

    info: dict[str, int]
    stream: bytes


@dataclass(frozen=True)
class Result:
    """The result of a statement. inline: the field `result` of an answer that holds no links. chunks: what lies behind links."""

    manifest: dict[str, Any]
    inline: dict[str, Any]
    chunks: tuple[ArrowChunk, ...] = ()


def inline_result(table: pa.Table, row_limit: int | None, byte_limit: int | None) -> Result:
    """The rows inside of the answer, as JSON_ARRAY. Raises ResultTooLarge."""
    kept = _limited(table, row_limit, byte_limit)
    columns = [[_text(value) for value in column.to_pylist()] for column in kept.columns]
    size = sum(len(value.encode()) for column in columns for value in column if value is not None)
    if size > INLINE_LIMIT:
        raise ResultTooLarge(
            f"Inline byte limit exceeded: with disposition=INLINE a result can have at most {INLINE_LIMIT} bytes, this one has {size}."
        )
    rows = [list(row) for row in zip(*columns, strict=True)]
    chunk = {"chunk_index": 0, "row_count": len(rows), "row_offset": 0}
    manifest = _manifest("JSON_ARRAY", kept, [chunk], size, truncated=kept.num_rows < table.num_rows)
    return Result(manifest, {**chunk, "data_array": rows})


def arrow_result(table: pa.Table, row_limit: int | None, byte_limit: int | None, chunk_bytes: int) -> Result:
    """The rows behind links, as Arrow; there is no chunk where there is no row. chunk_bytes: the most bytes of data in one chunk,
    unless it is a single row."""
    kept = _limited(table, row_limit, byte_limit)
    chunks: list[ArrowChunk] = []
    offset = 0
    for part in _parts(kept, chunk_bytes):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, part.schema) as stream:
            stream.write_table(part)
        data = sink.getvalue().to_pybytes()
        info = {"chunk_index": len(chunks), "row_offset": offset, "row_count": part.num_rows, "byte_count": len(data)}
        chunks.append(ArrowChunk(info, data))
        offset += part.num_rows
    infos = [chunk.info for chunk in chunks]
    size = sum(len(chunk.stream) for chunk in chunks)
    manifest = _manifest("ARROW_STREAM", kept, infos, size, truncated=kept.num_rows < table.num_rows)
    return Result(manifest, {}, tuple(chunks))


def _limited(table: pa.Table, row_limit: int | None, byte_limit: int | None) -> pa.Table:
    kept = table if row_limit is None else table.slice(0, row_limit)
    return kept if byte_limit is None else kept.slice(0, _rows_within(kept, byte_limit))


def _parts(table: pa.Table, most_bytes: int) -> Iterator[pa.Table]:
    rest = table
    while rest.num_rows:
        rows = max(1, _rows_within(rest, most_bytes))
        yield rest.slice(0, rows)
        rest = rest.slice(rows)


def _rows_within(table: pa.Table, most_bytes: int) -> int:
    """How many of the first rows have no more than so many bytes."""
    return bisect_right(range(1, table.num_rows + 1), most_bytes, key=lambda rows: table.slice(0, rows).nbytes)


def _manifest(
    format: str, table: pa.Table, chunks: list[dict[str, int]], size: int, *, truncated: bool
) -> dict[str, Any]:
    return {
        "format": format,
        "schema": {
            "column_count": table.num_columns,
            "columns": [_column(index, field) for index, field in enumerate(table.schema)],
        },
        "total_chunk_count": len(chunks),
        "chunks": chunks,
        "total_row_count": table.num_rows,
        "total_byte_count": size,
        "truncated": truncated,
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
    column = {"name": field.name, "position": position, "type_text": _type_text(field.type)}
    if kinds.is_decimal(field.type):
        return {
            **column,
            "type_name": "DECIMAL",
            "type_precision": field.type.precision,
            "type_scale": field.type.scale,
        }
    if kinds.is_struct(field.type):
        return {**column, "type_name": "STRUCT"}
    return {**column, "type_name": next((name for matches, name, _ in _TYPES if matches(field.type)), "STRING")}


def _type_text(arrow: pa.DataType) -> str:
    if kinds.is_decimal(arrow):
        return f"DECIMAL({arrow.precision},{arrow.scale})"
    if kinds.is_struct(arrow):
        return f"STRUCT<{', '.join(f'{_quoted(item.name)}: {_type_text(item.type)}' for item in arrow)}>"
    if kinds.is_map(arrow):
        return f"MAP<{_type_text(arrow.key_type)}, {_type_text(arrow.item_type)}>"
    if kinds.is_list(arrow) or kinds.is_large_list(arrow):
        return f"ARRAY<{_type_text(arrow.value_type)}>"
    if kinds.is_timestamp(arrow) and not arrow.tz:
        return "TIMESTAMP_NTZ"
    return next((text for matches, _, text in _TYPES if matches(arrow)), "STRING")


def _quoted(name: str) -> str:
    plain = re.fullmatch(r"(?!\d+$)\w+", name, re.ASCII)
    return name if plain else identifier(name)


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

"""Types between Spark's simple strings (`decimal(10,2)`, `map<string,array<int>>`) and Arrow, in both directions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse.port import Column, TableSpec

COMMENT = b"comment"
"""Key of a field's metadata that holds the column comment, as Delta and Spark keep it."""

_TO_ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "binary": pa.binary(),
    "void": pa.null(),
}
_TO_SPARK = {arrow: spark for spark, arrow in _TO_ARROW.items()}
_TOKEN = re.compile(r"\s*(`(?:[^`]|``)+`|[A-Za-z0-9_]+|[<>(),:])")


def arrow_schema(spec: TableSpec) -> pa.Schema:
    """The schema that rows of this table have in Arrow, comments as field metadata."""
    return pa.schema([arrow_field(column) for column in spec.columns])


def arrow_field(column: Column) -> pa.Field:
    metadata = {COMMENT: column.comment.encode()} if column.comment else None
    return pa.field(column.name, arrow_type(column.type), nullable=column.nullable, metadata=metadata)


def column_of(field: pa.Field) -> Column:
    comment = (field.metadata or {}).get(COMMENT, b"").decode()
    return Column(field.name, spark_type(field.type), nullable=field.nullable, comment=comment)


def arrow_type(simple: str) -> pa.DataType:
    """The Arrow type of a Spark type: list<string> for `array<string>`. Raises LakehouseError for a type that Delta does not have."""
    tokens = _tokens(simple)
    parsed = _parse(tokens, simple)
    if next(tokens, None) is not None:
        raise LakehouseError(f"type {simple!r} is not a Spark type: there is text after its end")
    return parsed


def spark_type(arrow: pa.DataType) -> str:
    """The Spark type of an Arrow type: `array<string>` for list<string>. A timestamp with any time zone is an instant, and so
    `timestamp`."""
    types = pa.types
    if arrow in _TO_SPARK:
        return _TO_SPARK[arrow]
    if types.is_timestamp(arrow):
        return "timestamp" if arrow.tz else "timestamp_ntz"
    if types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    if types.is_large_string(arrow) or types.is_string_view(arrow):
        return "string"
    if types.is_large_binary(arrow) or types.is_binary_view(arrow) or types.is_fixed_size_binary(arrow):
        return "binary"
    if types.is_map(arrow):
        return f"map<{spark_type(arrow.key_type)},{spark_type(arrow.item_type)}>"
    if types.is_list(arrow) or types.is_large_list(arrow) or types.is_fixed_size_list(arrow):
        return f"array<{spark_type(arrow.value_type)}>"
    if types.is_struct(arrow):
        return f"struct<{','.join(f'{field.name}:{spark_type(field.type)}' for field in arrow)}>"
    raise LakehouseError(f"Arrow type {arrow} has no Spark type; cast it before it is written")


def _tokens(simple: str) -> Iterator[str]:
    position = 0
    while position < len(simple.rstrip()):
        match = _TOKEN.match(simple, position)
        if match is None:
            raise LakehouseError(f"type {simple!r} is not a Spark type: unexpected {simple[position]!r}")
        position = match.end()
        yield match.group(1)


def _parse(tokens: Iterator[str], simple: str) -> pa.DataType:
    name = next(tokens, "").lower()
    if name in _TO_ARROW:
        return _TO_ARROW[name]
    if name == "decimal":
        _expect(tokens, "(", simple)
        precision = _number(tokens, simple)
        _expect(tokens, ",", simple)
        scale = _number(tokens, simple)
        _expect(tokens, ")", simple)
        return pa.decimal128(precision, scale)
    if name == "array":
        _expect(tokens, "<", simple)
        item = _parse(tokens, simple)
        _expect(tokens, ">", simple)
        return pa.list_(item)
    if name == "map":
        _expect(tokens, "<", simple)
        key = _parse(tokens, simple)
        _expect(tokens, ",", simple)
        item = _parse(tokens, simple)
        _expect(tokens, ">", simple)
        return pa.map_(key, item)
    if name == "struct":
        return pa.struct(_struct_fields(tokens, simple))
    raise LakehouseError(f"type {simple!r} is not a Spark type: {name!r} is unknown")


def _struct_fields(tokens: Iterator[str], simple: str) -> list[pa.Field]:
    _expect(tokens, "<", simple)
    fields: list[pa.Field] = []
    separator = ","
    while separator == ",":
        name = next(tokens, "").strip("`").replace("``", "`")
        _expect(tokens, ":", simple)
        fields.append(pa.field(name, _parse(tokens, simple)))
        separator = next(tokens, "")
    if separator != ">":
        raise LakehouseError(f"type {simple!r} is not a Spark type: expected '>'")
    return fields


def _expect(tokens: Iterator[str], token: str, simple: str) -> None:
    found = next(tokens, "its end")
    if found != token:
        raise LakehouseError(f"type {simple!r} is not a Spark type: expected {token!r}, found {found!r}")


def _number(tokens: Iterator[str], simple: str) -> int:
    token = next(tokens, "")
    if not token.isdigit():
        raise LakehouseError(f"type {simple!r} is not a Spark type: expected a number, found {token!r}")
    return int(token)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_values(column: pa.ChunkedArray) -> list[Any]:
    """The values as Python has them. Moments are in UTC, six times faster than pyarrow makes them, and without pandas."""
    if not (pa.types.is_timestamp(column.type) and column.type.unit == "us" and column.type.tz == "UTC"):
        return list(column.to_pylist())
    return [
        None if microseconds is None else _EPOCH + timedelta(0, 0, microseconds)
        for microseconds in column.cast(pa.int64()).to_pylist()
    ]


def as_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows by column name, with the values of `as_values`."""
    names = table.column_names
    columns = [as_values(column) for column in table.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

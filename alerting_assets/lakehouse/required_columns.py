"""Columns that may not be NULL, in Delta tables in folders: as invariants, not as NOT NULL.

A merge by delta-rs writes text that the embedded engine has to cast, and Sail refuses to cast what may be NULL in a file to a column
that may not: "Cannot cast column 'id' from 'STRING' (physical) to 'STRING' (logical)". An invariant is checked by every writer as well,
and says nothing to readers (https://github.com/delta-io/delta/blob/master/PROTOCOL.md#column-invariants)."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError

from alerting_assets.sql_literal import identifier

_INVARIANT = b"delta.invariants"


def as_invariants(schema: pa.Schema) -> pa.Schema:
    """The schema as it is stored: every column may be NULL, and those that may not have an invariant."""
    return pa.schema(
        [
            field
            if field.nullable
            else field.with_nullable(True).with_metadata(
                {**(field.metadata or {}), _INVARIANT: _invariant(field.name).encode()}
            )
            for field in schema
        ]
    )


def from_invariants(schema: pa.Schema) -> pa.Schema:
    """The schema as we speak of it: a column with an invariant of ours may not be NULL."""
    return pa.schema([_from_invariant(field) for field in schema])


def _from_invariant(field: pa.Field) -> pa.Field:
    metadata = dict(field.metadata or {})
    if metadata.pop(_INVARIANT, None) != _invariant(field.name).encode():
        return field
    return field.with_nullable(False).with_metadata(metadata)


def relax(table: DeltaTable) -> None:
    """Turn the NOT NULL columns of a table that is there into such with an invariant: one commit that changes the schema and no row.

    delta-rs has no call for it. Tables of ours have a change feed, so that every writer of them knows invariants.

    Raises CommitFailedError when another writer was faster."""
    fields = json.loads(table.schema().to_json())
    for field in fields["fields"]:
        if not field["nullable"]:
            field["nullable"] = True
            field["metadata"][_INVARIANT.decode()] = _invariant(field["name"])
    Schema.from_json(json.dumps(fields))  # a schema that cannot be read is found before it is written
    known, now = table.metadata(), int(time.time() * 1000)
    actions: list[dict[str, Any]] = [
        {"commitInfo": {"timestamp": now, "operation": "CHANGE COLUMN", "operationParameters": {}}},
        {
            "metaData": {
                "id": known.id,
                "name": known.name,
                "description": known.description,
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps(fields),
                "partitionColumns": known.partition_columns,
                "configuration": known.configuration,
                "createdTime": known.created_time,
            }
        },
    ]
    log = Path(table.table_uri.removeprefix("file://")) / "_delta_log"
    written = log / f".{uuid.uuid4()}.tmp"
    written.write_text("\n".join(json.dumps(action) for action in actions), encoding="utf-8")
    try:
        os.link(written, log / f"{table.version() + 1:020}.json")  # fails where there is one
    except FileExistsError as error:
        raise CommitFailedError("another writer was faster") from error
    finally:
        written.unlink()


def _invariant(column: str) -> str:
    return json.dumps({"expression": {"expression": f"{identifier(column)} IS NOT NULL"}})

"""Verdicts as rows of `alert_query_validations`, looked up by (alert_id, compiled_hash, schema_hash)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.alerts.rewrite import tables_read
from alerting_assets.errors import TableNotFound
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse, TableName
from alerting_assets.lakehouse.tables import ALERT_QUERY_VALIDATIONS
from alerting_assets.validation.rules import Finding, Verdict

Key = tuple[str, str, str]


@dataclass(frozen=True)
class AlertVerdict:
    """finding: None for VALID. reused: the stored verdict still holds, nothing was analysed."""

    alert_id: str
    compiled_hash: str
    schema_hash: str
    verdict: Verdict
    finding: Finding | None
    reused: bool = False

    @property
    def key(self) -> Key:
        return self.alert_id, self.compiled_hash, self.schema_hash

    @property
    def reason(self) -> str:
        """One sentence for people; empty for VALID."""
        if self.finding is None:
            return ""
        place = f" (line {self.finding.line}" + (f", column {self.finding.column})" if self.finding.column else ")")
        return f"{self.finding.rule}: {self.finding.message}{place if self.finding.line else ''}"


class Schemas:
    """schema_hash of queries. Every table is looked up once in the life of this object."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._lakehouse = lakehouse
        self._tables: dict[TableName, list[list[str]] | None] = {}

    def hash_of(self, sql: str) -> str:
        """Of names and types of all columns of all tables that the query reads; a missing table counts as such.

        A text that cannot be parsed has no known tables; its hash is that of none."""
        tables = {str(name): self._columns(name) for name in sorted(self._tables_of(sql))}
        return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()[:32]

    def _tables_of(self, sql: str) -> set[TableName]:
        catalog, schema = self._lakehouse.namespace
        try:
            parts = [reference.parts for reference in tables_read(sql)]
        except QueryTextError:
            return set()
        return {TableName(*(catalog, schema)[: 3 - len(names)], *names) for names in parts if len(names) <= 3}

    def _columns(self, name: TableName) -> list[list[str]] | None:
        if name not in self._tables:
            try:
                self._tables[name] = [[column.name, column.type] for column in self._lakehouse.table_columns(name)]
            except TableNotFound:
                self._tables[name] = None
        return self._tables[name]


def stored_verdicts(lakehouse: Lakehouse) -> dict[Key, AlertVerdict]:
    verdicts = {}
    for row in lakehouse.read(ALERT_QUERY_VALIDATIONS.name).to_pylist():
        verdict = Verdict(row["verdict"])
        finding = None
        if verdict is not Verdict.VALID:
            finding = Finding(row["rule"] or "", verdict, row["message"] or "", row["line"], row["column"])
        found = AlertVerdict(
            row["alert_id"], row["compiled_hash"], row["schema_hash"] or "", verdict, finding, reused=True
        )
        verdicts[found.key] = found
    return verdicts


def store_verdicts(lakehouse: Lakehouse, verdicts: Iterable[AlertVerdict], now: datetime) -> None:
    """In one MERGE; none, no commit."""
    rows = [
        {
            "alert_id": verdict.alert_id,
            "compiled_hash": verdict.compiled_hash,
            "schema_hash": verdict.schema_hash,
            "validated_at": now,
            "verdict": verdict.verdict.value,
            "rule": verdict.finding.rule if verdict.finding else None,
            "message": verdict.finding.message if verdict.finding else None,
            "line": verdict.finding.line if verdict.finding else None,
            "column": verdict.finding.column if verdict.finding else None,
        }
        for verdict in verdicts
    ]
    if rows:
        table = pa.Table.from_pylist(rows, schema=arrow_schema(ALERT_QUERY_VALIDATIONS))
        lakehouse.merge(ALERT_QUERY_VALIDATIONS.name, table, on=ALERT_QUERY_VALIDATIONS.key)

"""Verdicts as rows of `alert_query_validations`, looked up by (alert_id, compiled_hash, schema_hash) under the present policy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.alerts.rewrite import tables_read
from alerting_assets.errors import QueryError
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse, TableName
from alerting_assets.lakehouse.tables import ALERT_QUERY_VALIDATIONS
from alerting_assets.validation.catalog import Catalog
from alerting_assets.validation.finding import Finding, Group, Severity, Verdict, deciding, verdict_of

Key = tuple[str, str, str]
SAFE_TO_READ = frozenset({Group.REFERENCES, Group.ANALYSIS, Group.CONTRACT, Group.QUALITY})


@dataclass(frozen=True)
class AlertVerdict:
    """The verdict on one alert. reused: whether a stored verdict still holds, so that nothing was analysed. row_hash: of the row that
    its query was compiled from; empty where the row could not be. tables_read: those that schema_hash is about."""

    alert_id: str
    compiled_hash: str
    schema_hash: str
    findings: tuple[Finding, ...] = ()
    reused: bool = False
    row_hash: str = ""
    tables_read: tuple[TableName, ...] = ()

    @property
    def key(self) -> Key:
        return self.alert_id, self.compiled_hash, self.schema_hash

    @cached_property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings)

    @property
    def finding(self) -> Finding | None:
        """The finding that decides; None for VALID."""
        return deciding(self.findings)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)

    @property
    def reason(self) -> str:
        """Why the alert is not fit, as one sentence for people; empty for VALID."""
        return self.finding.text if self.finding else ""

    def ran(self, group: Group) -> bool:
        """Whether its rules were asked: none is behind the group that decides."""
        groups = list(Group)
        return self.finding is None or groups.index(group) <= groups.index(self.finding.group)

    def may_be_deployed(self, *, unsupported: bool) -> bool:
        """Whether the alert may be deployed. unsupported: whether what this engine cannot judge is deployed; what is not proven to
        only read never is."""
        if self.verdict is Verdict.UNSUPPORTED:
            return unsupported and self.finding is not None and self.finding.group in SAFE_TO_READ
        return self.verdict is Verdict.VALID


class Schemas:
    """Works out the schema_hash of queries."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def hash_of(self, tables: Iterable[TableName]) -> str:
        """A hash of the names and types of all columns of these tables; a missing table counts as such."""
        columns = {str(name): self._columns(name) for name in tables}
        return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()[:32]

    def tables_of(self, sql: str) -> tuple[TableName, ...]:
        """The tables that the query reads, in the order of their names. A text that cannot be parsed has no known tables."""
        try:
            references = tables_read(sql)
        except QueryTextError:
            return ()
        return tuple(sorted({name for reference in references if (name := self._catalog.full_name(reference.parts))}))

    def _columns(self, name: TableName) -> list[list[str]] | None:
        try:
            columns = self._catalog.columns(name)
        except QueryError:  # a view that is broken, a table that may not be read: the rules say so
            return None
        return None if columns is None else [[column.name, column.type] for column in columns]


def stored_verdicts(lakehouse: Lakehouse, policy_hash: str) -> dict[Key, AlertVerdict]:
    """The stored verdicts that were given under this policy."""
    verdicts = {}
    for row in lakehouse.read(ALERT_QUERY_VALIDATIONS.name).to_pylist():
        if row["policy_hash"] == policy_hash:
            found = AlertVerdict(
                row["alert_id"],
                row["compiled_hash"],
                row["schema_hash"] or "",
                _findings(row["findings"]),
                reused=True,
                row_hash=row["row_hash"] or "",
                tables_read=tuple(TableName(*parts) for parts in json.loads(row["tables_read"] or "[]")),
            )
            verdicts[found.key] = found
    return verdicts


def store_verdicts(lakehouse: Lakehouse, verdicts: Iterable[AlertVerdict], policy_hash: str, now: datetime) -> None:
    """Store verdicts in one MERGE; where there are none, no commit is made."""
    rows = [
        {
            "alert_id": verdict.alert_id,
            "compiled_hash": verdict.compiled_hash,
            "schema_hash": verdict.schema_hash,
            "validated_at": now,
            "verdict": verdict.verdict.value,
            "rule": verdict.finding.rule if verdict.finding else None,
            "rule_group": verdict.finding.group.value if verdict.finding else None,
            "message": verdict.finding.message if verdict.finding else None,
            "line": verdict.finding.line if verdict.finding else None,
            "column": verdict.finding.column if verdict.finding else None,
            "findings": json.dumps([asdict(finding) for finding in verdict.findings]),
            "policy_hash": policy_hash,
            "row_hash": verdict.row_hash or None,
            "tables_read": json.dumps([astuple(name) for name in verdict.tables_read]),
        }
        for verdict in verdicts
    ]
    if rows:
        table = pa.Table.from_pylist(rows, schema=arrow_schema(ALERT_QUERY_VALIDATIONS))
        lakehouse.merge(ALERT_QUERY_VALIDATIONS.name, table, on=ALERT_QUERY_VALIDATIONS.key)


def _findings(text: str | None) -> tuple[Finding, ...]:
    items: list[dict[str, Any]] = json.loads(text or "[]")
    return tuple(
        Finding(**{**item, "group": Group(item["group"]), "severity": Severity(item["severity"])}) for item in items
    )

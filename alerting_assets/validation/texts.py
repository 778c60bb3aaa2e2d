"""Validation of SQL texts that no configuration holds: the command's `--sql-file` and `--jsonl`, and whoever calls from Python.

Nothing is executed and nothing is written. Every function here takes any text there can be and comes back with findings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from alerting_assets.alerts.operators import OPERATORS, Needs, Operator, ValueType
from alerting_assets.alerts.origin import Origin
from alerting_assets.alerts.query_text import Identifier, QueryTextError, resolve, trim_query
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation.catalog import Catalog
from alerting_assets.validation.finding import Finding, Group, Severity, Verdict, verdict_of
from alerting_assets.validation.judge import findings_on, findings_without_engine
from alerting_assets.validation.policy import NO_POLICY, Policy
from alerting_assets.validation.query import AlertQuery, Contract
from alerting_assets.validation.validate import ANALYSES_AT_A_TIME

INPUT = "input"
"""The name of the rule that a line breaks which is not what it should be."""
AT_A_TIME = 200
_CONTRACT_KEYS = ("aggregation_column", "operator", "threshold_value_double")


@dataclass(frozen=True)
class QueryVerdict:
    """The verdict on one text. id: as it was given."""

    id: Any
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings)

    def json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "verdict": self.verdict.value,
            "findings": [finding.json() for finding in self.findings],
        }


def validate_query_syntax(lakehouse: Lakehouse, query_text: str, policy: Policy = NO_POLICY) -> tuple[Finding, ...]:
    """Can the text be read? The engine is asked only about what our own parser cannot read."""
    return _of(lakehouse, query_text, policy, Group.SYNTAX)


def validate_query_security(lakehouse: Lakehouse, query_text: str, policy: Policy = NO_POLICY) -> tuple[Finding, ...]:
    """Is it proven to be one query that only reads tables and views that it may read? Findings of the groups syntax and safety."""
    return _of(lakehouse, query_text, policy, Group.SYNTAX, Group.SAFETY)


def validate_query_references(lakehouse: Lakehouse, query_text: str, policy: Policy = NO_POLICY) -> tuple[Finding, ...]:
    """Does every table exist that the text names? Findings of the groups before are among these, too."""
    return _of(lakehouse, query_text, policy, Group.SYNTAX, Group.SAFETY, Group.REFERENCES)


def validate_alert_query(
    lakehouse: Lakehouse,
    query_text: str,
    policy: Policy = NO_POLICY,
    *,
    aggregation_column: str | None = None,
    operator: str | None = None,
    threshold_value_double: float | None = None,
) -> tuple[Finding, ...]:
    """The findings of all rules; those of the group contract need an aggregation column. The placeholders `${catalog}` and
    `${gold_schema}` are resolved."""
    given = {
        "aggregation_column": aggregation_column,
        "operator": operator,
        "threshold_value_double": threshold_value_double,
    }
    return _findings(Catalog(lakehouse), policy, {"sql": query_text, **given})


def validate_lines(
    lakehouse: Lakehouse, items: Iterable[Mapping[str, Any] | Finding], policy: Policy
) -> Iterator[QueryVerdict]:
    """One verdict for each item, in their order; memory does not grow with their number.

    items: objects as the lines of `--jsonl` hold them (other keys are ignored), or what is wrong with a line."""
    catalog = Catalog(lakehouse)

    def one(item: Mapping[str, Any] | Finding) -> QueryVerdict:
        if isinstance(item, Finding):
            return QueryVerdict(None, (item,))
        return QueryVerdict(item.get("id"), _findings(catalog, policy, item))

    remaining = iter(items)
    with ThreadPoolExecutor(ANALYSES_AT_A_TIME, thread_name_prefix="validate") as pool:
        while batch := list(islice(remaining, AT_A_TIME)):
            yield from pool.map(one, batch)


def read_only_problem(sql: str, policy: Policy = NO_POLICY) -> str | None:
    """Why the text is not proven to be one query that only reads; None when it is. Asks no engine."""
    return next((finding.text for finding in findings_without_engine(sql, policy)), None)


def input_finding(message: str) -> Finding:
    return Finding(INPUT, Group.SYNTAX, Severity.ERROR, message)


def _of(lakehouse: Lakehouse, text: str, policy: Policy, *groups: Group) -> tuple[Finding, ...]:
    return _findings(Catalog(lakehouse), policy, {"sql": text}, frozenset(groups))


def _findings(
    catalog: Catalog, policy: Policy, item: Mapping[str, Any], groups: frozenset[Group] = frozenset(Group)
) -> tuple[Finding, ...]:
    sql = item.get("sql")
    if not isinstance(sql, str):
        return (input_finding('"sql" is missing or no text'),)
    contract = _contract(item)
    if isinstance(contract, Finding):
        return (contract,)
    namespace = catalog.lakehouse.namespace
    values = dict(zip(("catalog", "gold_schema"), map(Identifier, namespace), strict=True))
    try:
        resolved, origin = resolve(sql, values)
        text = trim_query(resolved)
        origin = origin.without_head(len(resolved) - len(resolved.lstrip()))
    except QueryTextError as error:
        if "${" in str(error):
            return (input_finding(str(error)),)
        text, origin = sql, Origin(sql)  # cannot be cut into tokens; the rules say where and why
    return findings_on(AlertQuery(text, origin, catalog, policy, contract), groups=groups)


def _contract(item: Mapping[str, Any]) -> Contract | Finding | None:
    column, operator, threshold = (item.get(key) for key in _CONTRACT_KEYS)
    if column is None:
        return None
    if not isinstance(column, str):
        return input_finding('"aggregation_column" is no text')
    if operator is None:
        return Contract(column)
    if operator not in list(Operator):
        return input_finding(f'"operator" {operator!r} is not known; use one of: {", ".join(Operator)}')
    if threshold is not None and (
        isinstance(threshold, bool) or not isinstance(threshold, int | float) or not math.isfinite(threshold)
    ):
        return input_finding('"threshold_value_double" is no finite number')
    rule = OPERATORS[Operator(operator)]
    types = rule.value_types
    if rule.needs in (Needs.VALUE, Needs.RANGE, Needs.CHANGE) and threshold is not None:
        types = frozenset({ValueType.NUMBER})
    return Contract(column, Condition(Operator(operator), types if len(types) == 1 else frozenset()))

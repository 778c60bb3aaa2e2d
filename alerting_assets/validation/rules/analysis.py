"""Does the engine understand it? It analyses and plans, and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from alerting_assets.alerts.configuration import did_you_mean
from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.validation.finding import Finding, Group
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.base import Rule


class AcceptedByTheEngine(Rule):
    """Columns, functions and types all resolve: the engine analyses and plans the query as you wrote it."""

    group = Group.ANALYSIS
    stops = True

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        try:
            _ = query.source_columns
        except QueryError as error:
            at = query.offset(error.line, error.column)
            near = None
            if error.kind is QueryErrorKind.MISSING_COLUMN and error.name:
                near = did_you_mean(error.name.rsplit(".", 1)[-1], _columns(query)).removeprefix("; ") or None
            yield self.rejected(query, error, at=at, suggestion=near)


class DeployedFormIsAccepted(Rule):
    """The engine also accepts exactly the text that is deployed, and it yields the column that is compared."""

    group = Group.ANALYSIS

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        contract = query.contract
        if contract is None or contract.sql is None or query.source_column is None:
            return
        try:
            names = [column.name for column in query.columns]
        except QueryError as error:
            yield self._rejected(query, error)
            return
        if contract.column not in names:
            yield self.finding(query, f"the deployed form does not yield {contract.column!r} but {', '.join(names)}")

    def _rejected(self, query: AlertQuery, error: QueryError) -> Finding:
        try:
            query.catalog.lakehouse.describe(query.sql)
        except QueryError as own:  # found by planning, which the first look left to the second
            return self.rejected(query, own, at=query.offset(own.line, own.column))
        return self.rejected(query, QueryError(error.kind, f"{error.message} (in the form that is deployed)"))


def _columns(query: AlertQuery) -> set[str]:
    """Names that the query could have meant: columns of its tables, and what its subqueries yield."""
    found = {alias.alias for alias in query.nodes if isinstance(alias, exp.Alias) and alias.alias}
    try:
        for reference in query.tables:
            name = query.catalog.full_name(reference.parts)
            found |= {column.name for column in (query.catalog.columns(name) if name else None) or ()}
    except QueryTextError:
        pass
    return found

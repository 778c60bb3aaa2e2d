"""Does the engine understand it? It analyses and plans, and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable

from alerting_assets.errors import QueryError, QueryErrorKind, did_you_mean
from alerting_assets.validation.finding import Finding, Group
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.base import Rule
from alerting_assets.validation.spark.second_opinion import known_names


class AcceptedByTheEngine(Rule):
    """Columns, functions and types all resolve: the engine analyses and plans the query as you wrote it. What the embedded engine lets pass
    and Spark and Databricks refuse (ANSI mode) is refused, too: values that are compared, combined or converted across types, functions
    with other arguments than they take, and functions where they cannot stand."""

    group = Group.ANALYSIS
    stops = True

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        try:
            _ = query.source_columns
        except QueryError as error:
            near = None
            if error.kind is QueryErrorKind.MISSING_COLUMN and error.name:
                near = did_you_mean(error.name.rsplit(".", 1)[-1], known_names(query)).removeprefix("; ") or None
            yield self.rejected(query, error, at=query.offset(error.line, error.column), suggestion=near)

"""The embedded engine's word on a query, put right where Spark and Databricks say otherwise: it converts between more types than they,
knows less of their SQL, and takes some of what it lacks for an error of the query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope

from alerting_assets.alerts.origin import place_of
from alerting_assets.alerts.parse import start_of
from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.lakehouse.port import Column
from alerting_assets.validation.spark.calls import first_unfit_call
from alerting_assets.validation.spark.grouping import first_ungrouped
from alerting_assets.validation.spark.places import first_misplaced
from alerting_assets.validation.spark.types import first_type_problem

if TYPE_CHECKING:
    from alerting_assets.validation.query import AlertQuery


def describe(query: AlertQuery, sql: str, *, planned: bool = True) -> tuple[Column, ...]:
    """The output columns of `sql`, which begins with the query's own text, as Spark and Databricks tell them. Raises QueryError."""
    lakehouse = query.catalog.lakehouse
    if lakehouse.is_spark:
        return lakehouse.describe(sql, planned=planned)
    try:
        columns = lakehouse.describe(sql, planned=planned)
    except QueryError as error:
        raise _corrected(query, error) from error
    if problem := first_type_problem(query) or first_unfit_call(query) or first_misplaced(query):
        raise _error(query, problem[1], problem[0], QueryErrorKind.TYPE_MISMATCH)
    return columns


def _corrected(query: AlertQuery, error: QueryError) -> QueryError:
    kind, name = error.kind, error.name or ""
    if kind is QueryErrorKind.UNSUPPORTED:
        if unknown := next(_unknown_columns(query), None):
            return unknown
        problem = (
            first_type_problem(query) or first_unfit_call(query) or first_misplaced(query) or first_ungrouped(query)
        )
        return _error(query, problem[1], problem[0]) if problem else error
    if kind is QueryErrorKind.MISSING_COLUMN and not _is_missing(query, name):
        message = f"the embedded engine does not find column {name}, which the query has"
    elif kind is QueryErrorKind.RUNTIME and _may_not_be_computed(query):
        message = f"the embedded engine computes constants that other engines may never come to: {error.message}"
    elif kind is QueryErrorKind.MISSING_TABLE and _is_there(query, name):
        message = (
            f"the embedded engine does not find {name}, which is there; write its name in the same letters everywhere"
        )
    else:
        return error
    return QueryError(QueryErrorKind.UNSUPPORTED, message, line=error.line, column=error.column)


def _error(
    query: AlertQuery,
    message: str,
    at: int | exp.Expr,
    kind: QueryErrorKind = QueryErrorKind.OTHER,
    name: str | None = None,
) -> QueryError:
    """at: an offset in the query's text, or a node of its tree."""
    offset = start_of(at) if isinstance(at, exp.Expr) else at
    line, column = (None, None) if offset is None else place_of(query.sql, offset)
    return QueryError(kind, message, line=line, column=column, name=name)


def _is_there(query: AlertQuery, name: str) -> bool:
    """Second opinion on a table that the engine does not find: WITH gives it, in other letters, or the rule tables_exist saw it."""
    written = {node.name for node in query.nodes if isinstance(node, exp.Table) and node.name.lower() == name.lower()}
    given = {node.alias for node in query.nodes if isinstance(node, exp.CTE) and node.alias.lower() == name.lower()}
    full = query.catalog.full_name(name.split("."))
    return bool(given and (written - given or len(given) > 1)) or (
        full is not None and query.catalog.columns(full) is not None
    )


def _may_not_be_computed(query: AlertQuery) -> bool:
    """Whether a part of the query is only looked at under a condition."""
    lazy = (exp.If, exp.Case, exp.Coalesce, exp.Nullif, exp.Connector, exp.TryCast)
    names = ("nanvl", "nvl", "nvl2", "iff", "zeroifnull")
    return any(isinstance(node, lazy) for node in query.nodes) or any(
        call.text.lower() in names for call in query.calls
    )


def _is_missing(query: AlertQuery, name: str) -> bool:
    """Second opinion on a column that the engine does not find: it may be blind to what other engines see."""
    if _has_time_windows(query) or (name.upper() in _UNITS and query.called("timediff") is not None):
        return False
    parts = [part.lower() for part in name.split(".")]
    known = {known.lower() for known in known_names(query)}
    if query.is_large:
        return True
    if parts[-1] not in known and (len(parts) == 1 or parts[0] not in known or _is_plain(query, parts)):
        return True
    if any(isinstance(node, exp.Lateral | exp.UDTF | exp.Pivot) or _is_table_function(node) for node in query.nodes):
        return False
    try:
        query.bound(strict=True)
    except SqlglotError:
        return True
    return _is_hidden_by_join(query, parts)


_UNITS = frozenset(
    {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"}
)


def _has_time_windows(query: AlertQuery) -> bool:
    """They name columns `window.start` that nothing declares."""
    return query.called("session_window") is not None or query.called("window") is not None


def _is_plain(query: AlertQuery, parts: list[str]) -> bool:
    """Whether `a.b` asks a table for a column that it lacks, or a value without fields for a field."""
    for scope in query.scopes:
        for alias, source in scope.sources.items():
            name = (
                query.catalog.full_name([part.name for part in source.parts]) if isinstance(source, exp.Table) else None
            )
            columns = query.catalog.columns(name) if name else None
            if columns is None:
                continue
            if alias.lower() == parts[-2]:
                return True
            of_the_name = [column for column in columns if column.name.lower() == parts[0]]
            if of_the_name and not of_the_name[0].type.startswith(("struct", "map", "array", "variant")):
                return True
    return False


def _is_hidden_by_join(query: AlertQuery, parts: list[str]) -> bool:
    """A SEMI or ANTI join shows no columns of its right side."""
    return len(parts) == 2 and any(
        node.kind in ("SEMI", "ANTI") and node.this.alias_or_name.lower() == parts[0]
        for node in query.nodes
        if isinstance(node, exp.Join)
    )


_HIDDEN = frozenset(
    {
        "_metadata", "_change_type", "_commit_version", "_commit_timestamp", "grouping__id", "current_user", "session_user", "user",
        "current_time", "current_date", "current_timestamp", "localtimestamp", "col", "pos", "key", "value", "all", "default",
    }
)  # fmt: skip
"""Names that stand for something without being a column of a table: hidden columns, functions without parentheses, names that table
functions give, words of the grammar."""


def _unknown_columns(query: AlertQuery) -> Iterator[QueryError]:
    """Second opinion where the engine has none: columns that no table and no part of the query has, and aliases where they cannot be
    seen yet. Silent where a source's columns are not known."""
    if query.is_large or _has_time_windows(query):
        return
    if any(isinstance(node, exp.Lateral | exp.UDTF) or _is_table_function(node) for node in query.nodes):
        return
    known = {name.lower() for name in known_names(query)}
    for scope in query.scopes:
        own = {name.lower() for name in _columns_of(query, scope)}
        for column in scope.columns:
            name = column.name.lower()
            if name in _HIDDEN or column.args.get("db") is not None:
                continue
            if name not in known and not (column.table and column.table.lower() in known):
                yield _error(
                    query, f"column {column.name} does not exist", column, QueryErrorKind.MISSING_COLUMN, column.name
                )
            elif (
                not column.table
                and own
                and name not in own
                and _is_filter(column, scope.expression)
                and _is_alias(name, scope)
            ):
                why = "is an alias of the same SELECT, which WHERE and ON do not see yet; repeat its expression"
                yield _error(query, f"column {column.name} {why}", column)


def _columns_of(query: AlertQuery, scope: Scope) -> set[str]:
    """Empty where they are not all known, or where the SELECT can see others'."""
    found: set[str] = set()
    if scope.is_subquery or scope.is_correlated_subquery:
        return set()
    for source in scope.sources.values():
        name = query.catalog.full_name([part.name for part in source.parts]) if isinstance(source, exp.Table) else None
        columns = query.catalog.columns(name) if name else None
        if columns is None:
            return set()
        found |= {column.name for column in columns}
    return found


def _is_filter(column: exp.Column, select: exp.Expr) -> bool:
    clause = column.find_ancestor(exp.Where, exp.Join, exp.Select)
    return isinstance(clause, exp.Where | exp.Join) and clause.find_ancestor(exp.Select) is select


def _is_alias(name: str, scope: Scope) -> bool:
    select = scope.expression
    return isinstance(select, exp.Select) and any(item.alias.lower() == name for item in select.selects if item.alias)


def _is_table_function(node: exp.Expr) -> bool:
    return isinstance(node, exp.Table) and isinstance(node.this, exp.Func)


def known_names(query: AlertQuery) -> set[str]:
    """Names that the query could have meant: columns of its tables, and what its parts yield or name."""
    found = {alias.alias for alias in query.nodes if isinstance(alias, exp.Alias) and alias.alias}
    for node in query.nodes:
        if isinstance(node, exp.TableAlias):
            found |= {column.name for column in node.args.get("columns") or ()} | {node.name}
        elif isinstance(node, exp.Pivot | exp.PivotAlias | exp.Aliases | exp.PropertyEQ | exp.Lambda):
            found |= {part.name for part in node.find_all(exp.Identifier)} - {
                part.name for part in node.find_all(exp.Column)
            }
    try:
        for reference in query.tables:
            name = query.catalog.full_name(reference.parts)
            found |= {column.name for column in (query.catalog.columns(name) if name else None) or ()}
            found.add(reference.parts[-1])
    except QueryTextError:
        pass
    return found

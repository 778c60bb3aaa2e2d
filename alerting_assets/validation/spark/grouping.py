"""Columns that are neither grouped nor aggregated: a second opinion where the embedded engine is stricter than Spark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from alerting_assets.alerts.parse import DIALECT
from alerting_assets.validation.spark import Diagnostic

if TYPE_CHECKING:
    from alerting_assets.validation.query import AlertQuery

_SETS = (exp.Cube, exp.Rollup, exp.GroupingSets)
_CLOSED = (
    exp.AggFunc, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls, exp.Anonymous, exp.Query, exp.Subquery,
    exp.Exists, exp.Lambda, exp.Star,
)  # fmt: skip
"""What is inside is computed from a group's rows, perhaps, or is a matter of its own."""


def first_ungrouped(query: AlertQuery) -> Diagnostic | None:
    """Of the columns in SELECT, HAVING and ORDER BY. Silent about subqueries, which see others' columns, and about groups in sets."""
    for scope in () if query.is_large else query.scopes:
        select = scope.expression
        if not isinstance(select, exp.Select) or scope.is_subquery or scope.is_correlated_subquery:
            continue
        group = select.args.get("group")
        if group is None and not select.args.get("having") and not _is_aggregated(select):
            continue
        if group is not None and (group.args.get("all") or group.find(*_SETS)):
            continue
        keys = {_bare(key) for key in _keys(select, group)}
        aliases = {item.alias.lower() for item in select.selects if item.alias}
        for item, known in _places(select, keys):
            for column in _columns(item, known):
                is_field = column.table.lower() in keys or column.table.lower() in ("window", "session_window")
                if column.name.lower() not in aliases and not is_field:
                    name = column.sql(dialect=DIALECT)
                    return column, f"column {name} is neither in GROUP BY nor inside an aggregate function"
    return None


def _places(select: exp.Select, keys: set[str]) -> Iterator[tuple[exp.Expr, set[str]]]:
    """Expressions that are computed once a group, with what may stand in them."""
    for item in select.selects:
        yield item.unalias(), keys
    selected = keys | {_bare(item.unalias()) for item in select.selects}
    for clause in (select.args.get("having"), select.args.get("order")):
        for item in clause.iter_expressions() if clause is not None else ():
            yield item, selected


def _is_aggregated(select: exp.Select) -> bool:
    return any(
        isinstance(node, exp.AggFunc)
        for item in select.selects
        for node in item.walk(prune=lambda node: isinstance(node, exp.Query | exp.Window))
        if not isinstance(node, exp.Window)
    )


def _keys(select: exp.Select, group: exp.Expr | None) -> Iterator[exp.Expr]:
    aliases = {item.alias.lower(): item.unalias() for item in select.selects if item.alias}
    for key in group.expressions if group is not None else ():
        yield key
        if isinstance(key, exp.Literal) and key.name.isdigit() and 0 < int(key.name) <= len(select.selects):
            yield select.selects[int(key.name) - 1].unalias()
        elif isinstance(key, exp.Column) and key.name.lower() in aliases:
            yield aliases[key.name.lower()]


def _columns(node: exp.Expr, keys: set[str]) -> Iterator[exp.Column]:
    if isinstance(node, exp.Window):
        for part in (*node.this.iter_expressions(), *(node.args.get("partition_by") or ()), node.args.get("order")):
            if part is not None:
                yield from _columns(part, keys)
        return
    if isinstance(node, _CLOSED) or _bare(node) in keys:
        return
    if isinstance(node, exp.Column):
        if not node.is_star:
            yield node
        return
    for child in node.iter_expressions():
        yield from _columns(child, keys)


def _bare(node: exp.Expr) -> str:
    """Without names of tables, which may be written or not."""
    copy = node.copy()
    for column in copy.find_all(exp.Column):
        column.set("table", None)
    return copy.sql(dialect=DIALECT).lower()

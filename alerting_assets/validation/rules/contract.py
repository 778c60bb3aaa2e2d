"""Does the result fit what the alert compares?"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from alerting_assets.alerts.operators import Aggregation, ValueType
from alerting_assets.errors import QueryError, did_you_mean
from alerting_assets.validation.finding import Finding, Group, Severity
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.base import Rule


class AggregationColumnExists(Rule):
    """`aggregation_column` is exactly one of the query's output columns, spelled the same."""

    group = Group.CONTRACT
    fixed = False
    stops = True

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        if query.contract is None or query.source_column is not None:
            return
        wanted = query.contract.column
        names = [column.name for column in query.source_columns]
        if wanted in names:
            yield self.finding(
                query,
                f"aggregation_column {wanted!r} names {names.count(wanted)} output columns",
                suggestion="give each its own alias",
            )
            return
        near = did_you_mean(wanted, names).removeprefix("; ")
        yield self.finding(
            query,
            f"aggregation_column {wanted!r} is no output column of the query, which has: {', '.join(names)}",
            suggestion=near or None,
        )


class AggregationFitsTheColumn(Rule):
    """SUM, AVG, MEDIAN and STDDEV need a number."""

    group = Group.CONTRACT
    fixed = False
    stops = True

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        aggregation = query.contract.aggregation if query.contract else None
        column = query.source_column
        if aggregation is None or column is None or not aggregation.needs_number:
            return
        if value_type(column.type) is not ValueType.NUMBER:
            yield self.finding(
                query,
                f"aggregation_type {aggregation} needs a number and column {column.name!r} is {column.type}",
                at=_output(query, column.name),
                suggestion=f"cast it, or use {Aggregation.COUNT} or {Aggregation.MAX}",
            )


class ValueFitsTheThreshold(Rule):
    """The value's type can be compared with the threshold by the operator: a text is not greater than a number."""

    group = Group.CONTRACT
    fixed = False
    stops = True

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        contract, column = query.contract, query.source_column
        condition = contract.condition if contract else None
        if contract is None or condition is None or column is None or not condition.value_types:
            return
        aggregation = contract.aggregation
        becomes_number = aggregation is not None and (aggregation.counts or aggregation.needs_number)
        if (ValueType.NUMBER if becomes_number else value_type(column.type)) in condition.value_types:
            return
        (wanted,) = condition.value_types
        what = (
            f"{aggregation} of {column.name!r}, which is a number"
            if becomes_number
            else f"{column.name!r}, which is {column.type}"
        )
        yield self.finding(
            query,
            f"{condition.operator} compares {what}, with a {wanted} threshold",
            at=_output(query, column.name),
            suggestion=f"cast the column to a {wanted}, or give a threshold of its type",
        )


class FirstRowHasAnOrder(Rule):
    """An alert without aggregation_type compares the first row: a query that may return several says by ORDER BY which one that is."""

    group = Group.CONTRACT
    fixed = False
    severity = Severity.WARNING

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        contract = query.contract
        if contract is None or contract.condition is None or contract.aggregation is not None:
            return
        if not has_one_row(query.tree) and not query.tree.args.get("order"):
            yield self.finding(
                query,
                "the first row is compared, the query may return several, and nothing says which is the first",
                suggestion="add ORDER BY, or set aggregation_type",
            )


class DeployedFormIsAccepted(Rule):
    """The engine also accepts exactly the text that is deployed, and it yields the column that is compared. Cannot be softened."""

    group = Group.CONTRACT

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        contract = query.contract
        if contract is None or contract.sql is None or query.source_column is None:
            return
        try:
            names = query.output_names
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


def has_one_row(tree: exp.Expr) -> bool:
    """Whether the text shows that the query returns one row at most."""
    if isinstance(tree, exp.Subquery):
        return has_one_row(tree.this) and not tree.args.get("joins")
    if isinstance(tree, exp.Values):
        return len(tree.expressions) <= 1
    limit = tree.args.get("limit")
    if limit is not None and limit.expression is not None and limit.expression.name in ("0", "1"):
        return True
    if not isinstance(tree, exp.Select) or tree.args.get("laterals") or _generates_rows(tree):
        return False
    source = tree.args.get("from_")
    if tree.args.get("group"):
        return False
    if source is None or _aggregates(tree):
        return True
    inner = source.this
    return isinstance(inner, exp.Subquery | exp.Values) and not tree.args.get("joins") and has_one_row(inner)


def _aggregates(select: exp.Select) -> bool:
    """Without GROUP BY: one row."""
    if select.args.get("having"):
        return True
    return any(_is_own_aggregate(node, select) for item in select.expressions for node in item.find_all(exp.AggFunc))


def _is_own_aggregate(node: exp.Expr, select: exp.Select) -> bool:
    window = node.find_ancestor(exp.Window)
    return node.find_ancestor(exp.Select) is select and (
        window is None or window.find_ancestor(exp.Select) is not select
    )


def _generates_rows(select: exp.Select) -> bool:
    return any(item.find(exp.Explode, exp.Inline, exp.UDTF, exp.Posexplode) for item in select.expressions)


def _output(query: AlertQuery, name: str) -> exp.Expr | None:
    """The expression that becomes this column."""
    if not isinstance(query.tree, exp.Select):
        return None
    return next((item for item in query.tree.expressions if item.alias_or_name == name), None)


def value_type(spark_type: str) -> ValueType:
    """Of Spark's simple type string."""
    base = spark_type.partition("(")[0].strip().lower()
    if base in ("tinyint", "smallint", "int", "integer", "bigint", "long", "float", "double", "decimal"):
        return ValueType.NUMBER
    if base in ("string", "varchar", "char"):
        return ValueType.STRING
    return ValueType.BOOLEAN if base == "boolean" else ValueType.OTHER

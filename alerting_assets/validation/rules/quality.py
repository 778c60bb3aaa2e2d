"""It runs: will it cost more, or tell less, than its author thinks? Warnings only, unless the project makes them errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope
from sqlglot.tokenizer_core import TokenType

from alerting_assets.alerts.operators import Aggregation
from alerting_assets.lakehouse.port import Column
from alerting_assets.validation.finding import Finding, Group, Severity
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.base import Rule
from alerting_assets.validation.rules.contract import has_one_row

_RANDOM = frozenset(
    {
        "rand", "random", "randn", "randstr", "uniform", "uuid", "shuffle", "monotonically_increasing_id", "spark_partition_id",
        "input_file_name", "first", "first_value", "last", "last_value", "any_value"
    }
)  # fmt: skip
_ORDERED_BY_CHANCE = frozenset({"first", "first_value", "last", "last_value", "any_value"})


_OF_SEVERAL_ROWS = (Aggregation.COUNT, Aggregation.COUNT_DISTINCT, Aggregation.STDDEV)


class QualityRule(Rule):
    group = Group.QUALITY
    fixed = False
    severity = Severity.WARNING


class FactTableIsFilteredByTime(QualityRule):
    """A large fact table (`fact_tables` in validation.yml, `fact_*` unless set) is read by a condition on one of its time columns.
    Without one each evaluation reads all of it."""

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for scope in query.scopes:
            for alias, source in scope.sources.items():
                if not isinstance(source, exp.Table) or not query.policy.is_fact_table(source.name):
                    continue
                times = [column.name for column in _columns(query, source) if _is_time(column)]
                if times and not _filters(scope, alias, times):
                    yield self.finding(
                        query,
                        f"all of {source.name} is read: no condition on {', '.join(times)}",
                        at=source,
                        suggestion=f"filter it: WHERE {times[0]} >= …",
                    )


class AggregationHasSeveralRows(QualityRule):
    """COUNT, COUNT_DISTINCT and STDDEV are of several rows: over a query that already yields one row, COUNT is always 1."""

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        kind = query.contract.aggregation if query.contract else None
        if kind in _OF_SEVERAL_ROWS and query.tree is not None and has_one_row(query.tree):
            always = "1" if kind is not Aggregation.STDDEV else "NULL"
            yield self.finding(
                query,
                f"the query yields one row, so its {kind} is always {always}",
                suggestion="leave aggregation_type out: the value of that row is compared",
            )


class NoCrossJoin(QualityRule):
    """No join pairs every row with every other; one with a single row is fine."""

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for select in (node for node in query.nodes if isinstance(node, exp.Select)):
            source = select.args.get("from_")
            if source is None or _is_single(source.this, query):
                continue
            for join in select.args.get("joins") or ():
                if _is_cross(join, select) and not _is_single(join.this, query):
                    yield self.finding(
                        query,
                        f"{join.this.alias_or_name or 'a subquery'} is joined without a condition: every row with every row",
                        at=join.this,
                        suggestion="add ON, or a condition that compares columns of both",
                    )


class NoSelectStar(QualityRule):
    """The columns of a table are named: with `*` a new column of the table changes the query's result."""

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for select in (node for node in query.nodes if isinstance(node, exp.Select)):
            source = select.args.get("from_")
            if source is None or not isinstance(source.this, exp.Table) or not source.this.name:
                continue
            if isinstance(select.parent, exp.Exists) or _is_common(query, source.this):
                continue
            if any(item.is_star and not isinstance(item, exp.Count) for item in select.expressions):
                yield self.finding(
                    query,
                    f"* takes whatever columns {source.this.name} has",
                    at=source.this,
                    suggestion="name the columns",
                )


class IsDeterministic(QualityRule):
    """The same rows give the same value: no random functions, no samples without a seed, no `first` of rows in no order."""

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for node in query.nodes:
            if isinstance(node, exp.TableSample) and not node.args.get("seed"):
                yield self.finding(
                    query, "TABLESAMPLE takes other rows each time", at=node, suggestion="add REPEATABLE (1)"
                )
            elif isinstance(node, exp.Func) and (name := _random(node)):
                reason = (
                    "depends on the order of rows" if name in _ORDERED_BY_CHANCE else "gives another value each time"
                )
                yield self.finding(query, f"{name}() {reason}", at=query.called(name))


class MeansTheSameEverywhere(QualityRule):
    """The embedded engine and Databricks give the same result; known differences are in docs/engines.md. Asked only where alerts are
    evaluated on the embedded engine."""

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        if query.catalog.lakehouse.is_spark:
            return
        for node in query.nodes:
            if isinstance(node, exp.Sub | exp.Add | exp.DateSub | exp.DateAdd) and _hours_of_a_date(node):
                yield self._differs(
                    query,
                    node,
                    "a DATE and an interval of hours give a DATE here",
                    "start from CURRENT_TIMESTAMP(), or use days",
                )
            elif isinstance(node, exp.Sub) and _is_date(node.this) and _is_date(node.expression):
                yield self._differs(query, node, "the difference of two dates is a number here", "use DATEDIFF(…)")
            elif isinstance(node, exp.Extract) and str(node.this).upper() in ("DOW", "DAYOFWEEK", "DAYOFWEEK_ISO"):
                yield self._differs(query, node, "the day of the week counts from 0 here", "use dayofweek(…)")
            elif (
                isinstance(node, exp.Lateral)
                and not node.args.get("outer")
                and isinstance(node.this, exp.Explode | exp.Posexplode)
            ):
                yield self._differs(
                    query,
                    node,
                    "LATERAL explode keeps rows whose collection is empty here",
                    "filter them: WHERE size(…) > 0",
                )
        for token, after in zip(query.tokens, query.tokens[1:], strict=False):
            if token.token_type is after.token_type is TokenType.STRING and token.end + 1 == after.start:
                yield self.finding(query, "a doubled quote gets lost here", at=token.start, suggestion="write \\'")

    def _differs(self, query: AlertQuery, node: exp.Expr, what: str, instead: str) -> Finding:
        return self.finding(query, f"{what}, not on Databricks", at=node, suggestion=instead)


def _columns(query: AlertQuery, table: exp.Table) -> tuple[Column, ...]:
    name = query.catalog.full_name([part.name for part in table.parts])
    return (query.catalog.columns(name) if name else None) or ()


def _is_time(column: Column) -> bool:
    return column.type.lower() in ("date", "timestamp", "timestamp_ntz")


def _filters(scope: Scope, alias: str, times: list[str]) -> bool:
    """Whether a condition of this SELECT, or of its joins, names one of the columns."""
    select = scope.expression
    if not isinstance(select, exp.Select):
        return True
    conditions = [
        select.args.get("where"),
        select.args.get("qualify"),
        *(join.args.get("on") for join in select.args.get("joins") or ()),
    ]
    lowered = {name.lower() for name in times}
    alone = len(scope.sources) == 1
    return any(
        column.name.lower() in lowered and (column.table in ("", alias) or alone)
        for condition in conditions
        if condition is not None
        for column in condition.find_all(exp.Column)
    )


def _is_cross(join: exp.Join, select: exp.Select) -> bool:
    if join.args.get("on") or join.args.get("using") or join.args.get("method"):
        return False
    if isinstance(join.this, exp.Lateral | exp.UDTF) or join.kind in ("SEMI", "ANTI"):
        return False
    where = select.args.get("where")
    mine = join.this.alias_or_name
    for comparison in where.find_all(exp.Predicate) if where else ():
        tables = {column.table for column in comparison.find_all(exp.Column)}
        if "" in tables or (mine in tables and len(tables) > 1):
            return False  # without qualifiers nobody can tell: give it the benefit of the doubt
    return True


def _is_single(source: exp.Expr, query: AlertQuery) -> bool:
    if isinstance(source, exp.Subquery | exp.Values):
        return has_one_row(source)
    if isinstance(source, exp.Table):
        body = _common(query, source)
        return body is not None and has_one_row(body)
    return isinstance(source, exp.Lateral)


def _common(query: AlertQuery, table: exp.Table) -> exp.Expr | None:
    """The common table expression that a name stands for."""
    if table.db:
        return None
    return next(
        (node.this for node in query.nodes if isinstance(node, exp.CTE) and node.alias.lower() == table.name.lower()),
        None,
    )


def _is_common(query: AlertQuery, table: exp.Table) -> bool:
    return _common(query, table) is not None


def _random(function: exp.Func) -> str | None:
    names = [function.name] if isinstance(function, exp.Anonymous) else function.sql_names()
    found = next((name.lower() for name in names if name.lower() in _RANDOM), None)
    if found in _ORDERED_BY_CHANCE and function.find_ancestor(exp.Window, exp.WithinGroup, exp.Pivot):
        return None
    return found


def _hours_of_a_date(node: exp.Expr) -> bool:
    sides: Iterator[exp.Expr] = (
        side for side in (node.this, node.args.get("expression")) if isinstance(side, exp.Expr)
    )
    sides_found = list(sides)
    interval = next((side for side in sides_found if isinstance(side, exp.Interval)), None)
    unit = (
        str(interval.args.get("unit") or "").upper().rstrip("S")
        if interval
        else str(node.args.get("unit") or "").upper().rstrip("S")
    )
    if unit not in ("HOUR", "MINUTE", "SECOND"):
        return False
    return any(_is_date(side) for side in sides_found if side is not interval)


def _is_date(node: exp.Expr | None) -> bool:
    if isinstance(node, exp.Paren):
        return _is_date(node.this)
    if isinstance(node, exp.Cast):
        return bool(node.to.this is exp.DType.DATE)
    return isinstance(node, exp.CurrentDate | exp.Date | exp.TsOrDsToDate)

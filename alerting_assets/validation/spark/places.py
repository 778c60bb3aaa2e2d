"""What Spark and Databricks refuse and the embedded engine lets pass: functions in places where they cannot stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from alerting_assets.validation.families import shown
from alerting_assets.validation.spark import Diagnostic

if TYPE_CHECKING:
    from alerting_assets.validation.query import AlertQuery


_RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead)
_GENERATORS = (exp.Explode, exp.ExplodeOuter, exp.Posexplode, exp.PosexplodeOuter, exp.Inline)
_NO_STAR = (exp.Max, exp.Min, exp.Sum, exp.Avg, exp.Stddev, exp.Variance)
_NOT_ORDERED_SETS = (exp.Sum, exp.Avg, exp.Max, exp.Min, exp.Count)


def first_misplaced(query: AlertQuery) -> Diagnostic | None:
    if query.is_large:
        return None
    return next((problem for node in query.nodes for problem in _problems(node)), None)


def _problems(node: exp.Expr) -> Iterator[Diagnostic]:
    for kinds, judge in _JUDGES:
        if isinstance(node, kinds):
            yield from judge(node)


def _window(node: exp.Expr) -> Iterator[Diagnostic]:
    function, spec, order = node.this, node.args.get("spec"), node.args.get("order")
    named = node.args.get("alias")
    if named is None and order is None and isinstance(function, _RANKS):
        yield node, f"{shown(node)}: {function.key} needs an ORDER BY inside OVER"
    if isinstance(function, _RANKS) and spec is not None:
        yield node, f"{shown(node)}: {function.key} takes no frame"
    if isinstance(spec, exp.WindowSpec) and any(isinstance(spec.args.get(end), exp.Column) for end in ("start", "end")):
        yield node, f"{shown(node)}: a frame's distances are constants"
    if isinstance(function, exp.Count) and isinstance(function.this, exp.Distinct):
        yield node, f"{shown(node)}: DISTINCT cannot stand in a window function"
    if isinstance(node.find_ancestor(exp.AggFunc, exp.Select), exp.AggFunc) and node.parent is not None:
        yield node, f"{shown(node)}: a window function stands inside an aggregate function"
    condition = node.find_ancestor(exp.Filter, exp.Select)
    if isinstance(condition, exp.Filter) and node.find_ancestor(exp.Where, exp.Select) is condition.expression:
        yield node, f"{shown(node)}: a window function stands inside FILTER"


def _generator(node: exp.Expr) -> Iterator[Diagnostic]:
    parent = node.parent
    if isinstance(parent, exp.Alias | exp.Aliases):
        parent = parent.parent
    if not isinstance(parent, exp.Select | exp.Lateral | exp.Table | exp.Query | exp.From | exp.Join | exp.Dot) or (
        isinstance(parent, exp.Select) and node.arg_key not in ("expressions", "this")
    ):
        yield node, f"{shown(node)} makes rows: it stands alone in SELECT or in LATERAL VIEW"


def _lateral(node: exp.Expr) -> Iterator[Diagnostic]:
    if node.args.get("view") and isinstance(
        node.this, exp.Upper | exp.Lower | exp.Length | exp.Trim | exp.Concat | exp.AggFunc
    ):
        yield node, f"LATERAL VIEW needs a function that makes rows, which {shown(node.this)} does not"


def _star(node: exp.Expr) -> Iterator[Diagnostic]:
    if isinstance(node.this, exp.Star):
        yield node, f"{shown(node)}: only COUNT counts *"


def _distinct(node: exp.Expr) -> Iterator[Diagnostic]:
    parent = node.parent
    if isinstance(parent, exp.Func) and not isinstance(parent, exp.AggFunc | exp.Anonymous | exp.AnonymousAggFunc):
        yield parent, f"{shown(parent)}: DISTINCT stands in aggregate functions only"


def _within(node: exp.Expr) -> Iterator[Diagnostic]:
    if isinstance(node.this, _NOT_ORDERED_SETS):
        yield node, f"{shown(node)}: {node.this.key} takes no WITHIN GROUP"
    share = node.this.this if isinstance(node.this, exp.PercentileCont | exp.PercentileDisc) else None
    if isinstance(share, exp.Literal) and not share.is_string and not 0 <= float(share.name) <= 1:
        yield node, f"{shown(node)}: a percentage lies between 0 and 1"
    elif isinstance(share, exp.Column):
        yield node, f"{shown(node)}: a percentage is a constant"


def _aggregate(node: exp.Expr) -> Iterator[Diagnostic]:
    """In WHERE, JOIN or GROUP BY of its own SELECT. Inside HAVING a subquery's may be one of the rows around it."""
    outer = node.parent if isinstance(node.parent, exp.Filter | exp.WithinGroup | exp.IgnoreNulls) else node
    if isinstance(outer.parent, exp.Window):
        return
    clause = node.find_ancestor(exp.Where, exp.Group, exp.Join, exp.Having, exp.Select, exp.Query, exp.Filter)
    if isinstance(clause, exp.Where | exp.Group | exp.Join) and clause.find_ancestor(exp.Having) is None:
        yield node, f"{shown(node)} stands in {clause.key.upper()}, where there are no groups yet; filter in HAVING"


def _windowed(node: exp.Expr) -> Iterator[Diagnostic]:
    clause = node.find_ancestor(exp.Where, exp.Group, exp.Join, exp.Having, exp.Select, exp.Query, exp.Filter)
    if isinstance(clause, exp.Where | exp.Group | exp.Join | exp.Having):
        yield node, f"{shown(node)}: a window function cannot stand in {clause.key.upper()}; use QUALIFY or a subquery"


def _ordered(node: exp.Expr) -> Iterator[Diagnostic]:
    if isinstance(node.this, exp.Neg) and isinstance(node.this.this, exp.Literal):
        yield node, f"ORDER BY {shown(node)}: there is no column of that number"


def _limit(node: exp.Expr) -> Iterator[Diagnostic]:
    if isinstance(node.expression, exp.Null | exp.Boolean | exp.Column):
        yield node, f"{shown(node).strip()}: a limit is a constant whole number"


def _arrow(node: exp.Expr) -> Iterator[Diagnostic]:
    """sqlglot takes an arrow for the operator of other databases where no function asks for a lambda."""
    if "only_json_types" not in node.args:
        return
    outer = node.parent
    while outer is not None and not isinstance(outer, exp.Query):
        if isinstance(outer, exp.Func) and not isinstance(outer, _NO_CALLS):
            return
        outer = outer.parent
    yield node, "-> makes a lambda, which stands as an argument of functions such as transform() only"


_NO_CALLS = (exp.Connector, exp.Case, exp.If, exp.Cast, exp.JSONExtract, exp.JSONExtractScalar)

_Judge = Callable[[exp.Expr], Iterator[Diagnostic]]
_JUDGES: tuple[tuple[tuple[type[exp.Expr], ...], _Judge], ...] = (
    ((exp.Window,), _window),
    ((exp.Window,), _windowed),
    ((exp.AggFunc,), _aggregate),
    (_GENERATORS, _generator),
    ((exp.Lateral,), _lateral),
    (_NO_STAR, _star),
    ((exp.Distinct,), _distinct),
    ((exp.WithinGroup,), _within),
    ((exp.Ordered,), _ordered),
    ((exp.Limit, exp.Offset), _limit),
    ((exp.JSONExtract, exp.JSONExtractScalar), _arrow),
)

"""What Spark and Databricks refuse and the embedded engine lets pass: types that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlglot import exp

from alerting_assets.alerts.parse import DIALECT
from alerting_assets.validation.families import (
    NESTED,
    TIMES,
    Family,
    TypedTree,
    can_be_cast,
    can_be_compared,
    family_of,
    have_common_type,
    holds_map,
)
from alerting_assets.validation.finding import Finding, Group
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.arithmetic import JUDGES_OF_ARITHMETIC
from alerting_assets.validation.rules.base import Diagnostic, Rule

MAX_PRECISION = 38

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_BITS = (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot)
_OF_TEXTS = (
    exp.Upper,
    exp.Lower,
    exp.Substring,
    exp.Trim,
    exp.Initcap,
    exp.RegexpReplace,
    exp.RegexpExtract,
    exp.Replace,
)
_ORDERED = (exp.Max, exp.Min, exp.Greatest, exp.Least, exp.ArgMax, exp.ArgMin)
_NUMERIC = (exp.Median, exp.Quantile, exp.ApproxQuantile, exp.Stddev, exp.Variance)
_NUMERIC_ONLY = (exp.Round, exp.Abs, exp.Ceil, exp.Floor, exp.Sqrt)
_TIME_PARTS = (
    exp.Year,
    exp.Month,
    exp.Day,
    exp.Quarter,
    exp.DayOfWeek,
    exp.DayOfYear,
    exp.LastDay,
    exp.Hour,
    exp.Minute,
    exp.Second,
)
_SAME_TYPE = (exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Array)


class TypesFit(Rule):
    """Values are compared, combined and converted only where Spark and Databricks do it, too (ANSI mode). The embedded engine converts
    more than they; the other engines have judged that themselves."""

    group = Group.ANALYSIS

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        if query.catalog.lakehouse.engine == "embedded" and (problem := first_type_problem(query)):
            yield self.finding(query, problem[1], at=problem[0])


def first_type_problem(query: AlertQuery) -> Diagnostic | None:
    """One is enough: others often follow from it."""
    typed = query.typed
    if typed is None:
        return None
    return next((problem for node in typed.tree.walk() for problem in _problems(typed, node)), None)


def _problems(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    for kinds, judge in (*_JUDGES, *JUDGES_OF_ARITHMETIC):
        if isinstance(node, kinds):
            yield from judge(typed, node)


def _comparison(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    yield from _compared(typed, node, node.this, node.expression)


def _compared(typed: TypedTree, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> Iterator[Diagnostic]:
    first, second = typed.family(left), typed.family(right)
    if not can_be_compared(first, second):
        yield node, f"{_shown(node)} compares a {first} with a {second}"


def _membership(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    query = node.args.get("query")
    others = list(node.expressions)
    if isinstance(query, exp.Subquery) and isinstance(query.this, exp.Select) and len(query.this.selects) == 1:
        others.append(query.this.selects[0])
    for other in others:
        yield from _compared(typed, node, node.this, other)


def _between(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    for bound in (node.args["low"], node.args["high"]):
        yield from _compared(typed, node, node.this, bound)


def _case(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    operand = node.this
    for branch in node.args.get("ifs") or ():
        if operand is not None:
            yield from _compared(typed, node, operand, branch.this)
        else:
            yield from _condition(typed, branch.this)
    results = [branch.args.get("true") for branch in node.args.get("ifs") or ()]
    yield from _common(typed, node, [*results, node.args.get("default")])


def _if(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    if isinstance(node.parent, exp.Case):
        return
    yield from _condition(typed, node.this)
    yield from _common(typed, node, [node.args.get("true"), node.args.get("false")])


def _condition(typed: TypedTree, condition: exp.Expr) -> Iterator[Diagnostic]:
    found = typed.family(condition)
    if found not in (None, Family.BOOLEAN, Family.STRING):
        yield condition, f"{_shown(condition)} is a {found}, where a condition must be"


def _filter(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    where = node.expression
    if isinstance(where, exp.Where):
        yield from _condition(typed, where.this)


def _lambda(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    body = node.expression.this if isinstance(node.expression, exp.Lambda) else None
    if body is not None:
        yield from _condition(typed, body)


def _same_type(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    items = [node.this, *node.expressions] if isinstance(node.this, exp.Expr) else list(node.expressions)
    if isinstance(node, exp.Nullif):
        items = [node.this, node.expression]
    yield from _common(typed, node, items)


def _default(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    yield from _common(typed, node, [node.this, node.args.get("default")])


def _common(typed: TypedTree, node: exp.Expr, items: list[exp.Expr | None]) -> Iterator[Diagnostic]:
    known = [found for item in items if (found := typed.family(item)) is not None]
    for other in known[1:]:
        if not have_common_type(known[0], other):
            yield node, f"{_shown(node)} mixes a {known[0]} with a {other}"
            return


def _cast(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    source, target = typed.family(node.this), family_of(node.args["to"])
    if not can_be_cast(source, target):
        yield node, f"{_shown(node)}: there is no cast from {source} to {target}"


def _decimal(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    if node.this is not exp.DType.DECIMAL or not node.expressions:
        return
    sizes = [item.name for item in node.expressions]
    if all(size.isdigit() for size in sizes):
        precision, scale = int(sizes[0]), int(sizes[1]) if len(sizes) > 1 else 0
        if precision > MAX_PRECISION or scale > precision:
            yield (
                node,
                f"there is no {_shown(node)}: at most {MAX_PRECISION} digits, no more behind the point than in all",
            )


def _literal(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    text = node.name
    if not node.is_string and text.isdigit() and len(text) > MAX_PRECISION:
        yield node, f"{text[:20]}… has {len(text)} digits; numbers have at most {MAX_PRECISION}"


def _bits(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    for side in (node.this, node.args.get("expression")):
        type_ = typed.type(side)
        family = typed.family(side)
        if (type_ is not None and type_.this in exp.DataType.FLOAT_TYPES) or family in (
            Family.BOOLEAN,
            *TIMES,
            *NESTED,
        ):
            yield node, f"{_shown(node)} works on whole numbers only"
            return


def _texts(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    found = typed.family(node.this)
    if found in NESTED:
        yield node, f"{_shown(node)} needs a text, not a {found}"


def _ordered(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    items = [node.this, node.args.get("expression"), *node.expressions]
    keys = items[1:2] if isinstance(node, exp.ArgMax | exp.ArgMin) else items
    for item in keys:
        if isinstance(item, exp.Expr) and (typed.family(item) is Family.MAP or holds_map(typed.type(item))):
            yield node, f"{_shown(node)}: maps have no order"
            return


def _order(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    if typed.family(node.this) is Family.MAP or holds_map(typed.type(node.this)):
        yield node, f"{_shown(node)}: maps have no order"
    elif (type_ := typed.type(node.this)) is not None and type_.this is exp.DType.VARIANT:
        yield node, f"{_shown(node)}: variants have no order; cast them"


def _array_order(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    inner = node.this
    if isinstance(inner, exp.Array) and any(typed.family(item) is Family.MAP for item in inner.expressions):
        yield node, f"{_shown(node)}: maps have no order"


def _numeric(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    found = typed.family(node.this)
    if found in (Family.BOOLEAN, *NESTED):
        yield node, f"{_shown(node)} needs a number, not a {found}"
    share = node.args.get("quantile")
    if isinstance(share, exp.Literal) and not share.is_string and not 0 <= float(share.name) <= 1:
        yield node, f"{_shown(node)}: a percentage lies between 0 and 1"
    elif isinstance(share, exp.Column):
        yield node, f"{_shown(node)}: a percentage is a constant"


def _number(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    found = typed.family(node.this)
    if found in (Family.BOOLEAN, *TIMES, *NESTED):
        yield node, f"{_shown(node)} needs a number, not a {found}"


def _time_part(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    found = typed.family(node.this)
    if found in (Family.NUMBER, Family.BOOLEAN, *NESTED):
        yield node, f"{_shown(node)} needs a date or timestamp, not a {found}"


def _count_if(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    yield from _condition(typed, node.this)


def _element(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    found = typed.family(node.this)
    if found not in (None, *NESTED):
        yield node, f"{_shown(node)} needs an array or a map, not a {found}"


def _json(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    found = typed.family(node.this)
    if found not in (None, *NESTED):
        yield node, f"{_shown(node)} needs a struct, a map or an array, not a {found}"


def _for_all(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    if node.name.lower() == "forall" and len(node.expressions) == 2 and isinstance(node.expressions[1], exp.Lambda):
        yield from _condition(typed, node.expressions[1].this)


def _no_arguments(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    if node.this is not None:
        yield node, f"{_shown(node)} takes no argument"


def _flatten(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    type_ = typed.type(node.this)
    if type_ is not None and type_.this is exp.DType.ARRAY and type_.expressions:
        inner = type_.expressions[0]
        if isinstance(inner, exp.DataType) and inner.this is not exp.DType.ARRAY:
            yield node, f"{_shown(node)} needs an array of arrays"


def _constant_scale(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    scale = node.args.get("decimals")
    if isinstance(scale, exp.Column):
        yield node, f"{_shown(node)}: the number of digits is a constant"


def _concat(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    families = [typed.family(item) for item in node.expressions]
    if Family.MAP in families:
        yield node, f"{_shown(node)} joins texts or arrays, not maps"


def _set_operation(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    left, right = node.this, node.expression
    if not isinstance(left, exp.Select) or not isinstance(right, exp.Select):
        return
    pairs = list(zip(left.selects, right.selects, strict=False))
    removes_duplicates = bool(node.args.get("distinct")) or not isinstance(node, exp.Union)
    for one, other in pairs:
        first, second = typed.family(one), typed.family(other)
        if not have_common_type(first, second):
            yield one, f"{node.key.upper()} of a {first} and a {second}"
            return
        if removes_duplicates and Family.MAP in (first, second):
            yield one, f"{node.key.upper()} compares rows, and maps cannot be compared"
            return


def _scalar(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    inner = node.this
    if isinstance(node.parent, exp.Binary | exp.Neg) and isinstance(inner, exp.Select) and len(inner.expressions) > 1:
        yield node, f"{_shown(node)} stands for one value and has {len(inner.expressions)} columns"


def _nth(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    if node.args.get("offset") is not None and node.args["offset"].name == "0":
        yield node, f"{_shown(node)} counts from 1"


_Judge = Callable[[TypedTree, exp.Expr], Iterator[Diagnostic]]
_JUDGES: tuple[tuple[tuple[type[exp.Expr], ...], _Judge], ...] = (
    (_COMPARISONS, _comparison),
    ((exp.In,), _membership),
    ((exp.Between,), _between),
    ((exp.Case,), _case),
    ((exp.If,), _if),
    ((exp.Filter,), _filter),
    ((exp.ArrayFilter, exp.ArrayAny, exp.ArrayAll, exp.Exists), _lambda),
    (_SAME_TYPE, _same_type),
    ((exp.Lag, exp.Lead), _default),
    ((exp.Cast,), _cast),
    ((exp.DataType,), _decimal),
    ((exp.Literal,), _literal),
    (_BITS, _bits),
    (_OF_TEXTS, _texts),
    (_ORDERED, _ordered),
    ((exp.Ordered,), _order),
    ((exp.ArraySort, exp.ArrayMax, exp.ArrayMin), _array_order),
    (_NUMERIC, _numeric),
    (_NUMERIC_ONLY, _number),
    (_TIME_PARTS, _time_part),
    ((exp.CountIf,), _count_if),
    ((exp.Bracket,), _element),
    ((exp.JSONFormat,), _json),
    ((exp.Anonymous,), _for_all),
    ((exp.CurrentDate,), _no_arguments),
    ((exp.Flatten,), _flatten),
    ((exp.Round,), _constant_scale),
    ((exp.Concat,), _concat),
    ((exp.SetOperation,), _set_operation),
    ((exp.NthValue,), _nth),
    ((exp.Subquery,), _scalar),
)


def _shown(node: exp.Expr) -> str:
    text = node.sql(dialect=DIALECT)
    return text if len(text) <= 60 else text[:59] + "…"

"""What Spark and Databricks refuse and the embedded engine lets pass: types that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

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
    shown,
)
from alerting_assets.validation.spark import Diagnostic
from alerting_assets.validation.spark.arithmetic import JUDGES_OF_ARITHMETIC

if TYPE_CHECKING:
    from alerting_assets.validation.query import AlertQuery

MAX_PRECISION = 38

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_BITS = (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot)
_PERCENTILES = (exp.Quantile, exp.ApproxQuantile)
_SAME_TYPE = (exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Array, exp.Lag, exp.Lead)


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
        yield node, f"{shown(node)} compares a {first} with a {second}"


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
    if not isinstance(node.parent, exp.Case):
        yield from _common(typed, node, [node.args.get("true"), node.args.get("false")])


def _condition(typed: TypedTree, condition: exp.Expr) -> Iterator[Diagnostic]:
    found = typed.family(condition)
    if found not in (None, Family.BOOLEAN, Family.STRING):
        yield condition, f"{shown(condition)} is a {found}, where a condition must be"


def _filter(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    where = node.expression
    if isinstance(where, exp.Where):
        yield from _condition(typed, where.this)


def _lambda(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    if isinstance(node, exp.Anonymous) and node.name.lower() != "forall":
        return
    for part in node.iter_expressions():
        if isinstance(part, exp.Lambda):
            yield from _condition(typed, part.this)


def _same_type(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    items = [node.args.get(name) for name in ("this", "expression", "default")]
    yield from _common(typed, node, [*items, *node.expressions])


def _common(typed: TypedTree, node: exp.Expr, items: list[exp.Expr | None]) -> Iterator[Diagnostic]:
    known = [found for item in items if (found := typed.family(item)) is not None]
    for other in known[1:]:
        if not have_common_type(known[0], other):
            yield node, f"{shown(node)} mixes a {known[0]} with a {other}"
            return


def _cast(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    source, target = typed.family(node.this), family_of(node.args["to"])
    if not can_be_cast(source, target):
        yield node, f"{shown(node)}: there is no cast from {source} to {target}"


def _decimal(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    if node.this is not exp.DType.DECIMAL or not node.expressions:
        return
    sizes = [item.name for item in node.expressions]
    if all(size.isdigit() for size in sizes):
        precision, scale = int(sizes[0]), int(sizes[1]) if len(sizes) > 1 else 0
        if precision > MAX_PRECISION or scale > precision:
            yield (
                node,
                f"there is no {shown(node)}: at most {MAX_PRECISION} digits, no more behind the point than in all",
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
            yield node, f"{shown(node)} works on whole numbers only"
            return


def _order(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    if typed.family(node.this) is Family.MAP or holds_map(typed.type(node.this)):
        yield node, f"{shown(node)}: maps have no order"
    elif (type_ := typed.type(node.this)) is not None and type_.this is exp.DType.VARIANT:
        yield node, f"{shown(node)}: variants have no order; cast them"


def _array_order(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    inner = node.this
    if isinstance(inner, exp.Array) and any(typed.family(item) is Family.MAP for item in inner.expressions):
        yield node, f"{shown(node)}: maps have no order"


def _percentage(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    share = node.args.get("quantile")
    if isinstance(share, exp.Literal) and not share.is_string and not 0 <= float(share.name) <= 1:
        yield node, f"{shown(node)}: a percentage lies between 0 and 1"


def _flatten(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    type_ = typed.type(node.this)
    if type_ is not None and type_.this is exp.DType.ARRAY and type_.expressions:
        inner = type_.expressions[0]
        if isinstance(inner, exp.DataType) and inner.this is not exp.DType.ARRAY:
            yield node, f"{shown(node)} needs an array of arrays"


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
        yield node, f"{shown(node)} stands for one value and has {len(inner.expressions)} columns"


def _nth(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    if node.args.get("offset") is not None and node.args["offset"].name == "0":
        yield node, f"{shown(node)} counts from 1"


_Judge = Callable[[TypedTree, exp.Expr], Iterator[Diagnostic]]
_JUDGES: tuple[tuple[tuple[type[exp.Expr], ...], _Judge], ...] = (
    (_COMPARISONS, _comparison),
    ((exp.In,), _membership),
    ((exp.Between,), _between),
    ((exp.Case,), _case),
    ((exp.If,), _if),
    ((exp.Filter,), _filter),
    ((exp.ArrayFilter, exp.ArrayAny, exp.ArrayAll, exp.Exists, exp.Anonymous), _lambda),
    (_SAME_TYPE, _same_type),
    ((exp.Cast,), _cast),
    ((exp.DataType,), _decimal),
    ((exp.Literal,), _literal),
    (_BITS, _bits),
    ((exp.Ordered,), _order),
    ((exp.ArraySort, exp.ArrayMax, exp.ArrayMin), _array_order),
    (_PERCENTILES, _percentage),
    ((exp.Flatten,), _flatten),
    ((exp.SetOperation,), _set_operation),
    ((exp.NthValue,), _nth),
    ((exp.Subquery,), _scalar),
)

"""Which kinds of values can be added, subtracted, multiplied and divided: judges of the rule types_fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from alerting_assets.validation.families import INTERVALS, NESTED, TIMES, Family, TypedTree, shown
from alerting_assets.validation.spark import Diagnostic

_NEVER = (Family.BOOLEAN, Family.BINARY, *NESTED)
_FRACTIONS = (exp.DType.BIGINT, exp.DType.DECIMAL, exp.DType.DOUBLE, exp.DType.FLOAT)


def _sum(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    left, right = typed.family(node.this), typed.family(node.expression)
    sides = {left, right}
    wrong = next((side for side in (left, right) if side in _NEVER), None)
    if wrong is not None:
        yield node, f"{shown(node)} needs a number, not a {wrong}"
    elif sides == {Family.STRING}:
        yield node, f"{shown(node)} calculates with two texts; cast them to numbers"
    elif sides == {*INTERVALS}:
        yield node, f"{shown(node)} mixes months with days"
    elif (Family.NUMBER in sides and sides & {Family.TIMESTAMP, *INTERVALS}) or (
        isinstance(node, exp.Add) and left in TIMES and right in TIMES
    ):
        yield node, f"{shown(node)} adds a {left} and a {right}, which have no sum"
    elif isinstance(node, exp.Sub) and right in TIMES and left in (Family.NUMBER, *INTERVALS):
        yield node, f"{shown(node)} takes a {right} from a {left}"


def _product(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    left, right = typed.family(node.this), typed.family(node.expression)
    wrong = next((side for side in (left, right) if side in (*_NEVER, *TIMES)), None)
    if wrong is not None:
        yield node, f"{shown(node)} needs a number, not a {wrong}"
    elif left is right is Family.STRING:
        yield node, f"{shown(node)} calculates with two texts; cast them to numbers"
    elif isinstance(node, exp.Div) and right in INTERVALS:
        yield node, f"{shown(node)} divides by an {right}"


def _days(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    days = node.expression
    if isinstance(days, exp.Mul) and isinstance(days.expression, exp.Neg):
        days = days.this  # date_sub, as it is read
    is_fraction = isinstance(days, exp.Literal) and not days.is_string and not days.name.isdigit()
    type_ = typed.type(days) if isinstance(node, exp.TsOrDsAdd) else None
    if is_fraction or (type_ is not None and type_.this in _FRACTIONS):
        yield node, f"{shown(node)}: days are whole numbers of type INT"


def _points_in_time(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    for side in (node.this, node.expression):
        if isinstance(side, exp.Expr) and typed.family(side) in (Family.NUMBER, *_NEVER):
            yield node, f"{shown(node)} needs two points in time"
            return


def _interval(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:  # noqa: ARG001
    text = node.this.name.lower() if isinstance(node.this, exp.Literal) and node.this.is_string else ""
    words = {word.rstrip("s") for word in text.split()}
    if words & {"year", "month"} and words & {"week", "day", "hour", "minute", "second", "millisecond", "microsecond"}:
        yield node, f"{shown(node)} mixes months with days"


def _range(typed: TypedTree, node: exp.Expr) -> Iterator[Diagnostic]:
    """RANGE BETWEEN 1 PRECEDING …: the sort key and the distance have a difference."""
    spec, order = node.args.get("spec"), node.args.get("order")
    if not isinstance(spec, exp.WindowSpec) or spec.args.get("kind") != "RANGE" or order is None:
        return
    distances = [
        typed.family(end) for end in (spec.args.get("start"), spec.args.get("end")) if isinstance(end, exp.Expr)
    ]
    key = typed.family(order.expressions[0].this)
    if distances and (
        key in (Family.STRING, *_NEVER)
        or (key is Family.TIMESTAMP and Family.NUMBER in distances)
        or len(order.expressions) > 1
    ):
        yield (
            node,
            f"{shown(node)}: a RANGE over distances needs one sort key, a number or a time, and distances of its kind",
        )


JUDGES_OF_ARITHMETIC: tuple[
    tuple[tuple[type[exp.Expr], ...], Callable[[TypedTree, exp.Expr], Iterator[Diagnostic]]], ...
] = (
    ((exp.Add, exp.Sub), _sum),
    ((exp.Mul, exp.Div, exp.IntDiv, exp.Mod), _product),
    ((exp.TsOrDsAdd, exp.DateAdd, exp.DateSub), _days),
    ((exp.TimestampDiff, exp.DateDiff), _points_in_time),
    ((exp.Interval,), _interval),
    ((exp.Window,), _range),
)

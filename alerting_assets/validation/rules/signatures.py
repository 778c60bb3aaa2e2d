"""What Spark and Databricks refuse and the embedded engine lets pass: calls with other arguments than a function takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from alerting_assets.alerts.parse import ARGUMENT, DIALECT
from alerting_assets.validation.families import Family, TypedTree
from alerting_assets.validation.finding import Finding, Group
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.base import Diagnostic, Rule
from alerting_assets.validation.signatures import MAPS, NUMBERS, Argument, Kind, Signature, signatures

_KINDS: dict[Family, frozenset[Kind]] = {
    Family.NUMBER: NUMBERS,
    Family.STRING: frozenset({Kind.TEXT}),
    Family.BOOLEAN: frozenset({Kind.BOOLEAN}),
    Family.BINARY: frozenset({Kind.BINARY}),
    Family.DATE: frozenset({Kind.DATE}),
    Family.TIMESTAMP: frozenset({Kind.TIMESTAMP}),
    Family.MONTHS: frozenset({Kind.MONTHS}),
    Family.SECONDS: frozenset({Kind.SECONDS}),
    Family.ARRAY: frozenset({Kind.ARRAY}),
    Family.MAP: MAPS,
    Family.STRUCT: frozenset({Kind.STRUCT}),
}
_TYPES: dict[exp.DType, Kind] = {
    **dict.fromkeys((exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT), Kind.INT),
    exp.DType.BIGINT: Kind.BIGINT,
    exp.DType.DECIMAL: Kind.DECIMAL,
    exp.DType.FLOAT: Kind.DOUBLE,
    exp.DType.DOUBLE: Kind.DOUBLE,
    exp.DType.TIME: Kind.TIME,
}
_SHOWN = {Kind.MAP: "a map of other values than texts", Kind.MAP_OF_TEXTS: "a map of texts", Kind.NULL: "NULL"}
_NO_VALUES = (exp.Distinct, exp.Order, exp.Lambda, exp.Query)
_ORDERED_SETS = frozenset({"mode", "percentile_cont", "percentile_disc"})
"""Their values stand behind WITHIN GROUP."""
_MAX_INT = 2**31 - 1


class ArgumentsFit(Rule):
    """A function of Spark gets as many arguments as it takes, of kinds that it takes, and constants where it needs them, as measured
    from Spark itself. The embedded engine converts more; what it is not sure of passes."""

    group = Group.ANALYSIS

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        if query.catalog.lakehouse.engine == "embedded" and (problem := first_unfit_call(query)):
            yield self.finding(query, problem[1], at=problem[0])


def first_unfit_call(query: AlertQuery) -> Diagnostic | None:
    typed = query.typed
    return next(_problems(query, typed), None) if typed is not None else None


def _problems(query: AlertQuery, typed: TypedTree) -> Iterator[Diagnostic]:
    calls = _calls(query)
    if not calls:
        return
    yield from _without_arguments(query, typed, calls)
    for node in typed.tree.walk():
        start, position, count = node.meta.get(ARGUMENT, (None, 0, 0))
        name = calls.get(start)
        if (
            name is None
            or isinstance(node, _NO_VALUES)
            or (name in _ORDERED_SETS and node.find_ancestor(exp.WithinGroup))
        ):
            continue
        if (found := _signature(name, count)) is None:
            yield start, f"{name} takes {_counts(name)}, not {count}"
        elif found.arguments is not None and (argument := found.arguments[position]) is not None:
            problem = _misfit(typed, node, argument)
            if problem:
                yield start, f"{name}: argument {position + 1}, {_text(node)}, {problem}"


def _calls(query: AlertQuery) -> dict[int | None, str]:
    """Names by offset. One behind a dot is another function; `+` before a value is the function positive."""
    known = signatures()
    found: dict[int | None, str] = {}
    tokens = query.tokens
    for before, word, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        if word.token_type is TokenType.PLUS:
            found[word.start] = "positive"
        elif after.token_type is TokenType.L_PAREN and (before is None or before.token_type is not TokenType.DOT):
            name = word.text.lower()
            if name in known:
                found[word.start] = name
    return found


def _without_arguments(query: AlertQuery, typed: TypedTree, calls: dict[int | None, str]) -> Iterator[Diagnostic]:
    tokens = query.tokens
    empty = [
        (word.start, calls[word.start])
        for word, after in zip(tokens, tokens[2:], strict=False)
        if word.start in calls and after.token_type is TokenType.R_PAREN and word.token_type is not TokenType.PLUS
    ]
    suspects = {start: name for start, name in empty if name not in _ORDERED_SETS and _signature(name, 0) is None}
    if suspects:
        for function in typed.tree.find_all(exp.Func):
            if (name := suspects.get(function.meta.get("start", -1))) is not None:
                yield function.meta["start"], f"{name} takes {_counts(name)}, not 0"


def _signature(name: str, count: int) -> Signature | None:
    """None: it does not take so many."""
    found = signatures()[name]
    if count in found:
        return found[count]
    return found.get(None) if count > max((known for known in found if known is not None), default=-1) else None


def _counts(name: str) -> str:
    known = sorted(count for count in signatures()[name] if count is not None)
    return f"{' or '.join(map(str, known))} {'argument' if known == [1] else 'arguments'}" + (
        " or more" if None in signatures()[name] else ""
    )


def _misfit(typed: TypedTree, node: exp.Expr, argument: Argument) -> str | None:
    kinds = _kinds(typed, node)
    if kinds and not kinds & argument.kinds:
        return f"is {' or '.join(_a(kind) for kind in sorted(kinds))}, which it does not take there"
    if argument.constant and isinstance(node, exp.Column) and node.table:
        return "must be a constant"
    return None


def _kinds(typed: TypedTree, node: exp.Expr) -> frozenset[Kind]:
    """Of which it is one; empty where that is not known."""
    if isinstance(node, exp.Null):
        return frozenset({Kind.NULL})
    if isinstance(node, exp.Literal) and not node.is_string:
        return frozenset({_kind_of_number(node.name)})
    if isinstance(node, exp.VarMap) and isinstance(node.args.get("values"), exp.Array):
        values = {typed.family(value) for value in node.args["values"].expressions}
        if values and None not in values:
            return frozenset({Kind.MAP_OF_TEXTS if values == {Family.STRING} else Kind.MAP})
    type_ = typed.type(node)
    if type_ is not None and isinstance(type_.this, exp.DType) and type_.this in _TYPES:
        return frozenset({_TYPES[type_.this]})
    family = typed.family(node)
    return _KINDS[family] if family is not None else frozenset()


def _kind_of_number(text: str) -> Kind:
    if text.isdigit():
        return Kind.INT if int(text) <= _MAX_INT else Kind.BIGINT
    return Kind.DOUBLE if "e" in text.lower() else Kind.DECIMAL


def _a(kind: Kind) -> str:
    return _SHOWN.get(kind) or f"{'an' if kind[0] in 'ai' else 'a'} {kind}"


def _text(node: exp.Expr) -> str:
    text = node.sql(dialect=DIALECT)
    return text if len(text) <= 40 else text[:39] + "…"

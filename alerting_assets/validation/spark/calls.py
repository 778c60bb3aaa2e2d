"""What Spark and Databricks refuse and the embedded engine lets pass: calls with other arguments than a function takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from alerting_assets.alerts.parse import ARGUMENT, DIALECT, Call, calls_of
from alerting_assets.validation.families import Family, TypedTree, family_of
from alerting_assets.validation.signatures import MAPS, NUMBERS, Kind, Signature, signatures
from alerting_assets.validation.spark import Diagnostic

if TYPE_CHECKING:
    from alerting_assets.validation.query import AlertQuery


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
_LITERALS = {
    TokenType.STRING: Kind.TEXT,
    TokenType.TRUE: Kind.BOOLEAN,
    TokenType.FALSE: Kind.BOOLEAN,
    TokenType.NULL: Kind.NULL,
}
_COLUMNS = (TokenType.VAR, TokenType.IDENTIFIER)
_MAX_INT = 2**31 - 1


def first_unfit_call(query: AlertQuery) -> Diagnostic | None:
    typed = query.typed
    return next(_problems(query, typed), None) if typed is not None else None


def _problems(query: AlertQuery, typed: TypedTree) -> Iterator[Diagnostic]:
    calls = _calls(query)
    met: dict[int, set[int]] = {}
    for node in typed.tree.walk() if calls else ():
        for start, position in _places(node):
            if (call := calls.get(start)) is None:
                continue
            met.setdefault(start, set()).add(position)
            if _signature(call) is None:
                yield start, f"{_name(call)} takes {_counts(_name(call))}, not {len(call.arguments)}"
            elif not isinstance(node, _NO_VALUES) and (
                why := _misfit(call, position, _kinds(typed, node), isinstance(node, exp.Column) and bool(node.table))
            ):
                yield start, _message(call, position, node.sql(dialect=DIALECT), why)
    for start, positions in met.items():
        for position, (first, last) in enumerate(calls[start].arguments):
            if first is last and position not in positions:  # what sqlglot leaves out of its tree
                kinds, is_column = _kinds_of_token(query, first), first.token_type in _COLUMNS
                if why := _misfit(calls[start], position, kinds, is_column):
                    yield start, _message(calls[start], position, first.text, why)


def _calls(query: AlertQuery) -> dict[int, Call]:
    """Of functions whose signature is known, by offset. `+` before a value is the function positive; what `mode()` is of stands behind
    WITHIN GROUP."""
    named = (call for call in calls_of(query.tokens) if call.arguments or _name(call) != "mode")
    signs = (Call(token, ((token, token),)) for token in query.tokens if token.token_type is TokenType.PLUS)
    return {call.name.start: call for call in (*named, *signs) if _name(call) in signatures()}


def _name(call: Call) -> str:
    return "positive" if call.name.token_type is TokenType.PLUS else call.name.text.lower()


def _places(node: exp.Expr) -> Iterator[tuple[int, int]]:
    """(offset of a call, position) that the node stands in; -1 for the call itself. `decimal(10, 2)` may be a type."""
    if not isinstance(node.parent, exp.DataTypeParam):
        yield from node.meta.get(ARGUMENT, {}).values()
    if isinstance(node, exp.Func) and "start" in node.meta:
        yield node.meta["start"], -1


def _signature(call: Call) -> Signature | None:
    """None: it does not take so many."""
    found, count = signatures()[_name(call)], len(call.arguments)
    if count in found:
        return found[count]
    return found.get(None) if count > max((known for known in found if known is not None), default=-1) else None


def _counts(name: str) -> str:
    known = sorted(count for count in signatures()[name] if count is not None)
    return f"{' or '.join(map(str, known))} {'argument' if known == [1] else 'arguments'}" + (
        " or more" if None in signatures()[name] else ""
    )


def _misfit(call: Call, position: int, kinds: frozenset[Kind], is_column: bool) -> str | None:
    """kinds: of which the argument is one; none where that is not known."""
    signature = _signature(call)
    argument = signature.arguments[position] if signature and signature.arguments and position >= 0 else None
    if argument is not None and kinds and not kinds & argument.kinds:
        return f"is {' or '.join(_a(kind) for kind in sorted(kinds))}, which it does not take there"
    return "must be a constant" if argument is not None and argument.constant and is_column else None


def _message(call: Call, position: int, text: str, why: str) -> str:
    return f"{_name(call)}: argument {position + 1}, {text if len(text) <= 40 else text[:39] + '…'}, {why}"


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
    return _kinds_of_type(typed.type(node), typed.family(node))


def _kinds_of_type(type_: exp.DataType | None, family: Family | None) -> frozenset[Kind]:
    if type_ is not None and isinstance(type_.this, exp.DType) and type_.this in _TYPES:
        return frozenset({_TYPES[type_.this]})
    return _KINDS[family] if family is not None else frozenset()


def _kinds_of_token(query: AlertQuery, token: Token) -> frozenset[Kind]:
    """Of a literal, or of a column that only one of the tables has."""
    if token.token_type is TokenType.NUMBER:
        return frozenset({_kind_of_number(token.text)})
    if token.token_type in _LITERALS:
        return frozenset({_LITERALS[token.token_type]})
    names = [name for reference in query.tables if (name := query.catalog.full_name(reference.parts))]
    columns = [column for name in names for column in query.catalog.columns(name) or ()]
    types = [column.type for column in columns if column.name.lower() == token.text.lower()]
    if token.token_type not in _COLUMNS or len(types) != 1:
        return frozenset()
    type_ = exp.DataType.build(types[0], dialect=DIALECT)
    return _kinds_of_type(type_, family_of(type_))


def _kind_of_number(text: str) -> Kind:
    if text.isdigit():
        return Kind.INT if int(text) <= _MAX_INT else Kind.BIGINT
    return Kind.DOUBLE if "e" in text.lower() else Kind.DECIMAL


def _a(kind: Kind) -> str:
    return _SHOWN.get(kind) or f"{'an' if kind[0] in 'ai' else 'a'} {kind}"

"""Kinds of SQL types, worked out from the syntax tree and the tables' columns, where they are beyond doubt.

The embedded engine converts between types that Spark and Databricks refuse to mix (ANSI mode); what it lets pass is looked at here.
`None` is "not known": a literal, column, cast or comparison is known, most functions are not."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from alerting_assets.alerts.parse import DIALECT
from alerting_assets.lakehouse.port import Column


class Family(StrEnum):
    NUMBER = "number"
    STRING = "text"
    BOOLEAN = "boolean"
    BINARY = "binary value"
    DATE = "date"
    TIMESTAMP = "timestamp"
    MONTHS = "interval of months"
    SECONDS = "interval of days and seconds"
    ARRAY = "array"
    MAP = "map"
    STRUCT = "struct"


Known = Family | None
TIMES = (Family.DATE, Family.TIMESTAMP)
INTERVALS = (Family.MONTHS, Family.SECONDS)
NESTED = (Family.ARRAY, Family.MAP, Family.STRUCT)

_TYPES: tuple[tuple[frozenset[exp.DType], Family], ...] = (
    (frozenset({*exp.DataType.NUMERIC_TYPES}), Family.NUMBER),
    (frozenset({*exp.DataType.TEXT_TYPES}), Family.STRING),
    (frozenset({exp.DType.BOOLEAN}), Family.BOOLEAN),
    (frozenset({exp.DType.BINARY, exp.DType.VARBINARY}), Family.BINARY),
    (frozenset({exp.DType.DATE, exp.DType.DATE32}), Family.DATE),
    (
        frozenset({exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ, exp.DType.TIMESTAMPNTZ}),
        Family.TIMESTAMP,
    ),
    (frozenset({exp.DType.ARRAY}), Family.ARRAY),
    (frozenset({exp.DType.MAP}), Family.MAP),
    (frozenset({exp.DType.STRUCT}), Family.STRUCT),
)
_MONTHS = frozenset({"YEAR", "QUARTER", "MONTH"})
_SECONDS = frozenset({"WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"})
_OF_THEIR_ARGUMENT = (exp.Max, exp.Min, exp.AnyValue, exp.Paren, exp.Alias, exp.Window, exp.Lag, exp.Lead, exp.Filter)
_TEXTS = (exp.Upper, exp.Lower, exp.Trim, exp.Substring, exp.Replace)
_NUMBERS = (exp.Count, exp.Length, exp.ApproxDistinct, exp.CountIf, exp.DateDiff)


MAX_DEPTH = 200
"""The most steps from a column to the one that it comes from."""


class TypedTree:
    """A copy of a query's tree with every column bound to its source.

    columns_of: the columns of a table by its parts; None if they are unknown.
    strict: whether a column that no source has is an error.

    Raises SqlglotError where the names cannot be bound."""

    def __init__(
        self,
        tree: exp.Expr,
        namespace: tuple[str, str],
        columns_of: Callable[[exp.Table], tuple[Column, ...] | None],
        *,
        strict: bool = False,
    ) -> None:
        tables = {
            (table.catalog or namespace[0], table.db or namespace[1], table.name): columns
            for table in tree.find_all(exp.Table)
            if table.name and (columns := columns_of(table))
        }
        schema = _schema(tuple(tables.items()))
        try:
            self.tree = qualify(
                tree.copy(),
                schema=schema,
                dialect=DIALECT,
                catalog=namespace[0],
                db=namespace[1],
                validate_qualify_columns=strict,
                quote_identifiers=False,
                identify=False,
            )
        except (RecursionError, AssertionError, LookupError, AttributeError, TypeError, ValueError) as error:
            raise SqlglotError(f"names cannot be bound: {error}") from error
        self._schema = schema
        self._scopes = {id(column): scope for scope in traverse_scope(self.tree) for column in scope.columns}
        self._families: dict[int, tuple[exp.Expr, Known]] = {}

    def family(self, node: exp.Expr | None, depth: int = 0) -> Known:
        """The kind of a node's value, worked out once for each node: `a + a` over thirty levels of `a + a` has a billion paths. The
        node is kept, because its id might be that of another node later."""
        if node is None or depth > MAX_DEPTH:
            return None
        if id(node) not in self._families:
            self._families[id(node)] = (node, None)  # what it says of itself, as in a recursive query
            self._families[id(node)] = (node, self._of(node, depth + 1))
        return self._families[id(node)][1]

    def type(self, node: exp.Expr | None) -> exp.DataType | None:
        """The type of a column of a table, or of a cast; None for other nodes."""
        if isinstance(node, exp.Paren):
            return self.type(node.this)
        if isinstance(node, exp.Cast):
            return node.to
        if isinstance(node, exp.Column):
            scope = self._scopes.get(id(node))
            source = scope.sources.get(node.table) if scope else None
            if isinstance(source, exp.Table):
                found = self._schema.get_column_type(source, node.name)
                return found if isinstance(found, exp.DataType) else None
        return None

    def _of(self, node: exp.Expr, depth: int) -> Known:
        match node:
            case exp.Literal():
                return Family.STRING if node.is_string else Family.NUMBER
            case exp.Boolean() | exp.Predicate() | exp.Connector() | exp.Not():
                return Family.BOOLEAN
            case exp.Cast():
                return family_of(node.to)
            case exp.Column():
                return self._of_column(node, depth)
            case exp.HexString():
                return Family.BINARY
            case exp.Case():
                results = [branch.args.get("true") for branch in node.args.get("ifs") or ()]
                return self._first([*results, node.args.get("default")], depth)
            case exp.CurrentDate():
                return Family.DATE
            case exp.CurrentTimestamp():
                return Family.TIMESTAMP
            case exp.Interval():
                return _of_interval(node)
            case exp.Array():
                return Family.ARRAY
            case exp.Map() | exp.VarMap() | exp.StarMap() | exp.ToMap():
                return Family.MAP
            case exp.Struct():
                return Family.STRUCT
            case exp.Neg():
                return self.family(node.this, depth)
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.Mod():
                sides = {self.family(node.this, depth), self.family(node.expression, depth)}
                kept = (Family.NUMBER, *INTERVALS) if isinstance(node, exp.Add | exp.Sub) else (Family.NUMBER,)
                return next((family for family in kept if sides == {family}), None)
            case exp.Sum() | exp.Avg():
                return Family.NUMBER if self.family(node.this, depth) is Family.NUMBER else None
            case exp.Coalesce():
                return self._first([node.this, *node.expressions], depth)
            case exp.Subquery():
                inner = node.this
                return (
                    self.family(inner.selects[0], depth)
                    if isinstance(inner, exp.Select) and len(inner.selects) == 1
                    else None
                )
        if isinstance(node, _OF_THEIR_ARGUMENT):
            return self.family(node.this, depth)
        if isinstance(node, _TEXTS):
            return Family.STRING if self.family(node.this, depth) is Family.STRING else None
        return Family.NUMBER if isinstance(node, _NUMBERS) else None

    def _first(self, items: list[exp.Expr | None], depth: int) -> Known:
        """The kind of values that share a type: that of those which are known and no text, because a text may become any other."""
        known = [found for item in items if (found := self.family(item, depth)) is not None]
        return next((found for found in known if found is not Family.STRING), known[0] if known else None)

    def _of_column(self, column: exp.Column, depth: int) -> Known:
        scope = self._scopes.get(id(column))
        source = scope.sources.get(column.table) if scope else None
        if isinstance(source, exp.Table):
            return family_of(self.type(column))
        if not isinstance(source, Scope):
            return None
        query: exp.Expr = source.expression
        while isinstance(query, exp.SetOperation):
            query = query.left
        if not isinstance(query, exp.Select) or query is not source.expression:
            return None  # of a set operation: its types are those of both sides
        found = [item for item in query.selects if item.alias_or_name.lower() == column.name.lower()]
        return self.family(found[0], depth) if len(found) == 1 else None


@lru_cache(maxsize=64)
def _schema(tables: tuple[tuple[tuple[str, str, str], tuple[Column, ...]], ...]) -> MappingSchema:
    """The schema of these tables for sqlglot, which only looks things up in it; queries that read the same tables share it."""
    schema = MappingSchema(dialect=DIALECT)
    for (catalog, db, name), columns in tables:
        schema.add_table(exp.table_(name, db=db, catalog=catalog), {column.name: column.type for column in columns})
    return schema


def family_of(type_: exp.DataType | None) -> Known:
    if type_ is None:
        return None
    return next((family for types, family in _TYPES if type_.this in types), None)


def holds_map(type_: exp.DataType | None) -> bool:
    return type_ is not None and any(part.this is exp.DType.MAP for part in type_.find_all(exp.DataType))


def can_be_compared(left: Known, right: Known) -> bool:
    if left is None or right is None:
        return True
    if Family.MAP in (left, right):
        return False
    return _may_meet(left, right)


def have_common_type(left: Known, right: Known) -> bool:
    return left is None or right is None or _may_meet(left, right)


def can_be_cast(source: Known, target: Known) -> bool:
    if source is None or target is None or source is target:
        return True
    if target is Family.STRING:
        return True
    if source in NESTED or target in NESTED:
        return False
    forbidden = {
        Family.NUMBER: {Family.DATE, Family.BINARY},
        Family.BOOLEAN: {Family.DATE, Family.BINARY},
        Family.BINARY: {Family.NUMBER, Family.BOOLEAN, *TIMES, *INTERVALS},
        Family.DATE: {Family.NUMBER, Family.BOOLEAN, Family.BINARY, *INTERVALS},
        Family.TIMESTAMP: {Family.BINARY, *INTERVALS},
        Family.MONTHS: {*TIMES, Family.BOOLEAN, Family.BINARY, Family.SECONDS},
        Family.SECONDS: {*TIMES, Family.BOOLEAN, Family.BINARY, Family.MONTHS},
    }
    return target not in forbidden.get(source, set())


def _may_meet(left: Family, right: Family) -> bool:
    if left is right or (left in TIMES and right in TIMES):
        return True
    atomic = {left, right}
    return Family.STRING in atomic and not atomic & {*NESTED}


def _of_interval(node: exp.Interval) -> Known:
    unit = node.args.get("unit")
    words = {
        word.upper().rstrip("S")
        for word in (unit.sql(dialect=DIALECT) if unit is not None else "").replace(" TO ", " ").split()
    }
    if words and words <= _MONTHS:
        return Family.MONTHS
    return Family.SECONDS if words and words <= _SECONDS else None


def shown(node: exp.Expr, length: int = 60) -> str:
    text = node.sql(dialect=DIALECT)
    return text if len(text) <= length else text[: length - 1] + "…"

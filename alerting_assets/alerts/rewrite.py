"""A query's tables and clock replaced in its text; everything else stays letter for letter what is deployed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.tokenizer_core import Token, TokenType

from alerting_assets.alerts.parse import KEPT_LENGTH, parse_statements
from alerting_assets.alerts.query_text import QueryTextError, tokens_of
from alerting_assets.sql_literal import identifier

_BARE = frozenset({"CURRENT_TIMESTAMP", "CURRENT_DATE"})
"""Clock functions that need no parentheses."""
_CALLED = frozenset({"NOW", "CURDATE", "GETDATE", "LOCALTIMESTAMP", "UNIX_TIMESTAMP"})


@dataclass(frozen=True)
class TableReference:
    """A table that a query names.

    parts: the parts of the name as written, 1 to 3.
    start, end: where it stands in the text; `end` is exclusive.
    has_alias: whether the query gives it one; without one, columns may be qualified by its name."""

    parts: tuple[str, ...]
    start: int
    end: int
    has_alias: bool


def tables_read(sql: str) -> list[TableReference]:
    """Every place where a table is named; common table expressions are none. Raises QueryTextError for what cannot be parsed."""
    try:
        return list(_kept(sql)) if len(sql) <= KEPT_LENGTH else _tables_read(sql)
    except (SqlglotError, RecursionError) as error:
        raise QueryTextError(f"cannot be parsed: {str(error).splitlines()[0]}") from None


@lru_cache(maxsize=2_000)
def _kept(sql: str) -> tuple[TableReference, ...]:
    """The tables of a text, kept for twice as many texts as a workspace can have alerts: a sync asks for each before it validates
    and again before it deploys."""
    return tuple(_tables_read(sql))


def _tables_read(sql: str) -> list[TableReference]:
    return tables_of([scope for tree in parse_statements(sql) for scope in traverse_scope(tree)])


def tables_of(scopes: Sequence[Scope]) -> list[TableReference]:
    """The tables that these scopes name, in the order of the text. Raises QueryTextError."""
    found = {
        id(source): source
        for scope in scopes
        for source in scope.sources.values()
        if isinstance(source, exp.Table) and source.name
    }
    references = [_reference(table) for table in found.values()]
    return sorted(references, key=lambda reference: reference.start)


def replace_tables(sql: str, name_of: Callable[[TableReference], str]) -> str:
    """The text with its tables replaced. name_of: SQL of what stands in for a table; it is given the table's own name as alias
    where the query gives none."""
    pieces, position = [], 0
    for reference in tables_read(sql):
        alias = "" if reference.has_alias else f" AS {identifier(reference.parts[-1])}"
        pieces += [sql[position : reference.start], name_of(reference), alias]
        position = reference.end
    return "".join([*pieces, sql[position:]])


def at_moment(sql: str, as_of: datetime) -> str:
    """The text with every clock function replaced by this moment. Sessions run in UTC."""
    moment = as_of.astimezone(UTC)
    stamp = f"{moment:%Y-%m-%d %H:%M:%S.%f}"
    values = {
        "CURRENT_DATE": f"CAST('{moment:%Y-%m-%d}' AS DATE)",
        "CURDATE": f"CAST('{moment:%Y-%m-%d}' AS DATE)",
        "LOCALTIMESTAMP": f"CAST('{stamp}' AS TIMESTAMP_NTZ)",
        "UNIX_TIMESTAMP": f"CAST({int(moment.timestamp())} AS BIGINT)",
    }
    pieces, position = [], 0
    for name, start, end in _clocks(sql):
        pieces += [sql[position:start], values.get(name, f"CAST('{stamp}' AS TIMESTAMP)")]
        position = end
    return "".join([*pieces, sql[position:]])


def _clocks(sql: str) -> Iterator[tuple[str, int, int]]:
    tokens = tokens_of(sql)
    for index, token in enumerate(tokens):
        name = sql[token.start : token.end + 1].upper()
        if name not in _BARE | _CALLED or _is_name(tokens, index):
            continue
        called = [follower.token_type for follower in tokens[index + 1 : index + 3]] == [
            TokenType.L_PAREN,
            TokenType.R_PAREN,
        ]
        if called or name in _BARE:
            yield name, token.start, (tokens[index + 2] if called else token).end + 1


def _is_name(tokens: list[Token], index: int) -> bool:
    """Whether the word is the name of a column (`t.current_date`) or an alias (`AS current_date`)."""
    before = tokens[index - 1].token_type if index else None
    after = tokens[index + 1].token_type if index + 1 < len(tokens) else None
    return before in (TokenType.DOT, TokenType.ALIAS) or after is TokenType.DOT


def _reference(table: exp.Table) -> TableReference:
    places = [part.meta for part in table.parts]
    if not all("start" in place for place in places):
        raise QueryTextError(f"the place of table {table.name!r} in the text is not known")
    start, end = min(place["start"] for place in places), max(place["end"] for place in places) + 1
    return TableReference(tuple(part.name for part in table.parts), start, end, bool(table.alias))

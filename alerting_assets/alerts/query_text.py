"""The user's SQL as text: placeholders resolved where SQL allows it, and the end of the query found.

Works on the tokens of sqlglot's databricks dialect, so that strings, quoted identifiers and comments are told apart;
everything that is not a placeholder stays as the user wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from alerting_assets.alerts.origin import Origin
from alerting_assets.alerts.parse import tokenize
from alerting_assets.sql_literal import escaped, text_literal

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRINGS = (TokenType.STRING, TokenType.RAW_STRING, TokenType.NATIONAL_STRING)

Value = str | int | float | bool | tuple[str, ...]


class QueryTextError(ValueError):
    """What is wrong with the text. The caller knows the alert and the field, and adds them."""


class PlaceholderNotResolved(QueryTextError):
    """A placeholder has no value. The caller knows where one could be given, and adds that."""


@dataclass(frozen=True)
class Identifier:
    """A value that stands for the name of a catalog, schema, table or column, already checked. sql: how it is written in a query
    where that is not the name itself; inside of strings the name stands."""

    name: str
    sql: str = ""


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text. They are shared between callers, so nobody changes them."""
    try:
        return list(tokenize(text))
    except SqlglotError as error:
        raise QueryTextError(f"cannot be read as SQL: {str(error).splitlines()[0]}") from None


def resolve_placeholders(
    text: str, values: Mapping[str, Identifier | Value], keep: frozenset[str] = frozenset()
) -> str:
    """Replace every `${name}`, but for the names to keep. Strings become SQL literals, or escaped text where the placeholder stands
    inside a string literal."""
    return resolve(text, values, keep)[0]


def resolve(
    text: str, values: Mapping[str, Identifier | Value], keep: frozenset[str] = frozenset()
) -> tuple[str, Origin]:
    """The text that resolve_placeholders makes, and where each place of it comes from."""
    pieces: list[str] = []
    places: list[tuple[int, int, bool]] = [(0, 0, True)]
    position = length = 0
    for token in tokens_of(text):
        if token.start < position:
            continue  # inside a placeholder that is already replaced
        raw = text[token.start : token.end + 1]
        if token.token_type in _STRINGS:
            replaced = _PLACEHOLDER.sub(partial(_in_string, values, keep, raw), raw)
            end = token.end + 1
        elif token.token_type is TokenType.IDENTIFIER:
            replaced = _PLACEHOLDER.sub(partial(_in_identifier, values, keep), raw)
            end = token.end + 1
        elif found := _PLACEHOLDER.match(text, token.start):
            replaced = found[0] if found[1] in keep else _as_sql(_look_up(found, values))
            end = found.end()
        else:
            continue
        if replaced == text[token.start : end]:
            continue
        pieces += [text[position : token.start], replaced]
        length += token.start - position
        places.append((length, token.start, False))
        length += len(replaced)
        places.append((length, end, True))
        position = end
    pieces.append(text[position:])
    return "".join(pieces), Origin(text, tuple(places))


DOLLAR = "dollar"
"""The parameter by which a text can hold `${…}` itself: `'${dollar}{day}'` becomes `'${day}'`."""


def without_placeholders(text: str) -> str:
    """A text that `resolve` turns back into `text` itself, letter for letter, where the parameter DOLLAR is a dollar sign.

    Raises QueryTextError where that cannot be written: outside of strings."""
    pieces: list[str] = []
    position = 0
    for token in tokens_of(text):
        raw = text[token.start : token.end + 1]
        if token.token_type in _STRINGS and _PLACEHOLDER.search(raw):
            pieces += [text[position : token.start], raw.replace("${", f"${{{DOLLAR}}}{{")]
            position = token.end + 1
        elif (
            found := _PLACEHOLDER.search(raw)
            if token.token_type is TokenType.IDENTIFIER
            else _PLACEHOLDER.match(text, token.start)
        ):
            raise QueryTextError(
                f"{found[0]} outside of a string is a placeholder here, and no definition can say that it is not"
            )
    return "".join([*pieces, text[position:]])


def trim_query(text: str) -> str:
    """The query without white space in front, and without what follows it: semicolons, comments, white space."""
    tokens = tokens_of(text)
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise QueryTextError("is empty: no query is left without comments")
    return text[: tokens[-1].end + 1].lstrip()


def _look_up(found: re.Match[str], values: Mapping[str, Identifier | Value]) -> Identifier | Value:
    name = found[1]
    if not _NAME.fullmatch(name):
        raise QueryTextError(f"{found[0]} is a malformed placeholder; write ${{name}}")
    if name not in values:
        known = ", ".join(f"${{{known}}}" for known in sorted(values))
        raise PlaceholderNotResolved(f"{found[0]} is not resolved; known here: {known}")
    return values[name]


def _as_sql(value: Identifier | Value) -> str:
    match value:
        case Identifier(name, sql):
            return sql or name
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return text_literal(value)
        case tuple():
            return f"({', '.join(text_literal(item) for item in value)})"
        case _:
            # In parentheses, or a minus sign before the placeholder would make it a comment.
            return str(value) if value >= 0 else f"({value})"


def _in_string(
    values: Mapping[str, Identifier | Value], keep: frozenset[str], literal: str, found: re.Match[str]
) -> str:
    if found[1] in keep:
        return found[0]
    text = _bare(_look_up(found, values))
    if literal[:1] in "rR" and not re.fullmatch(r"[^'\"\\]*", text):
        raise QueryTextError("a parameter with quotes or backslashes cannot stand inside a raw string r'…'")
    return text if literal[:1] in "rR" else escaped(text)


def _in_identifier(values: Mapping[str, Identifier | Value], keep: frozenset[str], found: re.Match[str]) -> str:
    if found[1] in keep:
        return found[0]
    text = _bare(_look_up(found, values))
    if not re.fullmatch(r"[A-Za-z0-9_]+", text):
        raise QueryTextError(f"{found[0]} stands inside `…` and its value {text!r} is no plain name")
    return text


def _bare(value: Identifier | Value) -> str:
    if isinstance(value, Identifier):
        return value.name
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)

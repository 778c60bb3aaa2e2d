"""Statements as text: proof that one is a single read-only query, and named parameters bound as literals."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from alerting_assets.sql_literal import identifier, text_literal

DIALECT = "databricks"
# It warns on stderr about statements that it reads as plain commands; here they are refused anyway.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_WRITES = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Drop, exp.Alter)


class StatementError(ValueError):
    """What is wrong with the text of a statement."""


@dataclass(frozen=True)
class Parameter:
    """A named parameter. type: a SQL type. value: its text, or None for NULL."""

    name: str
    type: str
    value: str | None


def prepare(
    text: str, parameters: Sequence[Parameter] = (), *, catalog: str | None = None, schema: str | None = None
) -> str:
    """The text to run: as it is, or with its parameters as literals and its unqualified tables completed. Raises StatementError."""
    query = read_only_query(text)
    markers = list(query.find_all(exp.Placeholder))
    if not markers and not catalog and not schema:
        return text
    values = {parameter.name: parameter for parameter in parameters}
    for marker in markers:
        marker.replace(_literal(marker, values))
    _qualify(query, catalog, schema)
    return query.sql(dialect=DIALECT)


def bind(text: str, values: Mapping[str, str]) -> str:
    """The text with each `:name` replaced by what stands for it, and nothing else changed; in a time linear in their lengths.

    values: SQL by name.

    Strings, comments, quoted names, `::` and the path of a JSON value, which touches what it follows (`a:b`), are left alone. A
    text that cannot be read stays as it is, for the engine to say what is wrong with it. Raises StatementError for a marker that
    has no value."""
    try:
        tokens = _Tokenizer(dialect=DIALECT).tokenize(text)
    except SqlglotError:
        return text
    pieces, done, before = [], 0, None
    for colon, name in pairwise(tokens):
        if _is_marker(before, colon, name):
            if name.text not in values:
                raise StatementError(f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {name.text}")
            pieces += [text[done : colon.start], values[name.text]]
            done = name.end + 1
        before = colon
    return "".join([*pieces, text[done:]])


def spark_literal(parameter: Parameter) -> str:
    """The value as a literal of Spark SQL. Raises StatementError for an unknown type."""
    if parameter.value is None:
        return f"CAST(NULL AS {_type_name(parameter)})"
    text = text_literal(parameter.value)
    return text if parameter.type.upper() == "STRING" else f"CAST({text} AS {_type_name(parameter)})"


def read_only_query(text: str) -> exp.Query:
    """The tree of a text. Raises StatementError for anything but exactly one query that neither writes nor commands."""
    try:
        statements = [statement for statement in sqlglot.parse(text, dialect=DIALECT) if statement is not None]
    except SqlglotError as error:
        raise StatementError(f"the statement cannot be parsed: {str(error).splitlines()[0]}") from error
    if len(statements) != 1:
        raise StatementError(f"expected exactly one statement, found {len(statements)}")
    statement = statements[0]
    if not isinstance(statement, exp.Query) or any(isinstance(node, _WRITES) for node in statement.walk()):
        raise StatementError("only queries that read are allowed here")
    return statement


def aggregated(text: str, column: str, aggregation: str) -> str:
    """How Databricks wraps the text of an alert that has an aggregation: verbatim, so that a trailing comment breaks it."""
    name = identifier(column)
    measure = f"COUNT(DISTINCT {name})" if aggregation == "COUNT_DISTINCT" else f"{aggregation}({name})"
    return f"WITH q AS ({text}) SELECT {measure} AS {name} FROM q"


class _Tokenizer(Databricks.Tokenizer):
    """A tokenizer that also knows the strings in which metric views and SQL functions are written, which sqlglot does not know
    here."""

    RAW_STRINGS = [*Databricks.Tokenizer.RAW_STRINGS, ("$$", "$$")]  # noqa: RUF012  sqlglot's own way


_ENDS_OF_VALUES = (TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING, TokenType.R_PAREN, TokenType.R_BRACKET)


def _is_marker(before: Token | None, colon: Token, name: Token) -> bool:
    if colon.token_type is not TokenType.COLON or name.start != colon.end + 1:
        return False
    if name.token_type is not TokenType.IDENTIFIER and not name.text.isidentifier():
        return False
    ends_value = before is not None and before.token_type in _ENDS_OF_VALUES and before.end + 1 == colon.start
    return not ends_value


def _type_name(parameter: Parameter) -> str:
    try:
        return exp.DataType.build(parameter.type, dialect=DIALECT).sql(DIALECT)
    except SqlglotError as error:
        raise StatementError(f"parameter {parameter.name}: unknown type {parameter.type!r}") from error


def _literal(marker: exp.Placeholder, values: Mapping[str, Parameter]) -> exp.Expression:
    name = str(marker.this or "?")
    parameter = values.get(name)
    if parameter is None:
        raise StatementError(f"UNBOUND_SQL_PARAMETER: found the unbound parameter {name}")
    value = exp.null() if parameter.value is None else exp.Literal.string(parameter.value)
    return exp.cast(value, _type_name(parameter), dialect=DIALECT)


def _qualify(query: exp.Query, catalog: str | None, schema: str | None) -> None:
    """Complete the names of tables as a session with this catalog and schema would."""
    ctes = {cte.alias_or_name for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name in ctes):
            continue
        if not table.db and schema:
            table.set("db", exp.to_identifier(schema, quoted=True))
        if table.db and not table.catalog and catalog:
            table.set("catalog", exp.to_identifier(catalog, quoted=True))

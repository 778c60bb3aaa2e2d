"""Statements as text: proof that one is a single read-only query, and named parameters bound as literals."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

DIALECT = "databricks"
# It warns on stderr about statements that it reads as plain commands; here they are refused anyway.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_WRITES = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Drop, exp.Alter)


class StatementError(ValueError):
    """Says what is wrong with the text."""


@dataclass(frozen=True)
class Parameter:
    """type: a SQL type; value: its text, None for NULL."""

    name: str
    type: str
    value: str | None


def prepare(
    text: str, parameters: Sequence[Parameter] = (), *, catalog: str | None = None, schema: str | None = None
) -> str:
    """The text to run: as it is, or with parameters as literals and unqualified tables completed. Raises StatementError."""
    query = read_only_query(text)
    markers = list(query.find_all(exp.Placeholder))
    if not markers and not catalog and not schema:
        return text
    values = {parameter.name: parameter for parameter in parameters}
    for marker in markers:
        marker.replace(_literal(marker, values))
    _qualify(query, catalog, schema)
    return query.sql(dialect=DIALECT)


def bind(text: str, parameters: Sequence[Parameter]) -> str:
    """The text with `:name` replaced by literals and nothing else changed. Raises StatementError for one that has no value."""
    values = {parameter.name: parameter for parameter in parameters}
    try:
        tokens = sqlglot.tokenize(text, DIALECT)
    except SqlglotError as error:
        raise StatementError(f"[PARSE_SYNTAX_ERROR] {str(error).splitlines()[0]}") from error
    pieces, done = [], 0
    for before, colon, name in zip([None, *tokens], tokens, tokens[1:], strict=False):
        if colon.token_type is not TokenType.COLON or name.start != colon.end + 1:
            continue
        if name.text not in values:
            if before is None or before.token_type not in _ENDS_OF_VALUES:  # else it is the path of a JSON value
                raise StatementError(f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {name.text}")
            continue
        pieces += [text[done : colon.start], _spark_literal(values[name.text])]
        done = name.end + 1
    return "".join([*pieces, text[done:]])


def read_only_query(text: str) -> exp.Query:
    """Raises StatementError for anything but exactly one query that neither writes nor commands."""
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
    name = f"`{column.replace('`', '``')}`"
    measure = f"COUNT(DISTINCT {name})" if aggregation == "COUNT_DISTINCT" else f"{aggregation}({name})"
    return f"WITH q AS ({text}) SELECT {measure} AS {name} FROM q"


_ENDS_OF_VALUES = (TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.R_BRACKET)


def _spark_literal(parameter: Parameter) -> str:
    if parameter.value is None:
        return f"CAST(NULL AS {_type_name(parameter)})"
    escaped = parameter.value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\u0000")
    return f"'{escaped}'" if parameter.type.upper() == "STRING" else f"CAST('{escaped}' AS {_type_name(parameter)})"


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

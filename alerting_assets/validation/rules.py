"""The rules a compiled alert must keep, in the order in which they are checked; the first broken one decides.

A rule is a class: its name is what people see and grep for, its docstring what it stands for. `check` returns a Finding or None.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import ClassVar

from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import TokenType

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.configuration import AlertConfiguration, did_you_mean
from alerting_assets.alerts.operators import Aggregation, ValueType
from alerting_assets.alerts.query_text import DIALECT, QueryTextError, TooDeeplyNested, parse_statements, tokens_of
from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.lakehouse.port import Column, Lakehouse


class Verdict(StrEnum):
    VALID = "VALID"
    INVALID = "INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    """Not proven right and not proven wrong: our parser or this engine cannot read it, Databricks might."""


@dataclass(frozen=True)
class Finding:
    """line, column: in the user's own query, counted from 1."""

    rule: str
    verdict: Verdict
    message: str
    line: int | None = None
    column: int | None = None


class Analysis:
    """One alert's query, with what rules ask about it worked out once."""

    def __init__(self, configuration: AlertConfiguration, compiled: CompiledAlert, lakehouse: Lakehouse) -> None:
        self.configuration = configuration
        self.compiled = compiled
        self.lakehouse = lakehouse

    @cached_property
    def statements(self) -> list[exp.Expr] | SqlglotError:
        """sqlglot's trees of the user's text."""
        try:
            return parse_statements(self.compiled.source_sql)
        except SqlglotError as error:
            return error

    @cached_property
    def source_columns(self) -> tuple[Column, ...]:
        """Output columns of the user's own query. Raises QueryError. Only after OneReadOnlyQuery."""
        if self.compiled.sql.startswith(self.compiled.source_sql):
            return self.columns  # deployed as it is written, with LIMIT 1 behind: one look tells both
        return self.lakehouse.describe(self.compiled.source_sql)

    @cached_property
    def source_column(self) -> Column:
        """The one that aggregation_column names. Only after AggregationColumnExists."""
        return next(column for column in self.source_columns if column.name == self.compiled.value_column)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Output columns of the deployed query. Raises QueryError. Only after OneReadOnlyQuery."""
        return self.lakehouse.describe(self.compiled.sql)


class Rule(ABC):
    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)
        cls.name = words.lstrip("_")

    @abstractmethod
    def check(self, analysis: Analysis) -> Finding | None: ...

    def finding(self, message: str, *, line: int | None = None, column: int | None = None) -> Finding:
        return Finding(self.name, Verdict.INVALID, message, line, column)

    def unsupported(self, message: str, *, line: int | None = None, column: int | None = None) -> Finding:
        return Finding(self.name, Verdict.UNSUPPORTED, message, line, column)

    def rejected(self, error: QueryError) -> Finding:
        verdict = Verdict.UNSUPPORTED if error.kind is QueryErrorKind.UNSUPPORTED else Verdict.INVALID
        return Finding(self.name, verdict, error.message, error.line, error.column)


class OneReadOnlyQuery(Rule):
    """The text is exactly one query that writes, creates, drops and configures nothing, and reads nothing but tables and views.

    Nothing is sent to an engine before this holds: Spark runs DDL and DML the moment it is given the text."""

    def check(self, analysis: Analysis) -> Finding | None:
        statements = analysis.statements
        if isinstance(statements, TooDeeplyNested):
            return self.unsupported(str(statements))
        if isinstance(statements, SqlglotError):
            return self._not_parsed(analysis, statements)
        problem = _writes(statements)
        return self.finding(problem) if problem else None

    def _not_parsed(self, analysis: Analysis, error: SqlglotError) -> Finding:
        """Wrong, or beyond our parser? Inside parentheses nothing but a query can be meant, so the engine may be asked."""
        text = analysis.compiled.source_sql
        detail = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        line, column = detail.get("line"), detail.get("col")
        message = str(detail.get("description") or str(error).splitlines()[0]).rstrip(".")
        if _can_only_be_a_query(text):
            try:
                analysis.lakehouse.describe(f"SELECT * FROM (\n{text}\n) AS alert_query")
            except QueryError as rejection:
                if rejection.kind is not QueryErrorKind.UNSUPPORTED:
                    return self.finding(f"syntax error: {message}", line=line, column=column)
            return self.unsupported(
                f"cannot be read well enough to prove that it only reads: {message}", line=line, column=column
            )
        return self.finding(f"is not one query: {message}", line=line, column=column)


_FORBIDDEN = (
    exp.DML,
    exp.Create,
    exp.Drop,
    exp.Alter,
    exp.Command,
    exp.Set,
    exp.Use,
    exp.Into,
    exp.TruncateTable,
    exp.Cache,
)
_OUTSIDE = frozenset(
    {
        "http_request", "remote_query", "vector_search", "secret", "try_secret", "list_secrets", "reflect", "try_reflect", "java_method",
        "read_files", "read_kafka", "read_kinesis", "read_pubsub", "read_pulsar", "read_statestore", "read_state_metadata", "cloud_files",
        "cloud_files_state", "list_files", "event_log", "identifier",
    }
)  # fmt: skip
"""Functions of Databricks that call services or code, read files, streams or secrets, or name tables by a text; and all that begin with
`ai_`. What is denied, not what is allowed: functions of one's own are legitimate, and what an engine does not know it refuses."""
_FILE_FORMATS = frozenset({"csv", "json", "parquet", "orc", "avro", "text", "xml", "binaryfile", "delta", "arrow"})


def read_only_problem(sql: str) -> str | None:
    """Why the text is not proven to be one read-only query; None when it is."""
    try:
        return _writes(parse_statements(sql))
    except SqlglotError as error:
        return f"cannot be read well enough to prove that it only reads: {str(error).splitlines()[0]}"


def _writes(statements: list[exp.Expr]) -> str | None:
    if len(statements) != 1:
        return f"{len(statements)} statements; an alert has exactly one query"
    (tree,) = statements
    if not isinstance(tree, exp.Query):
        return f"{_words(tree)} is no query; an alert's text begins with SELECT or WITH"
    for node in tree.walk():
        if isinstance(node, _FORBIDDEN):
            return f"{_words(node)} inside the query; an alert's query only reads"
        if isinstance(node, exp.Func) and (name := _reaches_outside(node)):
            return f"{name}() reaches beyond tables and views; an alert's query only reads those"
        if isinstance(node, exp.Table) and node.db.lower() in _FILE_FORMATS:
            return f"{node.sql(dialect=DIALECT)} is a file; an alert's query reads tables and views"
    return None


def _reaches_outside(function: exp.Func) -> str | None:
    names = [function.name] if isinstance(function, exp.Anonymous) else function.sql_names()
    lowered = (name.lower() for name in names)
    return next((name for name in lowered if name in _OUTSIDE or name.startswith("ai_")), None)


class AcceptedByTheEngine(Rule):
    """Tables, columns, functions and types all resolve: the engine analyses the user's query, then the deployed one."""

    def check(self, analysis: Analysis) -> Finding | None:
        try:
            _ = analysis.source_columns
        except QueryError as error:
            return self.rejected(error)
        return None


class AggregationColumnExists(Rule):
    """`aggregation_column` is exactly one of the query's output columns, spelled the same."""

    def check(self, analysis: Analysis) -> Finding | None:
        wanted = analysis.compiled.value_column
        names = [column.name for column in analysis.source_columns]
        if names.count(wanted) == 1:
            return None
        if wanted in names:
            return self.finding(
                f"aggregation_column {wanted!r} names {names.count(wanted)} output columns; give each its own alias"
            )
        return self.finding(
            f"aggregation_column {wanted!r} is no output column of the query{did_you_mean(wanted, names)}. It has: {', '.join(names)}"
        )


class AggregationFitsTheColumn(Rule):
    """SUM, AVG, MEDIAN and STDDEV need a number."""

    def check(self, analysis: Analysis) -> Finding | None:
        aggregation = analysis.configuration.aggregation_type
        if (
            aggregation is None
            or not aggregation.needs_number
            or value_type(analysis.source_column.type) is ValueType.NUMBER
        ):
            return None
        return self.finding(
            f"aggregation_type {aggregation} needs a number and column {analysis.source_column.name!r} is {analysis.source_column.type}; "
            f"cast it, or use {Aggregation.COUNT} or {Aggregation.MAX}"
        )


class ValueFitsTheThreshold(Rule):
    """The value's type can be compared with the threshold by the operator."""

    def check(self, analysis: Analysis) -> Finding | None:
        condition, aggregation = analysis.compiled.condition, analysis.configuration.aggregation_type
        if not condition.value_types:
            return None
        column = analysis.source_column
        becomes_number = aggregation is not None and (aggregation.counts or aggregation.needs_number)
        if (ValueType.NUMBER if becomes_number else value_type(column.type)) in condition.value_types:
            return None
        (wanted,) = condition.value_types
        what = (
            f"{aggregation} of {column.name!r}, which is a number"
            if becomes_number
            else f"{column.name!r}, which is {column.type}"
        )
        return self.finding(
            f"{condition.operator} compares {what}, with a {wanted} threshold; "
            f"cast the column to a {wanted}, or give a threshold of its type"
        )


class DeployedFormIsAccepted(Rule):
    """The engine analyses exactly the text that is deployed, and it yields the column that is compared."""

    def check(self, analysis: Analysis) -> Finding | None:
        try:
            names = [column.name for column in analysis.columns]
        except QueryError as error:
            finding = self.rejected(error)
            return Finding(finding.rule, finding.verdict, f"{finding.message} (in the form that is deployed)")
        if analysis.compiled.value_column not in names:
            return self.finding(
                f"the deployed form does not yield {analysis.compiled.value_column!r} but {', '.join(names)}"
            )
        return None


RULES: tuple[Rule, ...] = (
    OneReadOnlyQuery(),
    AcceptedByTheEngine(),
    AggregationColumnExists(),
    AggregationFitsTheColumn(),
    ValueFitsTheThreshold(),
    DeployedFormIsAccepted(),
)


def first_finding(analysis: Analysis) -> Finding | None:
    return next((finding for rule in RULES if (finding := rule.check(analysis)) is not None), None)


def value_type(spark_type: str) -> ValueType:
    """Of Spark's simple type string."""
    base = spark_type.partition("(")[0].strip().lower()
    if base in ("tinyint", "smallint", "int", "integer", "bigint", "long", "float", "double", "decimal"):
        return ValueType.NUMBER
    if base in ("string", "varchar", "char"):
        return ValueType.STRING
    return ValueType.BOOLEAN if base == "boolean" else ValueType.OTHER


def _words(node: exp.Expr) -> str:
    if isinstance(node, exp.Command):
        return str(node.this).upper()
    return node.key.upper()


def _can_only_be_a_query(text: str) -> bool:
    """Balanced parentheses, no second statement: wrapped in `SELECT * FROM (…)` it is a query or a syntax error."""
    try:
        tokens = tokens_of(text)
    except QueryTextError:
        return False
    depth = 0
    for token in tokens:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth < 0 or token.token_type is TokenType.SEMICOLON:
            return False
    return depth == 0

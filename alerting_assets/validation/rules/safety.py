"""Does it only read tables and views, and only those it may? Asked of the syntax tree alone; no engine sees the text before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from alerting_assets.alerts.parse import DIALECT, start_of
from alerting_assets.errors import did_you_mean
from alerting_assets.lakehouse.functions import documented
from alerting_assets.validation.finding import Finding, Group
from alerting_assets.validation.functions import FILE_FORMATS, is_allowed, reaches_outside
from alerting_assets.validation.query import AlertQuery
from alerting_assets.validation.rules.base import Rule

_EFFECTS = (
    exp.DML, exp.DDL, exp.Command, exp.Create, exp.Drop, exp.Alter, exp.Set, exp.Use, exp.Into, exp.TruncateTable, exp.Cache,
    exp.Uncache, exp.Refresh, exp.LoadData, exp.Pragma, exp.Describe, exp.Show, exp.Kill, exp.Copy, exp.Grant, exp.Revoke,
    exp.Transaction, exp.Commit, exp.Rollback, exp.Analyze, exp.Comment, exp.Declare, exp.Lock, exp.QueryTransform, exp.Attach,
    exp.Detach, exp.MultitableInserts, exp.Directory, exp.Export, exp.Put, exp.Get, exp.Summarize, exp.Execute, exp.Install,
    exp.Block, exp.IfBlock, exp.WhileBlock, exp.Stream,
)  # fmt: skip
_READS = (exp.Query, exp.Values)
_STATEMENTS: dict[type[exp.Expr], str] = {
    exp.QueryTransform: "TRANSFORM", exp.MultitableInserts: "INSERT", exp.Lock: "FOR UPDATE", exp.TruncateTable: "TRUNCATE",
    exp.LoadData: "LOAD DATA", exp.Block: "BEGIN",
}  # fmt: skip
_MARKS = (TokenType.COLON, TokenType.PLACEHOLDER, TokenType.PARAMETER, TokenType.SESSION_PARAMETER)
_PATH = re.compile(r"[/\\]|^\w+:")
_FUNCTIONS_THAT_NAME_TABLES = frozenset({"table_changes"})


class OneQuery(Rule):
    """The text is exactly one statement, and that is a query."""

    group = Group.SAFETY
    stops = True

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        statements = query.statements
        assert isinstance(statements, list)
        if len(statements) != 1:
            second = statements[1]
            yield self.finding(
                query, f"{len(statements)} statements; an alert has exactly one query", at=second, suggestion="keep one"
            )
        elif not isinstance(statements[0], _READS):
            yield self.finding(
                query, f"{_words(statements[0])} is no query; an alert's text begins with SELECT or WITH", at=0
            )


class NoSideEffects(Rule):
    """Nothing in the query, in no subquery and no common table expression, writes, creates, drops, grants, configures, locks or
    runs a program."""

    group = Group.SAFETY

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for node in query.nodes:
            if isinstance(node, _EFFECTS):
                yield self.finding(query, f"{_words(node)} inside the query; an alert's query only reads", at=node)
            elif isinstance(node, exp.CTE) and not isinstance(node.this, _READS):
                yield self.finding(query, f"{node.alias} is no query", at=node)


class KnownFunctions(Rule):
    """Every function is one that Databricks documents and that only computes. Others are refused: those that call services or code,
    read files, streams or secrets, those whose name is misspelled, and functions of your own unless
    ALERTING_ALLOWED_FUNCTIONS names them."""

    group = Group.SAFETY

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for node in query.nodes:
            if isinstance(node, exp.Func) and not isinstance(node.parent, exp.Hint):
                yield from self._judge(query, node)

    def _judge(self, query: AlertQuery, node: exp.Func) -> Iterator[Finding]:
        if not isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
            outside = next((name for name in node.sql_names() if reaches_outside(name)), None)
            if outside:
                yield self._outside(query, outside.lower())
            return
        parts = _qualified(node)
        name = ".".join(parts)
        if reaches_outside(parts[-1]):
            yield self._outside(query, parts[-1].lower())
        elif parts[-1].lower() == "identifier" or is_allowed(parts, query.policy.allowed_functions):
            return  # the former is a matter of no_dynamic_names
        elif len(parts) > 1:
            yield self.finding(
                query,
                f"{name}() is a function of one's own, which may do anything that its owner may",
                at=query.called(parts[-1]),
                suggestion=f"to trust it, set ALERTING_ALLOWED_FUNCTIONS={name}",
            )
        else:
            near = did_you_mean(name.lower(), documented()).removeprefix("; ")
            yield self.finding(
                query,
                f"there is no function {name}() in Databricks' documentation",
                at=query.called(name),
                suggestion=near or f"to trust one of your own, set ALERTING_ALLOWED_FUNCTIONS={name}",
            )

    def _outside(self, query: AlertQuery, name: str) -> Finding:
        return self.finding(
            query,
            f"{name}() reaches beyond tables and views; an alert's query only reads those",
            at=query.called(name),
        )


class NoPaths(Rule):
    """Tables are named by the catalog; files and folders (`` delta.`s3://…` ``) are not read past its grants."""

    group = Group.SAFETY

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for table in _tables(query):
            parts = [part.name for part in table.parts]
            start = start_of(table)
            is_text = start is not None and query.sql[start : start + 1] in ("'", '"')
            is_format = len(parts) == 2 and (parts[0].lower() in FILE_FORMATS or "." in parts[0])
            if is_text or is_format or any(_PATH.search(part) for part in parts):
                yield self.finding(
                    query,
                    f"{_shown(table)} is a file; an alert's query reads tables and views",
                    at=table,
                    suggestion="make it a table or view of the catalog",
                )


class NoDynamicNames(Rule):
    """No `identifier()` and no table name in a variable: what the query reads can be told from its text."""

    group = Group.SAFETY

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for node in query.nodes:
            if not isinstance(node, exp.Anonymous):
                continue
            name = node.name.lower()
            if name == "identifier":
                yield self.finding(
                    query,
                    "identifier() names a table, column or function by a text",
                    at=query.called("identifier"),
                    suggestion="write the name itself, or a placeholder ${name}",
                )
            elif name in _FUNCTIONS_THAT_NAME_TABLES and not _literal_table(node):
                yield self.finding(
                    query,
                    f"{name}() takes its table from an expression",
                    at=query.called(name),
                    suggestion="write the table's name as a plain string",
                )


class NoVariables(Rule):
    """No session variables and no parameter markers (`:name`, `?`): an alert runs in a session of its own, where nobody sets them."""

    group = Group.SAFETY

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for node in query.nodes:
            if isinstance(node, exp.Placeholder | exp.Parameter | exp.SessionParameter):
                if isinstance(node.parent, exp.TableAlias):
                    continue  # t@v1: sqlglot's reading of time travel
                yield self.finding(
                    query,
                    f"{_shown(node)} is a parameter or variable, which an alert does not have",
                    at=next((token.start for token in query.tokens if token.token_type in _MARKS), None),
                    suggestion="write the value, or a placeholder ${name} with its value in template_params",
                )
            elif isinstance(node, exp.Column) and _is_variable(node):
                yield self.finding(
                    query, f"{_shown(node)} is a session variable, which an alert does not have", at=node
                )


class AllowedSchemas(Rule):
    """Every table lies in a catalog and schema that ALERTING_ALLOWED_SCHEMAS allows (where it is set)."""

    group = Group.SAFETY

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        if not query.policy.allowed_schemas or not query.has_engine:
            return
        catalog, schema = query.catalog.lakehouse.namespace
        for parts, node in _named_tables(query):
            named = ((catalog, schema)[: max(0, 3 - len(parts))] + parts)[:2]
            is_own = len(parts) == 1 or named == (catalog, schema)
            if not is_own and not query.policy.allows_schema(*named):
                yield self.finding(
                    query,
                    f"{'.'.join(parts)}: schema {'.'.join(named)} is not among those that alerts may read",
                    at=node,
                    suggestion=f"allowed are {', '.join(query.policy.allowed_schemas)} (ALERTING_ALLOWED_SCHEMAS) and {catalog}.{schema}",
                )


def _tables(query: AlertQuery) -> Iterator[exp.Table]:
    return (node for node in query.nodes if isinstance(node, exp.Table))


def _named_tables(query: AlertQuery) -> Iterator[tuple[tuple[str, ...], exp.Expr | int | None]]:
    for table in _tables(query):
        if table.name:
            yield tuple(part.name for part in table.parts), table
    for node in query.nodes:
        if isinstance(node, exp.Anonymous) and node.name.lower() in _FUNCTIONS_THAT_NAME_TABLES:
            yield _literal_table(node) or (), query.called(node.name)


def _literal_table(call: exp.Anonymous) -> tuple[str, ...] | None:
    first = call.expressions[0] if call.expressions else None
    if not isinstance(first, exp.Literal) or not first.is_string:
        return None
    parts = tuple(part.strip().strip("`") for part in str(first.this).split("."))
    return parts if 1 <= len(parts) <= 3 and all(re.fullmatch(r"[\w $-]+", part) for part in parts) else None


def _qualified(call: exp.Expr) -> tuple[str, ...]:
    """`a.b.f(x)` is read as a.(b.f(x)) or (a.b).f(x)."""
    parts: tuple[str, ...] = (call.name,)
    parent: exp.Expr | None = call.parent
    child: exp.Expr | None = call
    while isinstance(parent, exp.Dot) and parent.expression is child:
        if isinstance(parent.this, exp.Dot | exp.Identifier | exp.Column | exp.Var):
            parts = (*(part for part in parent.this.sql(dialect=DIALECT).replace("`", "").split(".")), *parts)
        parent, child = parent.parent, parent
    return parts


def _is_variable(column: exp.Column) -> bool:
    table, database = column.table.lower(), column.text("db").lower()
    if table != "session" or database not in ("", "system"):
        return False
    root = column.root()
    return "session" not in {source.alias_or_name.lower() for source in root.find_all(exp.Table, exp.Subquery, exp.CTE)}


def _words(node: exp.Expr) -> str:
    if isinstance(node, exp.Command):
        return str(node.this).upper()
    return _STATEMENTS.get(type(node), node.key.upper())


def _shown(node: exp.Expr) -> str:
    text = node.sql(dialect=DIALECT)
    return text if len(text) <= 60 else text[:59] + "…"

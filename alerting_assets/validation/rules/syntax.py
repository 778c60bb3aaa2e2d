"""Can the text be read at all, and is it read the same by everybody?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from alerting_assets.alerts.origin import place_of
from alerting_assets.alerts.parse import NotReadable
from alerting_assets.alerts.query_text import QueryTextError, tokens_of
from alerting_assets.errors import QueryError, QueryErrorKind, nearest
from alerting_assets.validation.finding import Finding, Group, Severity
from alerting_assets.validation.functions import FILE_FORMATS, is_allowed, reaches_outside
from alerting_assets.validation.query import AlertQuery, gaps_of
from alerting_assets.validation.rules.base import Rule

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_QUOTED = (TokenType.STRING, TokenType.RAW_STRING, TokenType.NATIONAL_STRING, TokenType.IDENTIFIER, TokenType.HINT)
_WORDS_BEFORE_PARENTHESES = frozenset(
    {
        "as", "in", "and", "or", "not", "on", "using", "over", "values", "select", "where", "having", "when", "then", "else", "case",
        "between", "like", "ilike", "rlike", "from", "join", "by", "exists", "any", "some", "all", "filter", "within", "union", "except",
        "intersect", "minus", "distinct", "with", "lateral", "interval", "cube", "rollup", "sets", "unpivot", "pivot", "tablesample",
        "limit", "offset", "table", "array", "map", "struct", "decimal", "varchar", "char", "numeric", "dec", "key", "is", "escape",
        "rows", "partition", "order"
    }
)  # fmt: skip
_INCOMPLETE = re.compile(r"required keyword.*<class '[\w.]*?(\w+)'>", re.IGNORECASE)
_FILLED_IN = re.compile(r"\{#|\$\{")
_NAMED_BY_TEXT = re.compile(r"\bidentifier\s*\(", re.IGNORECASE)
_CONTINUED = re.compile(r"\\\r?\n")


class ReadableText(Rule):
    """The text is not empty and has no characters that no query needs: NUL and other control characters, halves of surrogate pairs."""

    group = Group.SYNTAX
    stops = True

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        if found := _CONTROL.search(query.sql):
            yield self.finding(
                query,
                f"the character U+{ord(found[0]):04X} stands in no query",
                at=found.start(),
                suggestion="remove it",
            )
            return
        try:
            if all(token.token_type is TokenType.SEMICOLON for token in tokens_of(query.sql)):
                yield self.finding(query, "the text is empty: without comments no query is left")
        except QueryTextError as error:
            yield self.finding(query, f"{error}: a string, comment or quoted name is not closed, perhaps")


class UnambiguousText(Rule):
    """Every engine reads the text alike. Refused: a `--` comment that ends in a backslash (Spark goes on with the next line, others do
    not), names outside ASCII without backticks, marks of template languages."""

    group = Group.SYNTAX

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        for start, gap in gaps_of(query.origin.text):
            for found in _FILLED_IN.finditer(gap):
                message = f"{found[0]} stands in a comment: some engines and templates fill it in"
                yield self._in_comment(query, start + found.start(), message, "remove it", Severity.ERROR)
            for found in _CONTINUED.finditer(gap):
                line = gap[gap.rfind("\n", 0, found.start()) + 1 : found.start()]
                if "--" in line:
                    message = "a comment ends in a backslash: Spark takes the next line for a part of it, others do not"
                    place = start + found.start() - len(line) + line.index("--")
                    yield self._in_comment(query, place, message, "remove the backslash", Severity.UNSUPPORTED)
        for token in query.tokens:
            raw = query.sql[token.start : token.end + 1]
            if token.token_type not in _QUOTED and not raw.isascii():
                yield self.finding(
                    query,
                    f"{_shown(raw)} is no name that can stand without backticks",
                    at=token.start,
                    suggestion=f"write `{_shown(raw)}`, or letters, digits and _ only",
                )
            elif token.token_type is TokenType.AMP and re.match(
                r"[uU]&['\"]", query.sql[max(token.start - 1, 0) : token.end + 2]
            ):
                yield self.finding(
                    query, "U&'…' is no text in Spark, and one to others", at=token.start, suggestion="write '…'"
                )
            elif token.token_type in (TokenType.BLOCK_START, TokenType.BLOCK_END):
                yield self.finding(query, f"{raw} is no SQL: a template language's", at=token.start)

    def _in_comment(self, query: AlertQuery, at: int, message: str, suggestion: str, severity: Severity) -> Finding:
        """at: in the text as it was written, of which a comment behind the query does not reach `query.sql`."""
        line, column = place_of(query.origin.text, at)
        return Finding(self.name, self.group, severity, message, line, column, suggestion)


class ParsesAsSql(Rule):
    """The grammar of Databricks SQL is kept. What our parser cannot read is shown to the engine in parentheses, where nothing but a
    query can stand: if it accepts the text, the verdict is UNSUPPORTED, since it cannot be proven that it only reads."""

    group = Group.SYNTAX
    stops = True

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        error = query.statements
        if isinstance(error, NotReadable):
            yield self.finding(query, f"the query {error}", severity=Severity.UNSUPPORTED)
        elif isinstance(error, SqlglotError):
            yield self._not_parsed(query, error)
        elif not error:
            yield self.finding(query, "the text is empty: without comments no query is left")
        elif len(error) == 1 and _is_expression(error[0]):
            yield self._beyond(query, "it begins like no query that our parser knows", 0)

    def _not_parsed(self, query: AlertQuery, error: SqlglotError) -> Finding:
        detail = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        line, column = detail.get("line"), detail.get("col")
        start = query.offset(line, column)
        # sqlglot names the place behind the token that it did not expect.
        before = next((token.start for token in query.tokens if start is not None and token.end + 1 >= start), start)
        message = str(detail.get("description") or str(error).splitlines()[0]).rstrip(".")
        if found := _INCOMPLETE.search(message):  # which of several missing parts sqlglot names is chance
            message = f"a part is missing: {found[1].upper()} is not complete"
        return self._beyond(query, message[:1].lower() + message[1:], before)

    def _beyond(self, query: AlertQuery, message: str, at: int | None) -> Finding:
        message += _misspelt(query, at)
        if problem := _unsafe_tokens(query):
            return self.finding(query, f"is not one query: {message}; and {problem}", at=at)
        unproven = self.finding(
            query,
            f"cannot be read well enough to prove that it only reads: {message}",
            at=at,
            severity=Severity.UNSUPPORTED,
        )
        if not query.has_engine or _calls_unknown(query):
            return unproven  # an engine with functions of people's own might run them
        try:
            query.catalog.lakehouse.describe(f"SELECT * FROM (\n{query.sql}\n) AS alert_query")
        except QueryError as rejection:
            if rejection.kind not in (QueryErrorKind.UNSUPPORTED, QueryErrorKind.TIMEOUT):
                return self.finding(query, f"syntax error: {message}", at=at)
        return unproven


_BEGINNINGS = ("SELECT", "WITH", "FROM", "VALUES")
_CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "JOIN", "UNION", "BETWEEN", "INTERVAL")


def _misspelt(query: AlertQuery, at: int | None) -> str:
    """What a keyword was probably meant to be: the first word, or one around the place."""
    words = [token for token in query.tokens if token.text.isalpha()]
    if words and words[0].text.upper() not in _BEGINNINGS and (near := nearest(words[0].text.upper(), _BEGINNINGS)):
        return f"; did you mean {near} for {words[0].text}?"
    before = [token for token in words if at is not None and token.start <= at][-3:]
    for token in reversed(before):
        text = token.text.upper()
        if len(text) > 3 and text not in _CLAUSES and (near := nearest(text, _CLAUSES, likeness=74)):
            return f"; did you mean {near} for {token.text}?"
    return ""


class ClausesInOrder(Rule):
    """ORDER BY comes before LIMIT and OFFSET, as the grammar has it, and a semicolon behind the query; and nothing of another
    database's SQL is used."""

    group = Group.SYNTAX

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        if query.tokens and query.tokens[0].token_type is TokenType.SEMICOLON:
            yield self.finding(
                query, "the text begins with a semicolon", at=query.tokens[0].start, suggestion="remove it"
            )
        limited: list[bool] = [False]
        for token in query.tokens:
            match token.token_type:
                case TokenType.L_PAREN:
                    limited.append(False)
                case TokenType.R_PAREN if len(limited) > 1:
                    limited.pop()
                case TokenType.LIMIT | TokenType.OFFSET | TokenType.FETCH:
                    limited[-1] = True
                case TokenType.SELECT | TokenType.UNION | TokenType.EXCEPT | TokenType.INTERSECT | TokenType.PIPE_GT:
                    limited[-1] = False
                case TokenType.ORDER_BY | TokenType.GROUP_BY | TokenType.HAVING if limited[-1]:
                    yield self.finding(
                        query, f"{token.text.upper()} stands behind LIMIT", at=token.start, suggestion="put it before"
                    )
        for token, after in zip(query.tokens, query.tokens[1:], strict=False):
            if after.token_type is TokenType.LATERAL and _is_natural_join(query, token):
                yield self.finding(query, "NATURAL JOIN takes no LATERAL", at=after.start)
            if token.token_type is TokenType.HINT and _NAMED_BY_TEXT.search(token.text):
                yield self.finding(query, "a hint takes names, not identifier()", at=token.start)
            elif token.token_type is TokenType.NULL and after.token_type is TokenType.DCOLON and _is_test(query, token):
                yield self.finding(
                    query, "IS NULL cannot be cast by ::", at=after.start, suggestion="put it in parentheses"
                )
        for tree in query.statements if isinstance(query.statements, list) else ():
            for node in tree.find_all(exp.SimilarTo):
                yield self.finding(query, "SIMILAR TO is no SQL of Databricks", at=node, suggestion="use RLIKE")


def _is_natural_join(query: AlertQuery, join: Token) -> bool:
    """NATURAL [INNER, LEFT OUTER, …] JOIN."""
    if join.token_type is not TokenType.JOIN:
        return False
    before = [token.token_type for token in query.tokens if token.start < join.start][-3:]
    return TokenType.NATURAL in before


def _is_test(query: AlertQuery, null: Token) -> bool:
    """Whether it is the NULL of IS NULL or IS NOT NULL."""
    before = [token.token_type for token in query.tokens if token.start < null.start][-2:]
    return before[-1:] == [TokenType.IS] or before == [TokenType.IS, TokenType.NOT]


class DistinctNames(Rule):
    """Two common table expressions of one WITH have two names."""

    group = Group.SYNTAX

    def check(self, query: AlertQuery) -> Iterable[Finding]:
        if not isinstance(query.statements, list):
            return
        for tree in query.statements:
            for clause in tree.find_all(exp.With):
                seen: set[str] = set()
                for item in clause.expressions:
                    name = item.alias.lower()
                    if name in seen:
                        yield self.finding(query, f"WITH has {item.alias} twice", at=item.args["alias"])
                    seen.add(name)


def _is_expression(tree: exp.Expr) -> bool:
    """`TABLE t` and other texts that sqlglot takes for an expression."""
    return isinstance(
        tree, exp.Alias | exp.Column | exp.Paren | exp.Literal | exp.Func | exp.Condition
    ) and not isinstance(tree, exp.Query | exp.Values | exp.DML | exp.DDL | exp.Command)


def _unsafe_tokens(query: AlertQuery) -> str | None:
    """Why a text without a tree is shown to no engine, not even in parentheses."""
    depth = 0
    before = ""
    for token in query.tokens:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth < 0:
            return "a parenthesis is closed that was not opened"
        if token.token_type is TokenType.SEMICOLON:
            return "there is more than one statement"
        if token.token_type is TokenType.DOT and before in FILE_FORMATS:
            return f"it reads a file of format {before}"
        before = token.text.lower()
    if depth:
        return "a parenthesis is not closed"
    for token in query.calls:
        name = token.text.lower()
        if reaches_outside(name) or name == "identifier":
            return f"{name}() reaches beyond tables and views"
    return next(_paths(query), None)


def _calls_unknown(query: AlertQuery) -> bool:
    names = (token.text.lower() for token in query.calls)
    return any(
        name not in _WORDS_BEFORE_PARENTHESES and not is_allowed((name,), query.policy.allowed_functions)
        for name in names
    )


def _paths(query: AlertQuery) -> Iterator[str]:
    for token in query.tokens:
        if token.token_type is TokenType.IDENTIFIER and re.search(r"[/\\:]", token.text):
            yield f"`{token.text[:40]}` looks like a path"


def _shown(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"

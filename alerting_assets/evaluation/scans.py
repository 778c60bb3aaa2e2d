"""Measurements that read the same table, put into one query that reads it once; pure.

Most queries of alerts are `SELECT <aggregates> FROM <one table> WHERE <rows>`, or the rows that the compiler aggregates. Any number of
them over the same table become one query: each aggregate with its own FILTER, each HAVING as a column that tells whether there is a row.
Expressions stay letter for letter what the person wrote; only clauses are taken apart, at the keywords between them. Whatever is not
surely of this form is left alone: None. It is then run as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot.tokenizer_core import Token, TokenType

from alerting_assets.alerts.operators import Aggregation
from alerting_assets.alerts.query_text import QueryTextError, tokens_of
from alerting_assets.sql_literal import identifier, qualified

AGGREGATES = frozenset(
    "SUM COUNT AVG MEAN MIN MAX STDDEV STDDEV_SAMP STDDEV_POP VARIANCE VAR_SAMP VAR_POP COUNT_IF BOOL_AND BOOL_OR".split()  # noqa: SIM905
)
"""That take a FILTER on every engine with the same outcome. MEDIAN and DISTINCT are run alone: they cost more together."""

SCALARS = frozenset(
    """
    ABS CAST TRY_CAST COALESCE NULLIF NVL IFNULL IF CASE ROUND FLOOR CEIL CEILING SIGN SQRT POW POWER EXP LN LOG10
    GREATEST LEAST MOD UNIX_TIMESTAMP UNIX_SECONDS UNIX_MILLIS UNIX_DATE TO_TIMESTAMP TO_DATE DATE TIMESTAMP
    DATE_TRUNC TRUNC DATEDIFF DATE_DIFF DATE_ADD DATE_SUB ADD_MONTHS TIMESTAMPDIFF TIMESTAMPADD EXTRACT YEAR
    QUARTER MONTH DAY HOUR MINUTE SECOND DAYOFWEEK DAYOFYEAR WEEKDAY WEEKOFYEAR LOWER UPPER TRIM LTRIM RTRIM
    LENGTH CHAR_LENGTH CONCAT CONCAT_WS SUBSTR SUBSTRING REPLACE SPLIT_PART STARTSWITH ENDSWITH CONTAINS SIZE
    CARDINALITY ARRAY_CONTAINS ELEMENT_AT GET_JSON_OBJECT ISNAN ISNULL ISNOTNULL NANVL TRY_DIVIDE DOUBLE FLOAT INT
    BIGINT DECIMAL NUMERIC STRING BOOLEAN VARCHAR CHAR
""".split()  # noqa: SIM905
)
"""Functions and types in whose company an aggregate keeps its meaning: one value a row, and the same one each time."""

_NO_CALLS = frozenset(
    """
    SELECT IN AND OR NOT WHEN THEN ELSE BETWEEN LIKE RLIKE ILIKE REGEXP IS WHERE HAVING ON AS FROM BY DIV XOR ANY
    ALL
""".split()  # noqa: SIM905
)
"""Words that stand before a parenthesis and call nothing."""

_CHANGES_EACH_TIME = frozenset("RAND RANDOM RANDN UUID SHUFFLE MONOTONICALLY_INCREASING_ID".split())  # noqa: SIM905
_CLAUSES = (
    TokenType.SELECT,
    TokenType.FROM,
    TokenType.WHERE,
    TokenType.GROUP_BY,
    TokenType.HAVING,
    TokenType.LIMIT,
)
_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER})
_BEFORE_UNIT = frozenset({TokenType.INTERVAL})


class _OtherForm(Exception):
    pass


@dataclass(frozen=True)
class _Expression:
    """SQL in pieces: between any two of them stands the FILTER of the aggregate that ends there."""

    pieces: tuple[str, ...]

    def sql(self, rows: str | None) -> str:
        return ("" if rows is None else f" FILTER (WHERE {rows})").join(self.pieces)


@dataclass(frozen=True)
class Scan:
    """A measurement as aggregates over the rows of one table.

    table: what stands behind FROM. group_by: what the user's query groups by, where the compiler aggregates its groups.
    rows: which rows of the table count; None: all.
    value: what is measured, of all rows or of a group. having: whether there is a row, or the group counts; None: always.
    outer: the aggregation over the groups, of a column."""

    table: str
    group_by: str | None
    rows: str | None
    value: _Expression
    having: _Expression | None
    outer: Aggregation | None = None

    @property
    def text(self) -> str:
        """All of it that is the user's."""
        having = self.having.pieces if self.having else ()
        return " ".join((self.rows or "", *self.value.pieces, *having))

    @property
    def key(self) -> tuple[str, str | None]:
        """Scans with the same key can be one query."""
        return self.table, self.group_by


def scan_of(source_sql: str, column: str, aggregation: Aggregation | None) -> Scan | None:
    """The measurement of a user's query as a scan, or None where it is not of that form.

    column, aggregation: what is measured of it; None takes the first row."""
    if aggregation in (Aggregation.COUNT_DISTINCT, Aggregation.MEDIAN):
        return None
    try:
        return _scan(_Query(source_sql), column, aggregation)
    except (_OtherForm, QueryTextError):
        return None


def fused(scans: Sequence[Scan]) -> str:
    """One query for scans with the same key. It returns one row with the columns v0, h0, v1, h1, …: the value of each, and whether
    there is a row."""
    (key,) = {scan.key for scan in scans}
    table, group_by = key
    where = _any_of([scan.rows for scan in scans])
    if group_by is None:
        columns = ",\n  ".join(
            f"{scan.value.sql(scan.rows)} AS v{number}, {_returned(scan)} AS h{number}"
            for number, scan in enumerate(scans)
        )
        return f"SELECT\n  {columns}\nFROM {table}{where}"
    inner = ",\n  ".join(
        f"{scan.value.sql(scan.rows)} AS a{number}, {_counts(scan)} AS p{number}" for number, scan in enumerate(scans)
    )
    outer = ",\n  ".join(
        f"{scan.outer.sql(f'a{number}') if scan.outer else ''} FILTER (WHERE p{number}) AS v{number}, "
        f"COUNT(*) FILTER (WHERE p{number}) > 0 AS h{number}"
        for number, scan in enumerate(scans)
    )
    return f"SELECT\n  {outer}\nFROM (\nSELECT\n  {inner}\nFROM {table}{where}\nGROUP BY {group_by}\n) AS in_groups"


def _returned(scan: Scan) -> str:
    return "TRUE" if scan.having is None else f"({scan.having.sql(scan.rows)})"


def _counts(scan: Scan) -> str:
    """Whether a group counts: one without a row of the scan is not there."""
    some = "TRUE" if scan.rows is None else f"COUNT(*) FILTER (WHERE {scan.rows}) > 0"
    return some if scan.having is None else f"{some} AND COALESCE({scan.having.sql(scan.rows)}, FALSE)"


def _any_of(conditions: Sequence[str | None]) -> str:
    different = dict.fromkeys(conditions)
    if None in different:
        return ""
    return "\nWHERE " + " OR ".join(f"({condition})" for condition in different)


class _Query:
    """The clauses of `SELECT … FROM … WHERE … GROUP BY … HAVING … LIMIT`. Raises _OtherForm for every other form."""

    def __init__(self, text: str) -> None:
        self.text, tokens = text, tokens_of(text)
        if not tokens or tokens[0].token_type is not TokenType.SELECT:
            raise _OtherForm
        self.clauses: dict[TokenType, list[Token]] = {}
        depth, at = 0, -1
        for token in tokens:
            kind = token.token_type
            if depth == 0 and kind in _CLAUSES:
                if _CLAUSES.index(kind) <= at:
                    raise _OtherForm
                at = _CLAUSES.index(kind)
                self.clauses[kind] = []
                continue
            if kind is TokenType.SELECT or token.text.upper() in _CHANGES_EACH_TIME:
                raise _OtherForm
            depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(kind, 0)
            self.clauses[_CLAUSES[at]].append(token)
        if TokenType.FROM not in self.clauses:
            raise _OtherForm

    def tokens(self, clause: TokenType) -> list[Token]:
        return self.clauses.get(clause, [])

    def sql(self, tokens: Sequence[Token]) -> str:
        return self.text[tokens[0].start : tokens[-1].end + 1]


def _scan(query: _Query, column: str, aggregation: Aggregation | None) -> Scan:
    table = _table(query)
    rows = query.tokens(TokenType.WHERE)
    having = query.tokens(TokenType.HAVING)
    grouped = query.tokens(TokenType.GROUP_BY)
    keys = _group_keys(grouped)
    measured = _projection(query, column)
    has_aggregate = bool(having) or any(_aggregates(tokens) for tokens in _split(query.tokens(TokenType.SELECT)))
    where = query.sql(rows) if rows else None
    if aggregation is None:
        if grouped or not _aggregates(measured) or not _limit_is_idle(query):
            raise _OtherForm
        return Scan(
            table, None, where, _filtered(query, measured, ()), _filtered(query, having, ()) if having else None
        )
    if TokenType.LIMIT in query.clauses:
        raise _OtherForm
    if grouped:
        value = _filtered(query, measured, keys)
        return Scan(
            table, query.sql(grouped), where, value, _filtered(query, having, keys) if having else None, aggregation
        )
    if has_aggregate:
        raise _OtherForm
    ended = aggregation.sql(query.sql(measured))
    return Scan(table, None, where, _Expression((ended, "")), _Expression(("COUNT(*)", " > 0")))


def _table(query: _Query) -> str:
    """One table by its name, with an alias or without; each name written in the same way."""
    tokens = query.tokens(TokenType.FROM)
    kinds = [token.token_type for token in tokens]
    length = 1
    while kinds[length : length + 1] == [TokenType.DOT]:
        length += 2
    rest = kinds[length:]
    is_name = all(kind in _NAMES for kind in kinds[:length:2])
    if not kinds or not is_name or (rest and (rest[-1] not in _NAMES or rest[:-1] not in ([], [TokenType.ALIAS]))):
        raise _OtherForm
    if length > 5 or len(tokens) < length:
        raise _OtherForm
    name = qualified(*(token.text for token in tokens[:length:2]))
    return f"{name} AS {identifier(tokens[-1].text)}" if rest else name


def _group_keys(tokens: Sequence[Token]) -> tuple[str, ...]:
    """The names that are grouped by; nothing but columns."""
    if any(token.token_type not in {*_NAMES, TokenType.DOT, TokenType.COMMA} for token in tokens):
        raise _OtherForm
    return tuple(token.text.upper() for token in tokens if token.token_type in _NAMES)


def _projection(query: _Query, column: str) -> list[Token]:
    """The expression of this column, without its alias."""
    found, names = list[list[Token]](), list[str]()
    for tokens in _split(query.tokens(TokenType.SELECT)):
        last, before = tokens[-1], tokens[-2].token_type if len(tokens) > 1 else None
        if last.token_type not in _NAMES or before not in (None, TokenType.DOT, TokenType.ALIAS):
            raise _OtherForm
        _check_calls(tokens)
        names.append(last.text.lower())
        if last.text == column:
            found.append(tokens[:-2] if before is TokenType.ALIAS else tokens)
    if len(found) != 1 or names.count(column.lower()) != 1 or not found[0]:
        raise _OtherForm
    return found[0]


def _split(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The items of a list."""
    item, depth = list[Token](), 0
    for token in tokens:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if token.token_type is TokenType.COMMA and depth == 0:
            yield _not_empty(item)
            item = []
        else:
            item.append(token)
    yield _not_empty(item)


def _not_empty(tokens: list[Token]) -> list[Token]:
    if not tokens:
        raise _OtherForm
    return tokens


def _calls(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """(index, name) of every word with a parenthesis behind it."""
    for index, token in enumerate(tokens[:-1]):
        word = token.text.upper()
        is_call = tokens[index + 1].token_type is TokenType.L_PAREN and (word[:1].isalpha() or word[:1] == "_")
        if is_call and word not in _NO_CALLS:
            yield index, word


def _check_calls(tokens: Sequence[Token]) -> None:
    """Raises _OtherForm where something is called of which it is not known that it leaves aggregates as they are."""
    kinds = {token.token_type for token in tokens}
    if kinds & {TokenType.OVER, TokenType.FILTER, TokenType.DISTINCT, TokenType.ARROW}:
        raise _OtherForm
    known = SCALARS | AGGREGATES
    for index, name in _calls(tokens):
        if name not in known or (index and tokens[index - 1].token_type is TokenType.DOT):
            raise _OtherForm


def _aggregates(tokens: Sequence[Token]) -> list[int]:
    return [index for index, name in _calls(tokens) if name in AGGREGATES]


def _filtered(query: _Query, tokens: Sequence[Token], keys: Sequence[str]) -> _Expression:
    """An expression with a place for FILTER behind each aggregate. Outside of aggregates no column may stand but those that are grouped
    by."""
    _check_calls(tokens)
    pieces, start, index = list[str](), tokens[0].start, 0
    calls = dict(_calls(tokens))
    while index < len(tokens):
        token = tokens[index]
        if calls.get(index) in AGGREGATES:
            index = _closing(tokens, index + 1)
            pieces.append(query.text[start : tokens[index].end + 1])
            start = tokens[index].end + 1
        elif token.token_type in _NAMES and index not in calls and token.text.upper() not in keys:
            is_unit = index > 1 and tokens[index - 2].token_type in _BEFORE_UNIT
            if not is_unit:
                raise _OtherForm
        index += 1
    return _Expression((*pieces, query.text[start : tokens[-1].end + 1]))


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(tokens)):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[index].token_type, 0)
        if depth == 0:
            return index
    raise _OtherForm


def _limit_is_idle(query: _Query) -> bool:
    """Whether a LIMIT leaves the one row of an aggregate there is."""
    if TokenType.LIMIT not in query.clauses:
        return True
    tokens = query.tokens(TokenType.LIMIT)
    return len(tokens) == 1 and tokens[0].text.isdigit() and int(tokens[0].text) > 0

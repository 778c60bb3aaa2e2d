"""Sail's errors as `QueryError`: one table of patterns, messages for people, positions in the text that was sent.

Sail 0.7 raises Spark's exception classes with DataFusion's texts inside. What it cannot run but Databricks may (a construct its
parser lacks, a function it does not have) is UNSUPPORTED, never an error of the query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.lakehouse.functions import documented
from alerting_assets.lakehouse.sail_grammar import LITERAL_OF_SPARK, UNSUPPORTED_SYNTAX
from alerting_assets.lakehouse.spark_errors import DATABRICKS_FUNCTION

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Kind = QueryErrorKind
MAX_MESSAGE = 300

_MISSING_TABLE = re.compile(r"Table or view not found: (.+)$", re.M)
_GONE_TABLE = re.compile(r"Invalid table location|No commit files found|Path does not exist")
_MISSING_COLUMN = re.compile(r"attribute ObjectName\(\[(.*?)\]\) is missing")
_AMBIGUOUS = re.compile(r"ambiguous attribute: ObjectName\(\[(.*?)\]\)")
_LONG_NAME = re.compile(r"invalid argument: table reference: \[(.*?)\]$", re.M)
_IDENTIFIER = re.compile(r'Identifier\("((?:[^"\\]|\\.)*)"\)')
_SYNTAX = re.compile(r"invalid argument: found (.*?) at (\d+):(\d+) expected ", re.S)
_SYNTAX_END = re.compile(r"invalid argument: found end of input expected")
_FUNCTION = re.compile(r"^(?:unknown (?:table )?function|function): (\w+)", re.M)
_SIGNATURE = re.compile(r"[Ff]unction '(\w+)' failed to match any signature.*?but received (\w+)", re.S)
_COERCION = re.compile(r"satisfy a call to '(\w+)' function: coercion from (.*?) to the signature", re.S)
_REGEX = re.compile(r"Regular expression did not compile.*?error: ([^\n~]+)", re.S)
_PLAN = re.compile(r"\A== Physical Plan ==\nPhysical plan error: (.*)", re.S)
_PLANNED = re.compile(
    r"\A== Physical Plan ==\nProjectionExec: expr=\[(#\d+@\d+ as \w+(?:, #\d+@\d+ as \w+)*)\]\n", re.ASCII
)
_INTERNAL = re.compile(
    r"\s*(?:invalid argument|error in DataFusion|Error during planning|Execution error|Internal error|Cast error|"
    r"This feature is not implemented|type_coercion\ncaused by)(?::\s*|\s+)"
)

_KINDS: tuple[tuple[re.Pattern[str], QueryErrorKind], ...] = (
    (
        re.compile(
            r"Cannot coerce|Cannot infer common argument type|Failed to coerce|coercion failed|non-boolean predicate|"
            r"cannot extract value|different number of columns|Incompatible inputs for Union|only return one column|"
            r"requires \d+ (?:or \d+ )?argument|should only be called with|No function matches"
        ),
        Kind.TYPE_MISMATCH,
    ),
    (
        re.compile(
            r"Can(?:no|')t cast|CAST_INVALID_INPUT|INVALID_ARRAY_INDEX|by zero|invalid timestamp|[Oo]verflow|"
            r"Scalar subquery returned more|date_trunc granularity|Date part|Resources exhausted|datetime (?:field|pattern)"
        ),
        Kind.RUNTIME,
    ),
    (re.compile(r"not supported|not implemented|[Uu]nsupported"), Kind.UNSUPPORTED),
    (re.compile(r"expected one statement|^invalid argument: (?:decimal|found)"), Kind.SYNTAX),
)

_BEYOND = re.compile(
    r"(?:coerce arithmetic expression|comparison operation|Failed to coerce then|compatible types to compare|Incompatible inputs for Union)"
    r"[^\n]*(?:Utf8|Null|Duration|Interval)|coercion from (?:(?! to the signature).)*(?:(?<=from )|(?<=, ))(?:Utf8|Null|Duration|Interval)|"
    r"but received (?:String|Null|Duration|Interval)\b|Time64|coerce (?!List|Map|Struct)\S+ .*LIKE expression|temporal operation|"
    r"to Nanosecond|expects Numeric but received String|For function '\w+' Utf8|"
    r"'(?:array_has|map_contains_key)' function|Overflowing on|argument: interval: \W*-|"
    r"argument: (?:tiny|small|big)?int: (?:128|32768|2147483648|9223372036854775808)\b|"
    r"TABLESAMPLE|DISTRIBUTE BY|CLUSTER BY|SORT BY|Missing commit file|No version of the Delta table|"
    r"join condition should not be empty|non UTF-8 data|invalid window function expression|approx_percentile_cont|"
    r"percentile_cont' requires|'(?:dense_|percent_)?rank' expected zero argument|no partition of relation|"
    r"failed to match any signature.*?but received Binary|There is only support Literal types"
)
"""Messages in which Sail, in words of its own, refuses what Spark takes."""
_COERCED = re.compile(r"Function '(\w+)' user-defined coercion failed")
_COERCED_LIKE_SPARK = frozenset(
    f"{prefix}{name}"
    for name in (
        "coalesce",
        "least",
        "greatest",
        "year",
        "abs",
        "ceil",
        "floor",
        "last_day",
        "unix_timestamp",
        "split",
        "from_json",
    )
    for prefix in ("", "spark_")
)
_ARGUMENTS = re.compile(r"(?:zero|one|two|three|four) values? expected")
_OPTIONAL_ARGUMENTS = re.compile(r"\b(?:current_time|st_\w+|regexp_replace|log|uuid)\s*\(", re.I)
"""Functions that take arguments on Spark which Sail does not know."""
_LIKE_SPARK = re.compile(
    r"(?:LIMIT|OFFSET) must be|Expected LIMIT|Unsupported LIMIT|Invalid window frame|"
    r"range window frame requires|unknown window function|undefined window|used more than once|Sampling fraction|takes \d+ arguments|"
    r"expected \d+ (?:to \d+ )?arguments|even number of arguments|multiple of 2|Wildcard|NATURAL JOIN with criteria|"
    r"invalid scalar function clause|one name expected|multi_expr should be|does not support \w+ input|'negative' function|"
    r"[Cc]annot find column|[Cc]annot resolve|number of columns|column count mismatch|Inconsistent data|must be boolean|"
    r"find compatible types|common type|compatible type|Cannot run range queries|expects List|expects a list|expected a (?:list|map)|"
    r"should only be called|can only accept list|does not support (?:type|MAP)|cannot accept argument|Failed to parse schema|NTILE|"
    r"nth_value|requires at least|requires \d|must be literal|must be greater than|[Cc]annot cast|can't cast|"
    r"[Cc]annot automatically convert|does not match Arrow type|`count` function requires|literal values|argument: interval: |"
    r"argument: (?:tiny|small|big)?int: |aggregate function|grouping|expected one statement|[Dd]uplicate|at least one|window duration"
)
"""Messages of errors in which Sail is as strict as Spark. What it refuses in other words counts as its own shortcoming until shown
otherwise."""

WINDOW_FUNCTIONS = frozenset(
    {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "nth_value"}
)

EMPTY_SUBQUERY = (
    "the embedded engine takes a subquery over a NOT NULL column for one that always has a row; "
    "take MAX(…) or NULLIF(…, '') of the column inside the subquery"
)

_SAYINGS: tuple[tuple[re.Pattern[str], QueryErrorKind, str], ...] = (
    (
        re.compile(r'No field named [^"]*"#\d+".*Valid fields', re.S),
        Kind.UNSUPPORTED,
        "the embedded engine takes a column for neither grouped nor aggregated",
    ),
    (
        re.compile(r'No field named [^"]*"#\d+"'),
        Kind.UNSUPPORTED,
        "the embedded engine takes a column where only a constant can stand",
    ),
    (
        re.compile(r"Aggregate requires at least one grouping"),
        Kind.UNSUPPORTED,
        "the embedded engine needs an aggregate function where HAVING has no GROUP BY",
    ),
    (re.compile(r"Aggregate function calls cannot be nested"), Kind.OTHER, "aggregate functions cannot be nested"),
    (
        re.compile(r"does not support logical expression (?:Aggregate|Window)Function"),
        Kind.UNSUPPORTED,
        "the embedded engine takes an aggregate or window function for misplaced",
    ),
    (
        re.compile(r"non-boolean predicate .* returning (.*)"),
        Kind.TYPE_MISMATCH,
        r"a condition must be BOOLEAN, not \1",
    ),
    (
        re.compile(r"InSubquery should only return one column"),
        Kind.TYPE_MISMATCH,
        "a subquery after IN must have one column",
    ),
    (re.compile(r"DateValue \{ year: (\d+), month: (\d+), day: (\d+)"), Kind.SYNTAX, r"there is no date \1-\2-\3"),
    (re.compile(r"declared as non-nullable but contains null"), Kind.UNSUPPORTED, EMPTY_SUBQUERY),
    (
        re.compile(r"Unsupported CAST (from .* to (?:Interval|Struct).*)"),
        Kind.UNSUPPORTED,
        r"the embedded engine has no cast \1",
    ),
    (re.compile(r"Unsupported CAST (from .* to .*)"), Kind.TYPE_MISMATCH, r"there is no cast \1"),
)
"""Errors that Sail words for its own developers, and what they mean."""

_ARROW_NAMES = (
    (re.compile(r"Map\((?:[^()]|\([^()]*\))*\)"), "MAP"),
    (re.compile(r"List\((?:[^()]|\([^()]*\))*\)"), "ARRAY"),
    (re.compile(r"Timestamp\([^()]*\)"), "TIMESTAMP"),
    (re.compile(r"Decimal128\((\d+), ?(\d+)\)"), r"DECIMAL(\1,\2)"),
    (re.compile(r"\b(?:Large)?Utf8(?:View)?\b"), "STRING"),
    (re.compile(r"\bInt64\b"), "BIGINT"),
    (re.compile(r"\bInt32\b"), "INT"),
    (re.compile(r"\bFloat64\b"), "DOUBLE"),
    (re.compile(r"\bDate32\b"), "DATE"),
    (re.compile(r"\bBoolean\b"), "BOOLEAN"),
)


def is_missing_table(error: Exception) -> bool:
    return bool(_MISSING_TABLE.search(str(error)) or _GONE_TABLE.search(str(error)))


def plan_error(plan: str, sql: str) -> QueryError | None:
    """The error that a plan tells of, or None. EXPLAIN succeeds on some errors and writes them into the plan."""
    found = _PLAN.search(plan)
    return _from_text(found.group(1), sql, ()) if found else None


def planned_names(plan: str) -> tuple[str, ...]:
    """The names of the output columns, from the last step of a plan. Empty where they are not plain words, or where the plan tells
    of an error."""
    found = _PLANNED.match(plan)
    return tuple(item.rpartition(" ")[2] for item in found[1].split(", ")) if found else ()


def rows_of(session: SparkSession, sql: str) -> pa.Table:
    """The rows of a query. Raises QueryError also where pyspark itself cannot read what Sail returned."""
    from pyspark.errors import PySparkException

    try:
        return session.sql(sql).toArrow()
    except ValueError as error:
        if isinstance(error, PySparkException | pa.ArrowException) or "to non-nullable" not in str(error):
            raise
        raise QueryError(Kind.UNSUPPORTED, EMPTY_SUBQUERY) from error


def query_error(error: Exception, sql: str, known_tables: Callable[[], Sequence[str]]) -> QueryError:
    text = str(error)
    if "StatusCode." in text:  # gRPC's own dump: the connection broke while the server lived, as after a panic in it
        return QueryError(
            Kind.UNSUPPORTED,
            "the embedded engine crashed on this query or ran out of memory; another engine may run it",
        )
    return _from_text(text, sql, known_tables() if _MISSING_TABLE.search(text) else ())


def _from_text(text: str, sql: str, known_tables: Sequence[str]) -> QueryError:
    if found := _MISSING_TABLE.search(text):
        return _missing_table(found.group(1), sql, known_tables)
    if found := _LONG_NAME.search(text):
        parts = _parts(found.group(1))
        return _at(sql, parts, Kind.MISSING_TABLE, f"table {'.'.join(parts)}: a table name has at most three parts")
    if found := _MISSING_COLUMN.search(text):
        return _missing_column(_parts(found.group(1)), sql)
    if found := _AMBIGUOUS.search(text):
        parts = _parts(found.group(1))
        return _at(
            sql,
            parts,
            Kind.OTHER,
            f"column {'.'.join(parts)} is ambiguous: more than one table has it; write table.column",
        )
    if found := _SYNTAX.search(text):
        return _syntax(found.group(1), int(found.group(2)), sql)
    if _SYNTAX_END.search(text):
        return _syntax("the end of the text", None, sql)
    if found := _FUNCTION.search(text):
        return _function(found.group(1), sql)
    if beyond := _beyond(text, sql):
        return QueryError(Kind.UNSUPPORTED, f"the embedded engine cannot judge it: {_plain(beyond)}")
    for pattern, kind, message in _SAYINGS:
        if found := pattern.search(text):
            return QueryError(kind, _plain(found.expand(message)))
    if _GONE_TABLE.search(text):
        return QueryError(Kind.MISSING_TABLE, "a table that the query reads was removed or is broken")
    if found := _SIGNATURE.search(text) or _COERCION.search(text):
        return _at(
            sql,
            [found.group(1)],
            Kind.TYPE_MISMATCH,
            f"function {found.group(1)} does not take {_plain(found.group(2))}",
        )
    if found := _REGEX.search(text):
        return QueryError(Kind.RUNTIME, f"regular expression: {found.group(1).strip()}")
    return QueryError(_kind(text), _plain(text))


def _kind(text: str) -> QueryErrorKind:
    for pattern, kind in _KINDS:
        if pattern.search(text) and not (kind is Kind.UNSUPPORTED and _LIKE_SPARK.search(text)):
            return kind
    is_alike = _LIKE_SPARK.search(text) or _ARGUMENTS.search(text) or _COERCED.search(text)
    return Kind.OTHER if is_alike else Kind.UNSUPPORTED


def _beyond(text: str, sql: str) -> str | None:
    """The message to show if what it complains about is nothing that Spark minds; None otherwise."""
    coerced = _COERCED.search(text)
    has_lateral_query = re.search(r"\bLATERAL\s*\(\s*SELECT", sql, re.I) and "Valid fields" in text
    like_any = "bool_or" in text and re.search(r"\bI?LIKE\s+(?:ANY|SOME|ALL)\b", sql, re.I)
    if (
        _BEYOND.search(text)
        or (coerced and coerced.group(1) not in _COERCED_LIKE_SPARK)
        or (_ARGUMENTS.search(text) and _OPTIONAL_ARGUMENTS.search(sql))
        or has_lateral_query
        or like_any
    ):
        return text
    return None


def _missing_table(name: str, sql: str, known_tables: Sequence[str]) -> QueryError:
    line, column, written = _find(sql, [name])
    full = written or name
    if "information_schema" in full.lower():
        return QueryError(
            Kind.UNSUPPORTED, "the embedded engine has no information_schema", line=line, column=column, name=full
        )
    if construct := _unsupported(sql, "WITH RECURSIVE"):
        return QueryError(
            Kind.UNSUPPORTED, f"the embedded engine does not support {construct}", line=line, column=column
        )
    for known in known_tables:
        if known != full and known.lower().endswith(full.lower()) and known.lower().split(".")[-1] == name.lower():
            message = f"table {full} does not exist; there is {known} (the embedded engine tells upper from lower case)"
            kind = Kind.UNSUPPORTED if known.split(".")[-1] != name else Kind.MISSING_TABLE
            return QueryError(kind, message, line=line, column=column, name=full)
    return QueryError(Kind.MISSING_TABLE, f"table {full} does not exist", line=line, column=column, name=full)


def _missing_column(parts: list[str], sql: str) -> QueryError:
    name = ".".join(parts)
    line, column, _ = _find(sql, parts)
    if name.upper() == "ALL" and (construct := _unsupported(sql, "GROUP BY ALL") or _unsupported(sql, "ORDER BY ALL")):
        return QueryError(
            Kind.UNSUPPORTED, f"the embedded engine does not support {construct}", line=line, column=column
        )
    if name.lower() == "grouping__id":
        message = f"the embedded engine does not know {name}; use grouping_id()"
        return QueryError(Kind.UNSUPPORTED, message, line=line, column=column)
    if re.search(r"\bUNPIVOT\b", sql, re.I) or (
        len(parts) > 1 and re.search(rf"(?<![.\w]){re.escape(parts[0])}\s*\[", sql)
    ):
        message = f"column {name}: the embedded engine knows neither UNPIVOT nor values of a map by name"
        return QueryError(Kind.UNSUPPORTED, message, line=line, column=column, name=name)
    if len(parts) == 1 and re.search(rf"\bAS\s+`?{re.escape(name)}`?(?!\w)", sql, re.I):
        message = f"column {name} is an alias of the same SELECT, which the embedded engine cannot refer to; repeat its expression"
        return QueryError(Kind.UNSUPPORTED, message, line=line, column=column, name=name)
    if len(parts) > 1 and re.search(rf"\bUSING\s*\([^)]*\b{re.escape(parts[-1])}\b", sql, re.I):
        message = f"column {name} was joined by USING, after which the embedded engine only knows {parts[-1]}; leave the table's name out"
        return QueryError(Kind.UNSUPPORTED, message, line=line, column=column, name=name)
    return QueryError(Kind.MISSING_COLUMN, f"column {name} does not exist", line=line, column=column, name=name)


def _syntax(found: str, offset: int | None, sql: str) -> QueryError:
    """`offset` counts bytes; None is the end."""
    start = len(sql.rstrip()) if offset is None else len(sql.encode()[:offset].decode(errors="ignore"))
    if offset is not None and not sql.startswith(found, start):  # the offset is one inside a literal
        kind = Kind.UNSUPPORTED if LITERAL_OF_SPARK.search(sql) else Kind.SYNTAX
        return QueryError(kind, f"a literal is not valid at {found[:60]!r}")
    line, column = _position(sql, start)
    if construct := _unsupported(sql):
        message = f"the embedded engine does not support {construct}"
        return QueryError(Kind.UNSUPPORTED, message, line=line, column=column)
    return QueryError(Kind.SYNTAX, f"syntax error at {found[:60]}", line=line, column=column)


def _function(name: str, sql: str) -> QueryError:
    if name.lower() in WINDOW_FUNCTIONS and not re.search(rf"\b{name}\s*\([^()]*\)[^()]*\bOVER\b", sql, re.I):
        return _at(sql, [name], Kind.OTHER, f"{name}() needs OVER (…)")
    if name.lower() in documented() or DATABRICKS_FUNCTION.fullmatch(name):
        return _at(sql, [name], Kind.UNSUPPORTED, f"the embedded engine does not support the function {name} here")
    return _at(sql, [name], Kind.OTHER, f"function {name} does not exist")


def _unsupported(sql: str, only: str | None = None) -> str | None:
    code = " ".join(text for _, text, is_code in _tokens(sql) if is_code)
    found = (name for pattern, name in UNSUPPORTED_SYNTAX if only in (None, name) and pattern.search(code))
    return next(found, None)


def _at(sql: str, parts: list[str], kind: QueryErrorKind, message: str) -> QueryError:
    line, column, _ = _find(sql, parts)
    return QueryError(kind, message, line=line, column=column, name=".".join(parts))


def _find(sql: str, parts: list[str]) -> tuple[int | None, int | None, str | None]:
    """Line, column and text of the dotted name in the query that ends in `parts`; three times None where there is none."""
    tokens = [token for token in _tokens(sql) if token[2]]
    texts = [text.lower() for _, text, _ in tokens]
    wanted = [piece for part in parts for piece in (part.lower(), ".")][:-1]
    for start in range(len(tokens) - len(wanted) + 1):
        if texts[start : start + len(wanted)] != wanted:
            continue
        end = start + len(wanted)
        if end < len(texts) and texts[end] == ".":
            continue
        while start >= 2 and texts[start - 1] == ".":
            start -= 2
        return *_position(sql, tokens[start][0]), "".join(text for _, text, _ in tokens[start:end])
    return None, None, None


def _tokens(sql: str) -> list[tuple[int, str, bool]]:
    """(offset, text, whether it is code rather than a string) of each token; none where the text cannot be cut up."""
    from sqlglot import tokenize
    from sqlglot.errors import TokenError

    try:
        return [(token.start, token.text, token.token_type.name != "STRING") for token in tokenize(sql, "databricks")]
    except TokenError:
        return []


def _position(sql: str, offset: int) -> tuple[int, int]:
    before = sql[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _parts(identifiers: str) -> list[str]:
    return [part.replace('\\"', '"').replace("\\\\", "\\") for part in _IDENTIFIER.findall(identifiers)]


def _plain(text: str) -> str:
    """The message as one line, with SQL's names of types and without the words that only say which library spoke."""
    text = re.sub(r"^\[[A-Z_.]+\]\s*", "", text)
    while match := _INTERNAL.match(text):
        text = text[match.end() :]
    text = re.split(r"\n|\. No function matches|This issue was likely caused", text.strip(), maxsplit=1)[0]
    for pattern, name in _ARROW_NAMES:
        text = pattern.sub(name, text)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"

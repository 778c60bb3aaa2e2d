"""Spark's errors as this package's own. The text is all that every way has (JVM, Spark Connect, a warehouse's answer), and it is the
same text: `[CONDITION] message SQLSTATE: 42703; line 1 pos 7`."""

from __future__ import annotations

import logging
import re

from alerting_assets.errors import QueryError, QueryErrorKind

Kind = QueryErrorKind

CLIENT_LOG = "pyspark.sql.connect.logging"
"""Spark Connect's client logs every error that we translate, with its traceback, once anything configures logging."""
MAX_MESSAGE = 300

_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]\s*")
_STATE = re.compile(r"\s*SQLSTATE: ([0-9A-Z]{5})")
_POSITION = re.compile(r"\bline (\d+),? pos (\d+)")
_FRAGMENT = re.compile(r"== SQL[^\n]*\(line (\d+), position (\d+)\) ==")
_QUOTED = re.compile(r"`(?:[^`]|``)+`(?:\.`(?:[^`]|``)+`)*")
_FUNCTION_OF = re.compile(r'Cannot resolve "([A-Za-z_]\w*)\(')
_END = re.compile(r"\n\s*\n|\n== |\n['+:]|;\n| SQLSTATE:")

_CONDITIONS: dict[QueryErrorKind, tuple[str, ...]] = {
    Kind.MISSING_TABLE: (
        *("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "NAMESPACE_NOT_FOUND", "NO_SUCH_CATALOG"),
        *("REQUIRES_SINGLE_PART_NAMESPACE", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_DOES_NOT_EXIST"),
    ),
    Kind.MISSING_COLUMN: ("UNRESOLVED_COLUMN", "UNRESOLVED_FIELD", "UNRESOLVED_USING_COLUMN", "FIELD_NOT_FOUND"),
    Kind.SYNTAX: ("PARSE_", "INVALID_TYPED_LITERAL", "UNCLOSED_BRACKETED_COMMENT", "INVALID_SQL_SYNTAX"),
    Kind.TYPE_MISMATCH: (
        *("DATATYPE_MISMATCH", "INCOMPATIBLE_COLUMN_TYPE", "NUM_COLUMNS_MISMATCH", "INVALID_WHERE_CONDITION"),
        *("INVALID_EXTRACT", "WRONG_NUM_ARGS", "UNEXPECTED_INPUT_TYPE"),
    ),
    Kind.UNSUPPORTED: ("UNSUPPORTED_", "NOT_SUPPORTED", "FEATURE_NOT_"),
    Kind.TIMEOUT: ("QUERY_EXECUTION_TIMEOUT_EXCEEDED",),  # a warehouse's own STATEMENT_TIMEOUT
}
"""For each kind of error, how Spark's error conditions of that kind begin."""
_KINDS_BY_STATE = {"42601": Kind.SYNTAX, "42703": Kind.MISSING_COLUMN, "42P01": Kind.MISSING_TABLE}
_RUNTIME_STATES = ("22", "21", "P0", "54")
"""Classes of SQLSTATE: data exceptions, cardinality, raise_error, limits."""

_NO_GROUP = "a selected column is neither in GROUP BY nor inside an aggregate function"
_SAYINGS = {
    "MISSING_AGGREGATION": _NO_GROUP,
    "MISSING_GROUP_BY": _NO_GROUP,
    "NESTED_AGGREGATE_FUNCTION": "aggregate functions cannot be nested",
    "INVALID_WHERE_CONDITION": (
        "an aggregate or window function stands where there can be none, as in WHERE; filter in HAVING or around the query"
    ),
}

DATABRICKS_FUNCTION = re.compile(
    r"(?:ai|h3|st)_\w+|(?:try_)?secret|list_secrets|read_files|read_kafka|table_changes|event_log|vector_search|remote_query|"
    r"http_request|is_member|is_account_group_member|all|any|some",  # the last three: LIKE ALL (…)
    re.I,
)
"""Functions that Apache Spark does not have."""

_CONFLICT = re.compile(
    r"\[(?:DELTA_CONCURRENT_\w+|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED)[.\w]*\]|Concurrent(?:Append|DeleteRead|"
    r"DeleteDelete|Transaction|Write)Exception|MetadataChangedException|ProtocolChangedException"
)
_THERE_ALREADY = re.compile(r"ALREADY_EXISTS|DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION|COLUMN_EXISTS|DUPLICATE_COLUMN")
_FEED_GONE = re.compile(
    r"DELTA_CHANGE_DATA_FILE_NOT_FOUND|DELTA_MISSING_CHANGE_DATA|DELTA_CDC_START_VERSION|DELTA_VERSIONS_NOT_CONTIGUOUS|"
    r"DELTA_LOG_FILE_NOT_FOUND|DELTA_TRUNCATED_TRANSACTION_LOG|DELTA_VERSION_NOT_FOUND|VersionNotFoundException|"
    r"DELTA_STATE_RECOVER|DELTA_FILE_NOT_FOUND|FileNotFoundException|FAILED_READ_FILE"
)


class SparkFailure(Exception):
    """How a statement failed.

    text: Spark's own text, whole.
    shift: how many lines of ours were put before the text that a person knows."""

    def __init__(self, text: str, shift: int = 0) -> None:
        self.text, self.shift = text, shift
        super().__init__(text)

    @property
    def is_conflict(self) -> bool:
        """Another writer was faster; the statement changed nothing."""
        return bool(_CONFLICT.search(self.text))

    @property
    def is_there_already(self) -> bool:
        """Somebody else created the same at the same moment, perhaps: a table, a schema, a column."""
        return bool(_THERE_ALREADY.search(self.condition))

    @property
    def is_feed_gone(self) -> bool:
        return bool(_FEED_GONE.search(self.text))

    @property
    def has_no_metric_views(self) -> bool:
        """The engine knows no metric views, or only older ones: its grammar, its features or its version of their YAML."""
        is_old = "METRIC_VIEW" in self.condition and "version" in self.text
        return is_old or self._kind() in (Kind.SYNTAX, Kind.UNSUPPORTED)

    @property
    def is_missing_table(self) -> bool:
        return self._kind() is Kind.MISSING_TABLE

    @property
    def condition(self) -> str:
        found = _CONDITION.search(self.text)
        return found[1] if found else ""

    def query_error(self, *, on_databricks: bool) -> QueryError:
        """This failure as a QueryError. on_databricks: whether the engine is Databricks itself; on any other, what only Databricks
        has is UNSUPPORTED and never an error of the query."""
        kind = self._kind()
        line, column = self._position()
        name = self._name(kind)
        message = self._message(kind, name)
        if not on_databricks and self._is_of_databricks(name):
            kind, message = Kind.UNSUPPORTED, f"open-source Spark has no {name}"
        return QueryError(kind, message, line=line, column=column, name=name)

    def _is_of_databricks(self, name: str | None) -> bool:
        if name is None:
            return False
        is_function = self.condition == "UNRESOLVED_ROUTINE" and DATABRICKS_FUNCTION.fullmatch(name)
        return bool(is_function) or (self._kind() is Kind.MISSING_TABLE and "information_schema" in name.lower())

    def _kind(self) -> QueryErrorKind:
        condition, state = self.condition, _STATE.search(self.text)
        if condition == "UNRESOLVED_ROUTINE":
            return Kind.OTHER
        for kind, beginnings in _CONDITIONS.items():
            if condition.startswith(beginnings):
                return kind
        if state and state[1].startswith(_RUNTIME_STATES):
            return Kind.RUNTIME
        return _KINDS_BY_STATE.get(state[1], Kind.OTHER) if state else Kind.OTHER

    def _position(self) -> tuple[int | None, int | None]:
        """Spark counts the columns of `pos` from 0, those of `position` from 1."""
        if found := _POSITION.search(self.text):
            return int(found[1]) - self.shift, int(found[2]) + 1
        if found := _FRAGMENT.search(self.text):
            return int(found[1]) - self.shift, int(found[2])
        return None, None

    def _name(self, kind: QueryErrorKind) -> str | None:
        if kind in (Kind.MISSING_TABLE, Kind.MISSING_COLUMN) or self.condition == "UNRESOLVED_ROUTINE":
            found = _QUOTED.search(_without_condition(self.text))
            return found[0].replace("``", "\0").replace("`", "").replace("\0", "`") if found else None
        found = _FUNCTION_OF.search(self.text)
        return found[1] if found and kind is Kind.TYPE_MISMATCH else None

    def _message(self, kind: QueryErrorKind, name: str | None) -> str:
        if kind is Kind.MISSING_TABLE and name:
            return f"table {name} does not exist"
        if kind is Kind.MISSING_COLUMN and name and "UNRESOLVED_COLUMN" in self.condition:
            return f"column {name} does not exist"
        if self.condition == "UNRESOLVED_ROUTINE":
            return f"function {name} does not exist"
        return _SAYINGS.get(self.condition) or plain(self.text)


def plain(text: str) -> str:
    """The first sentence or two of a Spark error: one line, without its condition, plan and stack."""
    message = _without_condition(text)
    message = " ".join(_END.split(message.strip(), maxsplit=1)[0].split()) or "it gave no reason"
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def _without_condition(text: str) -> str:
    found = _CONDITION.search(text)
    return text[found.end() :] if found else text


def planned_failure(plan: str) -> SparkFailure | None:
    """EXPLAIN succeeds on errors that planning finds, such as a cast of a constant, and writes them into the plan."""
    head = "Error occurred during query planning:"
    return SparkFailure(plan.split(head, 1)[1], shift=1) if plan.lstrip().startswith(head) else None


def silence_client() -> None:
    """Keep Spark Connect's client from logging errors: the caller gets them."""
    logging.getLogger(CLIENT_LOG).setLevel(logging.CRITICAL)

"""What an alert can compare, and how. One table: every other place looks it up here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Domain(StrEnum):
    COST = "COST"
    SECURITY = "SECURITY"
    PERFORMANCE = "PERFORMANCE"
    RELIABILITY = "RELIABILITY"
    QUALITY = "QUALITY"


class Severity(StrEnum):
    """Ordered: the first is the worst."""

    CRITICAL = "CRITICAL"
    WARNING = "WARNING"
    INFO = "INFO"


class State(StrEnum):
    """What an evaluation ends in."""

    OK = "OK"
    TRIGGERED = "TRIGGERED"
    SUPPRESSED = "SUPPRESSED"
    ERROR = "ERROR"


class EmptyResultState(StrEnum):
    OK = "OK"
    TRIGGERED = "TRIGGERED"
    ERROR = "ERROR"


class Aggregation(StrEnum):
    """The eight of the Alerts v2 API. The compiler writes them into the SQL; the API's own aggregation is never used."""

    AVG = "AVG"
    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT_DISTINCT"
    MAX = "MAX"
    MEDIAN = "MEDIAN"
    MIN = "MIN"
    STDDEV = "STDDEV"
    SUM = "SUM"

    def sql(self, column: str) -> str:
        """`column` is SQL already quoted."""
        return f"COUNT(DISTINCT {column})" if self is Aggregation.COUNT_DISTINCT else f"{self.value}({column})"

    @property
    def needs_number(self) -> bool:
        return self in (Aggregation.AVG, Aggregation.MEDIAN, Aggregation.STDDEV, Aggregation.SUM)

    @property
    def counts(self) -> bool:
        return self in (Aggregation.COUNT, Aggregation.COUNT_DISTINCT)


class Operator(StrEnum):
    GREATER_THAN = "GREATER_THAN"
    GREATER_THAN_OR_EQUAL = "GREATER_THAN_OR_EQUAL"
    LESS_THAN = "LESS_THAN"
    LESS_THAN_OR_EQUAL = "LESS_THAN_OR_EQUAL"
    EQUAL = "EQUAL"
    NOT_EQUAL = "NOT_EQUAL"
    IS_NULL = "IS_NULL"
    IS_NOT_NULL = "IS_NOT_NULL"


class ValueType(StrEnum):
    """The kind of a threshold, and of a measured value as far as comparing goes."""

    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    OTHER = "other"


@dataclass(frozen=True)
class OperatorRule:
    """threshold_types: kinds of threshold it takes; empty: it takes none. reads_as: how it stands in a sentence.
    A NULL value meets none of the operators but IS_NULL."""

    threshold_types: frozenset[ValueType]
    reads_as: str


_ORDERED = frozenset({ValueType.NUMBER})
_ANY = frozenset({ValueType.NUMBER, ValueType.STRING, ValueType.BOOLEAN})

OPERATORS: dict[Operator, OperatorRule] = {
    Operator.GREATER_THAN: OperatorRule(_ORDERED, "is greater than"),
    Operator.GREATER_THAN_OR_EQUAL: OperatorRule(_ORDERED, "is at least"),
    Operator.LESS_THAN: OperatorRule(_ORDERED, "is less than"),
    Operator.LESS_THAN_OR_EQUAL: OperatorRule(_ORDERED, "is at most"),
    Operator.EQUAL: OperatorRule(_ANY, "equals"),
    Operator.NOT_EQUAL: OperatorRule(_ANY, "differs from"),
    Operator.IS_NULL: OperatorRule(frozenset(), "is NULL"),
    Operator.IS_NOT_NULL: OperatorRule(frozenset(), "is not NULL"),
}

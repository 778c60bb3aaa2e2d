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
    """How bad it is; the first is the worst."""

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
    """The eight aggregations of the Alerts v2 API. The compiler writes them into the SQL; the API's own aggregation is never used."""

    AVG = "AVG"
    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT_DISTINCT"
    MAX = "MAX"
    MEDIAN = "MEDIAN"
    MIN = "MIN"
    STDDEV = "STDDEV"
    SUM = "SUM"

    def sql(self, column: str) -> str:
        """SQL of the aggregation over a column. column: its name as SQL, already quoted."""
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
    BETWEEN = "BETWEEN"
    NOT_BETWEEN = "NOT_BETWEEN"
    IN = "IN"
    NOT_IN = "NOT_IN"
    MATCHES = "MATCHES"
    NOT_MATCHES = "NOT_MATCHES"
    CHANGES_BY = "CHANGES_BY"


class ChangeDirection(StrEnum):
    INCREASE = "INCREASE"
    DECREASE = "DECREASE"
    EITHER = "EITHER"


class ValueType(StrEnum):
    """The kind of a threshold, and of a measured value as far as comparing goes."""

    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    OTHER = "other"


class Needs(StrEnum):
    """Which fields give an operator its thresholds; every other threshold field is refused beside it."""

    NOTHING = "no threshold"
    VALUE = "one threshold"
    RANGE = "threshold_value_min and threshold_value_max"
    LIST = "threshold_value_list"
    PATTERN = "threshold_value_string"
    CHANGE = "threshold_value_double and change_direction"


@dataclass(frozen=True)
class OperatorRule:
    """What there is to know about an operator.

    value_types: the kinds of measured value that it compares; empty: any kind.
    reads_as: how it stands in a sentence, where {} is the threshold.
    native: whether the Alerts API has it.
    recovers: whether a recovery threshold makes sense with it."""

    needs: Needs
    value_types: frozenset[ValueType]
    reads_as: str
    native: bool = True
    recovers: bool = False


_NUMBER = frozenset({ValueType.NUMBER})
_STRING = frozenset({ValueType.STRING})
_ANY = frozenset({ValueType.NUMBER, ValueType.STRING, ValueType.BOOLEAN})
_UNTYPED: frozenset[ValueType] = frozenset()

OPERATORS: dict[Operator, OperatorRule] = {
    Operator.GREATER_THAN: OperatorRule(Needs.VALUE, _NUMBER, "is greater than {}", recovers=True),
    Operator.GREATER_THAN_OR_EQUAL: OperatorRule(Needs.VALUE, _NUMBER, "is at least {}", recovers=True),
    Operator.LESS_THAN: OperatorRule(Needs.VALUE, _NUMBER, "is less than {}", recovers=True),
    Operator.LESS_THAN_OR_EQUAL: OperatorRule(Needs.VALUE, _NUMBER, "is at most {}", recovers=True),
    Operator.EQUAL: OperatorRule(Needs.VALUE, _ANY, "equals {}"),
    Operator.NOT_EQUAL: OperatorRule(Needs.VALUE, _ANY, "differs from {}"),
    Operator.IS_NULL: OperatorRule(Needs.NOTHING, _UNTYPED, "is NULL"),
    Operator.IS_NOT_NULL: OperatorRule(Needs.NOTHING, _UNTYPED, "is not NULL"),
    Operator.BETWEEN: OperatorRule(Needs.RANGE, _NUMBER, "is between {}", native=False),
    Operator.NOT_BETWEEN: OperatorRule(Needs.RANGE, _NUMBER, "is not between {}", native=False),
    Operator.IN: OperatorRule(Needs.LIST, _ANY, "is one of {}", native=False),
    Operator.NOT_IN: OperatorRule(Needs.LIST, _ANY, "is none of {}", native=False),
    Operator.MATCHES: OperatorRule(Needs.PATTERN, _STRING, "matches {}", native=False),
    Operator.NOT_MATCHES: OperatorRule(Needs.PATTERN, _STRING, "does not match {}", native=False),
    Operator.CHANGES_BY: OperatorRule(Needs.CHANGE, _NUMBER, "changes by {}", native=False),
}
"""All that is said here is about a value that is there. NULL meets IS_NULL and nothing else: not the negations (NOT_EQUAL, NOT_IN,
…) either. NaN differs from every number and compares with none, so it meets the negations and nothing else."""

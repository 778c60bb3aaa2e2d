"""The fields that make up a condition: which belong to which operator, and what they say in words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alerting_assets.alerts.operators import OPERATORS, ChangeDirection, Needs, Operator, ValueType
from alerting_assets.alerts.pattern import PatternError, canonical_pattern
from alerting_assets.alerts.schedule import in_words, schedule_interval

if TYPE_CHECKING:
    from alerting_assets.alerts.configuration import AlertConfiguration

Item = float | str | bool

VALUES: dict[str, ValueType] = {
    "threshold_value_double": ValueType.NUMBER,
    "threshold_value_string": ValueType.STRING,
    "threshold_value_bool": ValueType.BOOLEAN,
}

FIELDS: dict[Needs, tuple[str, ...]] = {
    Needs.NOTHING: (),
    Needs.VALUE: tuple(VALUES),
    Needs.RANGE: ("threshold_value_min", "threshold_value_max"),
    Needs.LIST: ("threshold_value_list",),
    Needs.PATTERN: ("threshold_value_string",),
    Needs.CHANGE: ("threshold_value_double", "change_direction", "change_lookback_seconds"),
}
ALL_FIELDS = (*dict.fromkeys(name for names in FIELDS.values() for name in names),)

MIN_LOOKBACK = 60
MAX_EVALUATIONS = 100
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")


class FieldError(ValueError):
    """A problem that a check over several fields pins on one of them."""

    def __init__(self, field: str, message: str) -> None:
        self.field, self.message = field, message
        super().__init__(message)


@dataclass(frozen=True)
class Condition:
    """What an alert says of its value, checked.

    value_types: the kinds of value that can be compared with it; empty: any kind.
    threshold: for operators that need one value; for patterns the canonical pattern, for CHANGES_BY the percentage.
    low, high: of a range, both included. items: of a list.
    lookback: how many seconds ago the value lies that CHANGES_BY compares with.
    evaluations: at how many evaluations in a row the condition must hold.
    recovery: the value at which the alert recovers.
    interval: seconds between two evaluations, where the condition looks at time; 0 elsewhere.
    words, threshold_words: in words, as in `is greater than 100` and `100`."""

    operator: Operator
    value_types: frozenset[ValueType]
    threshold: Item | None = None
    low: float = 0.0
    high: float = 0.0
    items: tuple[Item, ...] = ()
    direction: ChangeDirection | None = None
    lookback: int = 0
    evaluations: int = 1
    recovery: float | None = None
    interval: int = 0
    words: str = ""
    threshold_words: str = ""

    @property
    def is_native(self) -> bool:
        return OPERATORS[self.operator].native and not self.looks_at_time

    @property
    def words_at_once(self) -> str:
        """The words of what is decided by one value: without `for_evaluations` and the recovery threshold."""
        return _words(replace(self, evaluations=1, recovery=None), self.threshold_words)

    @property
    def fires_above(self) -> bool:
        """Whether an operator that recovers fires above its threshold, rather than below it."""
        return self.operator in (Operator.GREATER_THAN, Operator.GREATER_THAN_OR_EQUAL)

    @property
    def looks_at_time(self) -> bool:
        """Whether it reads the alert's own history."""
        return self.operator is Operator.CHANGES_BY or self.evaluations > 1 or self.recovery is not None


def condition_of(configuration: AlertConfiguration) -> Condition:
    """The condition of a configuration. Raises FieldError for fields that are missing, do not belong to the operator, or contradict
    each other."""
    operator = configuration.operator
    rule = OPERATORS[operator]
    given = [name for name in ALL_FIELDS if getattr(configuration, name) is not None]
    _refuse_foreign(operator, given)
    condition = Condition(operator, rule.value_types)
    match rule.needs:
        case Needs.VALUE:
            name = _one_value(operator, given)
            condition = replace(
                condition, value_types=frozenset({VALUES[name]}), threshold=getattr(configuration, name)
            )
        case Needs.RANGE:
            low, high = configuration.threshold_value_min or 0.0, configuration.threshold_value_max or 0.0
            if low > high:
                raise FieldError(
                    "threshold_value_min", f"{shown(low)} is greater than threshold_value_max {shown(high)}"
                )
            condition = replace(condition, low=low, high=high)
        case Needs.LIST:
            items = list_items(configuration.threshold_value_list or ())
            if not items:
                raise FieldError("threshold_value_list", f"is empty: {operator} needs at least one value")
            condition = replace(condition, value_types=frozenset({kind_of(items[0])}), items=items)
        case Needs.PATTERN:
            try:
                condition = replace(condition, threshold=canonical_pattern(configuration.threshold_value_string or ""))
            except PatternError as error:
                raise FieldError("threshold_value_string", str(error)) from None
        case Needs.CHANGE:
            condition = _with_change(configuration, condition)
    condition = _with_time(configuration, condition)
    threshold = _threshold_words(configuration, condition)
    return replace(condition, threshold_words=threshold, words=_words(condition, threshold))


def list_items(texts: Sequence[str]) -> tuple[Item, ...]:
    """Elements of threshold_value_list with the type that they have together: all numbers, all true or false, or else texts.
    One in single quotes is the text inside them, and then all are texts: `'404'` is no number."""
    if texts and all(NUMBER.fullmatch(text) and abs(float(text)) < float("inf") for text in texts):
        return tuple(float(text) for text in texts)
    if texts and all(text in ("true", "false") for text in texts):
        return tuple(text == "true" for text in texts)
    return tuple(text[1:-1] if is_quoted(text) else text for text in texts)


def is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == "'"


def kind_of(value: Item) -> ValueType:
    if isinstance(value, bool):
        return ValueType.BOOLEAN
    return ValueType.STRING if isinstance(value, str) else ValueType.NUMBER


def shown(value: Item) -> str:
    """A value as people read it: 1,000 · 'FAILED' · true."""
    if isinstance(value, bool):
        return str(value).lower()
    return number_text(value, 12) if isinstance(value, float) else f"'{value}'"


def number_text(value: float, digits: int = 6) -> str:
    """A number to so many significant digits, and never fewer than its whole part has: 1,234,568 · 0.0421 · 1e+15."""
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _refuse_foreign(operator: Operator, given: Sequence[str]) -> None:
    needs = OPERATORS[operator].needs
    wanted = FIELDS[needs]
    for name in given:
        if name not in wanted:
            raise FieldError(name, f"is not used by {operator}, which takes {needs.value}; remove it")
    optional = ("change_lookback_seconds",)
    if needs is not Needs.VALUE:
        for name in wanted:
            if name not in given and name not in optional:
                raise FieldError(name, f"is missing: {operator} needs {needs.value}")


def _one_value(operator: Operator, given: Sequence[str]) -> str:
    """The name of the one threshold field that is given."""
    kinds = OPERATORS[operator].value_types
    if not given:
        wanted = [name for name, kind in VALUES.items() if kind in kinds]
        raise FieldError(wanted[0], f"is missing: {operator} needs {' or '.join(wanted)}")
    if len(given) > 1:
        raise FieldError(given[1], f"is given beside {given[0]}; give one of them")
    if VALUES[given[0]] not in kinds:
        raise FieldError(given[0], f"{operator} compares numbers; use threshold_value_double")
    return given[0]


def _with_change(configuration: AlertConfiguration, condition: Condition) -> Condition:
    percent, lookback = configuration.threshold_value_double or 0.0, configuration.change_lookback_seconds
    if percent <= 0:
        raise FieldError(
            "threshold_value_double", f"is the percentage of a change and must be above 0, not {shown(percent)}"
        )
    if lookback is None:
        lookback = schedule_interval(configuration.schedule_cron)
    if lookback is None:
        raise FieldError(
            "change_lookback_seconds",
            f"is missing: the schedule {configuration.schedule_cron!r} has no even interval to look back by",
        )
    if lookback < MIN_LOOKBACK:
        raise FieldError(
            "change_lookback_seconds", f"is {lookback} s; an earlier value lies at least {MIN_LOOKBACK} s back"
        )
    return replace(condition, threshold=percent, direction=configuration.change_direction, lookback=lookback)


def _with_time(configuration: AlertConfiguration, condition: Condition) -> Condition:
    evaluations, recovery = configuration.for_evaluations or 1, configuration.recovery_threshold_double
    if recovery is not None:
        _check_recovery(condition, recovery)
    if evaluations == 1 and recovery is None:
        return condition
    interval = schedule_interval(configuration.schedule_cron)
    if interval is None or interval < MIN_LOOKBACK:
        raise FieldError(
            "for_evaluations" if evaluations > 1 else "recovery_threshold_double",
            f"needs a schedule that comes at even intervals of {MIN_LOOKBACK} s or more; {configuration.schedule_cron!r} does not",
        )
    return replace(condition, evaluations=evaluations, recovery=recovery, interval=interval)


def _check_recovery(condition: Condition, recovery: float) -> None:
    operator = condition.operator
    if not OPERATORS[operator].recovers:
        names = ", ".join(name for name, rule in OPERATORS.items() if rule.recovers)
        raise FieldError("recovery_threshold_double", f"goes with {names} only, not with {operator}")
    threshold = float(condition.threshold or 0.0)
    above = condition.fires_above
    if recovery > threshold if above else recovery < threshold:
        raise FieldError(
            "recovery_threshold_double",
            f"{shown(recovery)} lies beyond the threshold {shown(threshold)}; with {operator} it is at {'most' if above else 'least'} that",
        )


def _threshold_words(configuration: AlertConfiguration, condition: Condition) -> str:
    match OPERATORS[condition.operator].needs:
        case Needs.RANGE:
            return f"{shown(condition.low)} and {shown(condition.high)}"
        case Needs.LIST:
            return ", ".join(shown(item) for item in condition.items)
        case Needs.PATTERN:
            return f"/{configuration.threshold_value_string}/"
        case Needs.CHANGE:
            return f"{shown(condition.threshold or 0.0)} %"
        case _:
            return "" if condition.threshold is None else shown(condition.threshold)


def _words(condition: Condition, threshold: str) -> str:
    if condition.direction is not None:
        verb = {"INCREASE": "rises", "DECREASE": "falls", "EITHER": "changes"}[condition.direction]
        text = f"{verb} by {threshold} or more against {in_words(condition.lookback)} before"
    else:
        text = OPERATORS[condition.operator].reads_as.format(threshold)
    if condition.evaluations > 1:
        text += f", at {condition.evaluations} evaluations in a row"
    if condition.recovery is not None:
        text += f", until it is not {'above' if condition.fires_above else 'below'} {shown(condition.recovery)}"
    return text

"""The decision that a deployed alert takes on the result of its query; pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from alerting_assets.alerts import gated
from alerting_assets.alerts import hold as holds
from alerting_assets.alerts.compiled import CompiledAlert, Threshold
from alerting_assets.alerts.operators import EmptyResultState, Operator, State
from alerting_assets.alerts.schedule import in_words
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.evaluation.expectation import Expectation, expectation_of


@dataclass(frozen=True)
class Decision:
    """What an evaluation ends in.

    value: the measured value of the first row; None when it is NULL or there is no row, which `row_count` tells apart.
    threshold_met: whether the condition holds by itself, before what may hold the alert back; an empty result counts as
        `empty_result_state` says. None for errors.
    error: one sentence, for State.ERROR.
    note: what a condition on time did not find in the history.
    silence_id: for State.SUPPRESSED, by which silence; None: by its model.
    expectation: what the alert's model said; None where it has none, and where there is no row."""

    state: State
    value: Any
    row_count: int
    threshold_met: bool | None
    error: str | None = None
    note: str | None = None
    silence_id: str | None = None
    expectation: Expectation | None = None

    def under(self, silence_id: str | None) -> Decision:
        """The decision under this silence: it suppresses nothing but what would fire. None: under no silence."""
        if silence_id is None or self.state is not State.TRIGGERED:
            return self
        return replace(self, state=State.SUPPRESSED, silence_id=silence_id)

    @property
    def number(self) -> float | None:
        """The value for the column `query_result_value`."""
        return number_and_text(self.value)[0]

    @property
    def text(self) -> str | None:
        """The value for the column `query_result_string`."""
        return number_and_text(self.value)[1]


def number_and_text(value: Any) -> tuple[float | None, str | None]:
    """A measured value for the columns `query_result_value` and `query_result_string`: a number, or what is none as text; true and false
    as 1 and 0 with the word beside. NULL is neither."""
    if isinstance(value, bool):
        return float(value), str(value).lower()
    if isinstance(value, int | float | Decimal):
        return float(value), None
    return None, None if value is None else str(value)


_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GREATER_THAN: operator.gt,
    Operator.GREATER_THAN_OR_EQUAL: operator.ge,
    Operator.LESS_THAN: operator.lt,
    Operator.LESS_THAN_OR_EQUAL: operator.le,
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
}


def decide(alert: CompiledAlert, result: pa.Table) -> Decision:
    """The decision on a result. result: the rows of the compiled SQL, at most one."""
    if alert.value_column not in result.column_names:
        names = ", ".join(result.column_names)
        return Decision(
            State.ERROR, None, result.num_rows, None, f"the result has no column {alert.value_column!r}; it has {names}"
        )
    if result.num_rows == 0:
        return _empty(alert.empty_result_state)
    if alert.is_gated:
        return _gated(alert, result)
    value = result.column(alert.value_column)[0].as_py()
    if alert.operator is Operator.IS_NULL or alert.operator is Operator.IS_NOT_NULL:
        return _met((value is None) == (alert.operator is Operator.IS_NULL), value, result.num_rows)
    if value is None:
        return _met(False, None, result.num_rows)
    if not _comparable(value, alert.threshold):
        error = f"{alert.value_column} is {value!r} ({type(value).__name__}); it cannot be compared with the threshold {alert.threshold!r}"
        return Decision(State.ERROR, value, result.num_rows, None, error)
    if isinstance(value, Decimal):
        value = float(value)
    return _met(_COMPARE[alert.operator](value, alert.threshold), value, result.num_rows)


def failed(error: str) -> Decision:
    """The decision where the query could not be run. error: why, in one sentence."""
    return Decision(State.ERROR, None, 0, None, error)


def _gated(alert: CompiledAlert, result: pa.Table) -> Decision:
    """The decision of the gated form. The query has decided already; the columns beside the compared one tell how."""
    row = {name: result.column(name)[0].as_py() for name in result.column_names}
    value = row[gated.MEASURED]
    if isinstance(value, Decimal):
        value = float(value)
    state = State.OK if row[alert.value_column] is None else State.TRIGGERED
    expectation = None
    if alert.hold is not None:
        expectation = expectation_of(alert.hold, alert.condition, row)
        if alert.hold.is_live and row[holds.HELD]:
            state = State.SUPPRESSED
    row_count = result.num_rows if row.get(gated.RETURNED, True) else 0
    note = _missing_history(alert.condition, row)
    return Decision(state, value, row_count, row[gated.MET], note=note, expectation=expectation)


def _missing_history(condition: Condition, row: Mapping[str, Any]) -> str | None:
    if condition.operator is Operator.CHANGES_BY and row[gated.BASE] is None:
        return f"no evaluation of about {in_words(condition.lookback)} ago to compare with, so the condition is not met"
    if condition.evaluations > 1 and row[gated.MET] and row[gated.EARLIER] < condition.evaluations - 1:
        return f"only {row[gated.EARLIER]} of {condition.evaluations - 1} earlier evaluations are there; without them nothing is held back"
    if condition.recovery is not None and row[gated.BEFORE] is None:
        window = in_words(condition.interval * gated.RECOVERY_LOOKS_BACK)
        return f"no evaluation without an error in about {window}, so the recovery threshold was left aside"
    return None


def _met(met: bool, value: Any, row_count: int) -> Decision:
    return Decision(State.TRIGGERED if met else State.OK, value, row_count, met)


def _empty(state: EmptyResultState) -> Decision:
    if state is EmptyResultState.ERROR:
        return Decision(State.ERROR, None, 0, None, "the query returned no row, and empty_result_state is ERROR")
    return Decision(State(state.value), None, 0, state is EmptyResultState.TRIGGERED)


def _comparable(value: Any, threshold: Threshold) -> bool:
    """Whether the value can be compared with the threshold. A boolean is no number here, though Python takes it for one."""
    if isinstance(value, bool) or isinstance(threshold, bool):
        return isinstance(value, bool) and isinstance(threshold, bool)
    if isinstance(value, str) or isinstance(threshold, str):
        return isinstance(value, str) and isinstance(threshold, str)
    return isinstance(value, int | float | Decimal)

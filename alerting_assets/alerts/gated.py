"""The gated form: conditions that the Alerts API does not have, compiled into the query (docs/architecture.md, "What is deployed").

The column that the deployed alert compares holds the measured value when the alert is to fire, and NULL otherwise; the native
condition is IS_NOT_NULL. Beside it stand `COLUMNS`, for people and for our own evaluation.

What looks at time reads alert_history by windows, never "the previous row", so that it decides the same whether our evaluation ran
a minute before or a minute after the workspace's. With I for the seconds between two evaluations:

- `for_evaluations` N: nothing in (now - (N - 1/2) I, now - I/2] says "not met". A gap in the history says nothing: it fires.
- a recovery threshold: the last row in (now - 5.5 I, now - I/2] tells whether the alert is firing. No row: it is not. While it is
  firing, NULL is no recovery. Rows that say SUPPRESSED and not whether the condition held are as if they were not there.
- CHANGES_BY with lookback L: the value of the row nearest to now - L, at most L/2 from it, is the base. No row: not met.

Rows that say ERROR are as if they were not there. An empty result is what empty_result_state says. Where that is TRIGGERED and
`for_evaluations` counts, the deployed query has one row for it all the same, in which the condition is met: without a row the
alert would fire at once. Elsewhere an empty result stays one, and the workspace applies empty_result_state.

With windows of silence every alert is gated, and the compared column is NULL in them, whatever else is true. There an empty result has
a row where without one the workspace would make it TRIGGERED or ERROR; outside of them it stays as it is.

With a model every alert is gated, too, and the compared column is NULL where the value is expected (`hold`). It looks at the present
evaluation only, and also where a recovery threshold alone would let the alert go on firing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from alerting_assets.alerts import hold as holds
from alerting_assets.alerts.hold import Hold
from alerting_assets.alerts.operators import ChangeDirection, EmptyResultState, Operator
from alerting_assets.alerts.thresholds import Condition, Item
from alerting_assets.alerts.windows import Windows, silence_sql
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.sql_literal import identifier, qualified, text_literal

MEASURED = "measured_value"
RETURNED = "returned_row"
"""BOOLEAN, never NULL: whether the user's query returned a row; there only where an empty result has a row in the deployed query."""
MET = "condition_met"
"""BOOLEAN, never NULL: whether the condition holds by itself, whatever else holds the alert back."""
BASE = "base_value"
"""For CHANGES_BY: the value that is compared with; NULL where there is none."""
EARLIER, EARLIER_NOT_MET = "earlier_evaluations", "earlier_not_met"
"""For `for_evaluations`: how many rows there are in the window, and how many of them say that the condition did not hold."""
BEFORE = "status_before"
"""For a recovery threshold: the status of the last evaluation before this one that was no ERROR; NULL where there is none."""
RECOVERY_LOOKS_BACK = 5
"""How many intervals ago that evaluation may lie. Errors and gaps of that length do not end an alert that is firing."""

SILENCE = "silence_id"
"""With windows of silence: the silence that it is, NULL outside of them."""

COLUMNS = (MEASURED, RETURNED, MET, BASE, EARLIER, EARLIER_NOT_MET, BEFORE)


def columns_of(condition: Condition, empty: EmptyResultState, hold: Hold | None = None) -> tuple[str, ...]:
    """Those of `COLUMNS` that the gated form of a condition has, and what a model adds to them."""
    has = {
        RETURNED: counts_empty(condition, empty),
        BASE: condition.operator is Operator.CHANGES_BY,
        EARLIER: condition.evaluations > 1,
        EARLIER_NOT_MET: condition.evaluations > 1,
        BEFORE: condition.recovery is not None,
    }
    return (*(name for name in COLUMNS if has.get(name, True)), *(() if hold is None else holds.COLUMNS))


def is_ours_alone(condition: Condition, hold: Hold | None) -> bool:
    """Whether an alert needs evaluations that say what it measured and whether its condition was met, which the workspace's do not: it
    compares with what earlier ones measured, counts those at which the condition was met, or has a model that learns from them."""
    return condition.operator is Operator.CHANGES_BY or condition.evaluations > 1 or hold is not None


_NUMBER = f"CAST({MEASURED} AS DOUBLE)"
_NOW = "CURRENT_TIMESTAMP()"


def gate(
    measured: str,
    column: str,
    condition: Condition,
    empty: EmptyResultState,
    looks: Mapping[str, str],
    windows: Windows = (),
    hold: Hold | None = None,
) -> str:
    """measured: a query of at most one row with the column `measured_value`. column: what the deployed alert compares. looks: what
    each of the columns that look at tables of ours is, in SQL (`looks_sql`). windows: in which the alert is silent.

    A comment at its head says the condition in words, since the workspace shows only that the column is not NULL."""
    looked_up = "".join(f",\n  {sql} AS {name}" for name, sql in looks.items())
    met = f"COALESCE({_met(condition)}, FALSE)"
    beside = "".join(f", {name}" for name in looks if name != holds.RANGE)
    given = MEASURED
    fires = _fires(condition)
    words = f"{column} {condition.words}"
    silence = scored = held = ends = ""
    if counts_empty(condition, empty) or (windows and empty is not EmptyResultState.OK):
        # An aggregate has a row where its input has none.
        measured = (
            f"SELECT FIRST({MEASURED}) AS {MEASURED}, COUNT(*) > 0 AS {RETURNED}\nFROM (\n{measured}\n) AS returned"
        )
        met = f"NOT {RETURNED} OR {met}" if empty is EmptyResultState.TRIGGERED else f"{RETURNED} AND {met}"
        beside = f", {RETURNED}{beside}"
        given = f"{MEASURED}, {RETURNED}"
        if not counts_empty(condition, empty):
            ends = f"\nWHERE {RETURNED} OR {SILENCE} IS NOT NULL"
    shown = beside
    if hold is not None:
        words = f"{words}; {hold.words}"
        scored = f", {holds.score_sql(_NUMBER)} AS {holds.SCORE}, {holds.unpacked()}"
        expected = f"COALESCE({holds.SCORE} < {_literal(hold.threshold)}, FALSE)"
        held = f", ({fires}) AND {expected} AS {holds.HELD}"
        shown += "".join(f", {name}" for name in (holds.SCORE, *holds.FOUND))
        if hold.is_live:
            fires = f"({fires}) AND NOT {expected}"
    if windows:
        fires = f"({fires}) AND {SILENCE} IS NULL"
        silence = f", {silence_sql(windows)} AS {SILENCE}"
        shown += f", {SILENCE}"
    # An alert that is gated only while it has windows may compare a column of one of these names.
    listed = [name for name in f"{MEASURED}, {MET}{shown}".split(", ") if name != column.lower()]
    return (
        f"/* {_comment(words)} */\n"
        f"SELECT CASE WHEN {fires} THEN {_shown(condition, empty)} END AS {identifier(column)}, {', '.join(listed)}{held}\n"
        f"FROM (\nSELECT {MEASURED}{beside}, {met} AS {MET}{silence}{scored}\n"
        f"FROM (\nSELECT {given}{looked_up}\nFROM (\n{measured}\n) AS measured\n) AS looked_back\n) AS decided{ends}"
    )


def as_measured(measured: str, column: str) -> str:
    """A query of at most one row as `gate` takes it. column: whose value is measured."""
    return f"SELECT {identifier(column)} AS {MEASURED}\nFROM (\n{measured}\n) AS alert"


def counts_empty(condition: Condition, empty: EmptyResultState) -> bool:
    """Whether an empty result is one of the evaluations in a row at which the condition is met."""
    return condition.evaluations > 1 and empty is EmptyResultState.TRIGGERED


def _shown(condition: Condition, empty: EmptyResultState) -> str:
    """SQL of what a firing alert shows as its value, which is never NULL: text where NULL or no row can fire."""
    if condition.operator is Operator.IS_NULL and not counts_empty(condition, empty):
        return "'NULL'"
    shown = f"COALESCE(CAST({MEASURED} AS STRING), 'NULL')"
    if counts_empty(condition, empty):
        return f"CASE WHEN {RETURNED} THEN {shown} ELSE 'no row' END"
    return MEASURED if condition.recovery is None else shown


def _met(condition: Condition) -> str:
    """SQL of the condition alone. Where it is NULL, the condition counts as not met."""
    match condition.operator:
        case Operator.IS_NULL:
            return f"{MEASURED} IS NULL"
        case Operator.IS_NOT_NULL:
            return f"{MEASURED} IS NOT NULL"
        case Operator.BETWEEN:
            return (
                f"NOT isnan({_NUMBER}) AND {_NUMBER} BETWEEN {_literal(condition.low)} AND {_literal(condition.high)}"
            )
        case Operator.NOT_BETWEEN:
            return f"isnan({_NUMBER}) OR {_NUMBER} NOT BETWEEN {_literal(condition.low)} AND {_literal(condition.high)}"
        case Operator.IN | Operator.NOT_IN:
            value = _NUMBER if isinstance(condition.items[0], float) else MEASURED
            word = "IN" if condition.operator is Operator.IN else "NOT IN"
            return f"{value} {word} ({', '.join(_literal(item) for item in condition.items)})"
        case Operator.MATCHES:
            return f"{MEASURED} RLIKE {_literal(condition.threshold)}"
        case Operator.NOT_MATCHES:
            return f"NOT {MEASURED} RLIKE {_literal(condition.threshold)}"
        case Operator.CHANGES_BY:
            return _changes(condition)
        case _:
            return _compares(condition.operator, condition.threshold)


_SIGNS = {
    Operator.GREATER_THAN: ">",
    Operator.GREATER_THAN_OR_EQUAL: ">=",
    Operator.LESS_THAN: "<",
    Operator.LESS_THAN_OR_EQUAL: "<=",
    Operator.EQUAL: "=",
    Operator.NOT_EQUAL: "<>",
}


def _compares(operator: Operator, threshold: Item | None) -> str:
    if not isinstance(threshold, float):
        return f"{MEASURED} {_SIGNS[operator]} {_literal(threshold)}"
    comparison = f"{_NUMBER} {_SIGNS[operator]} {_literal(threshold)}"
    # Engines order NaN above every number; here it compares with none.
    return comparison if operator in (Operator.EQUAL, Operator.NOT_EQUAL) else f"NOT isnan({_NUMBER}) AND {comparison}"


def _changes(condition: Condition) -> str:
    """SQL of CHANGES_BY. From a base of zero every change is one of more than any percentage; no change never is one."""
    sign = ">" if condition.direction is ChangeDirection.INCREASE else "<>"
    sign = "<" if condition.direction is ChangeDirection.DECREASE else sign
    return (
        f"NOT isnan({_NUMBER}) AND {_NUMBER} {sign} {BASE}"
        f" AND ABS({_NUMBER} - {BASE}) >= {_literal(condition.threshold)} * ABS({BASE}) / 100D"
    )


class Kind(StrEnum):
    """What is taken of the rows of a window."""

    COUNTS = "COUNTS"
    """How many there are, and at how many of them the condition was not met: `EARLIER`, `EARLIER_NOT_MET`."""
    LAST = "LAST"
    """The status of the last one: `BEFORE`."""
    NEAREST = "NEAREST"
    """The value of the one in the middle, or next to it: `BASE`. Rows without a value do not count."""


@dataclass(frozen=True)
class Look:
    """A look at the alert's history, without the rows that say ERROR: those that are older than `newest` seconds or as old, and younger
    than `oldest`."""

    kind: Kind
    oldest: int
    newest: int

    @property
    def middle(self) -> int:
        """Seconds ago. Of a lookback L the window is (L + L // 2, L // 2]."""
        return self.oldest - self.newest


def looks_of(condition: Condition) -> tuple[Look, ...]:
    half = condition.interval // 2
    found = []
    if condition.operator is Operator.CHANGES_BY:
        found.append(Look(Kind.NEAREST, condition.lookback + condition.lookback // 2, condition.lookback // 2))
    if condition.evaluations > 1:
        found.append(Look(Kind.COUNTS, condition.interval * condition.evaluations - half, half))
    if condition.recovery is not None:
        found.append(Look(Kind.LAST, condition.interval * RECOVERY_LOOKS_BACK + half, half))
    return tuple(found)


MET_THEN = "COALESCE(threshold_met, evaluation_status = 'TRIGGERED')"
"""SQL of whether the condition held at an evaluation of the history."""
KNOWS = "(evaluation_status <> 'SUPPRESSED' OR threshold_met IS NOT NULL)"
"""SQL of whether an evaluation of the history says what the alert would have done without a silence."""
HAS_VALUE = "query_result_value IS NOT NULL AND NOT isnan(query_result_value)"


def looks_sql(condition: Condition, hold: Hold | None, alert_id: str, catalog: str, schema: str) -> dict[str, str]:
    """The scalar subqueries over tables of ours, by the name of the column that each becomes."""
    looks = history_looks(condition, alert_id, catalog, schema)
    return looks if hold is None else {**looks, holds.RANGE: holds.range_look(hold, alert_id, catalog, schema)}


def history_looks(condition: Condition, alert_id: str, catalog: str, schema: str) -> dict[str, str]:
    """The scalar subqueries over the alert's history, by the name of the column that each becomes."""
    history = qualified(catalog, schema, ALERT_HISTORY.name)
    rows = f"FROM {history}\n    WHERE alert_id = {text_literal(alert_id)} AND evaluation_status <> 'ERROR'"
    looks = {}
    for look in looks_of(condition):
        if look.kind is Kind.NEAREST:
            distance = f"ABS(unix_seconds(evaluated_at) - unix_seconds({_NOW}) + {look.middle})"
            looks[BASE] = (
                f"(SELECT query_result_value {rows}\n      AND {HAS_VALUE}\n      AND {_between(look)}\n"
                f"    ORDER BY {distance}, evaluated_at, evaluation_id LIMIT 1)"
            )
        elif look.kind is Kind.COUNTS:
            window = f"{rows}\n      AND {_between(look)}"
            looks[EARLIER] = f"(SELECT COUNT(*) {window})"
            looks[EARLIER_NOT_MET] = f"(SELECT COUNT(CASE WHEN NOT {MET_THEN} THEN 1 END) {window})"
        else:
            # Sail takes a subquery over a NOT NULL column for one that always has a row.
            looks[BEFORE] = (
                f"(SELECT NULLIF(evaluation_status, '') {rows}\n      AND {KNOWS}\n      AND {_between(look)}\n"
                "    ORDER BY evaluated_at DESC, evaluation_id LIMIT 1)"
            )
    return looks


def _between(look: Look) -> str:
    return f"evaluated_at > {_NOW} - INTERVAL {look.oldest} SECONDS AND evaluated_at <= {_NOW} - INTERVAL {look.newest} SECONDS"


def _fires(condition: Condition) -> str:
    fires = f"{MET} AND {EARLIER_NOT_MET} = 0" if condition.evaluations > 1 else MET
    if condition.recovery is None:
        return fires
    operator = Operator.GREATER_THAN if condition.fires_above else Operator.LESS_THAN
    bad = _compares(operator, condition.recovery)
    # NULL compares with nothing, and so does not say that the alert has recovered.
    return f"{fires} OR ({BEFORE} IN ('TRIGGERED', 'SUPPRESSED') AND COALESCE({bad}, TRUE))"


def _comment(words: str) -> str:
    """Words that can stand in a comment: they end none and begin none, which Spark would nest."""
    return " ".join(words.split()).replace("*", "∗")


def _literal(value: Item | None) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    # Zero has a sign that some engines compare.
    return f"{value + 0.0!r}D" if isinstance(value, float) else text_literal(str(value))

"""What the evaluations of an alert say about it, in sentences; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.operators import OPERATORS, EmptyResultState, Needs, Operator
from alerting_assets.alerts.schedule import in_words, short_duration
from alerting_assets.alerts.thresholds import Condition, number_text, shown
from alerting_assets.explanation.facts import Evaluated, Line, Status


def moment(time: datetime) -> str:
    """A moment in UTC, to the minute."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def decision_sentence(alert: CompiledAlert, evaluation: Evaluated) -> str:
    """The condition with the measured value in it, and whether it was met: `cost 1,234.5 is greater than 1,000 → met`. What holds an
    alert back, or keeps it firing, is left aside."""
    words = _words_then(alert, evaluation)
    met = {True: "met", False: "not met", None: "met" if evaluation.fires else "not met"}[evaluation.threshold_met]
    met = "not decided" if evaluation.evaluation_status == "ERROR" else met
    if evaluation.evaluation_status == "SUPPRESSED" and evaluation.threshold_met is None:
        return f"{alert.value_column} {words} → not known"
    if evaluation.evaluation_status == "ERROR" and evaluation.value_text is None:
        return f"{alert.value_column} (no value) {words} → {met}"
    if evaluation.row_count == 0:
        return f"the query returned no row, and empty_result_state is {alert.empty_result_state.value} → {met}"
    return f"{alert.value_column} {_value(evaluation, words)} {words} → {met}"


def _words_then(alert: CompiledAlert, evaluation: Evaluated) -> str:
    """The condition in words, as it was at that evaluation as far as the history says."""
    condition = alert.condition
    if evaluation.operator is None or evaluation.config_hash == alert.config_hash:
        return condition.words_at_once
    then = Operator(evaluation.operator) if evaluation.operator in OPERATORS else None
    if then is None or OPERATORS[then].needs is not Needs.VALUE or evaluation.threshold_value is None:
        return condition.words_at_once if then is condition.operator else f"{evaluation.operator} (the condition then)"
    if then is condition.operator and evaluation.threshold_value == condition.threshold:
        return condition.words_at_once
    return f"{OPERATORS[then].reads_as.format(shown(evaluation.threshold_value))} (the condition then)"


def _value(evaluation: Evaluated, words: str) -> str:
    if evaluation.query_result_string is not None:
        is_word = evaluation.query_result_string in ("true", "false") and evaluation.query_result_value is not None
        return evaluation.query_result_string if is_word else f"'{evaluation.query_result_string}'"
    text = evaluation.value_text
    if text is not None and evaluation.number is not None and text in words.split():
        return number_text(evaluation.number, 12)  # 1,000.0001 would look like the threshold
    return "NULL" if text is None else text


def lines_of(condition: Condition, evaluation: Evaluated | None) -> tuple[Line, ...]:
    """The values that the measured one is compared with, as they were at that evaluation."""
    found = []
    if OPERATORS[condition.operator].needs is Needs.RANGE:
        found = [Line(condition.high, "at most"), Line(condition.low, "at least")]
    elif isinstance(condition.threshold, float) and OPERATORS[condition.operator].needs is Needs.VALUE:
        then = evaluation.threshold_value if evaluation is not None else None
        found = [Line(condition.threshold if then is None else then, "threshold")]
    if condition.recovery is not None:
        found.append(Line(condition.recovery, "recovery"))
    return tuple(found)


def status_of(evaluations: Sequence[Evaluated]) -> Status | None:
    """What these evaluations, the oldest first, say of the state at the last of them."""
    if not evaluations:
        return None
    last = evaluations[-1]
    since, previous = last.evaluated_at, None
    for one in reversed(evaluations):
        if one.evaluation_status != last.evaluation_status:
            previous = one.evaluation_status
            break
        since = one.evaluated_at
    return Status(last.evaluation_status, since, previous is not None, previous)


def headline(alert_id: str, status: Status | None, decision: str | None, at: datetime, *, is_past: bool) -> str:
    """The answer in one sentence. decision: what `decision_sentence` says; None where the alert cannot be read."""
    if status is None:
        until = f" at or before {moment(at)}, as far as the history reaches" if is_past else ""
        return f"{alert_id} was never evaluated{until}."
    since = "" if status.is_since_exact else "at least "
    lasted = f"{since}since {moment(status.since)} ({short_duration((at - status.since).total_seconds())})"
    if status.status == "ERROR":
        return f"{alert_id} cannot be decided, {lasted}: its evaluation fails."
    verb = {"TRIGGERED": "fires", "SUPPRESSED": "is suppressed"}.get(status.status, "does not fire")
    return f"{alert_id} {verb}, {lasted}{f': {decision}' if decision else ''}."


def evaluation_reasons(alert: CompiledAlert, evaluations: Sequence[Evaluated]) -> list[str]:
    """What held the alert back, or kept it firing, at the last of these evaluations, which come the oldest first."""
    if not evaluations:
        return []
    last, condition = evaluations[-1], alert.condition
    found = []
    if last.evaluation_status == "ERROR":
        found.append(f"The evaluation failed: {last.error_message or 'no message'}")
        found.append("An error neither fires nor recovers: whoever was told before is not told anything new.")
    if last.evaluation_status == "SUPPRESSED":
        found.append(_suppressed(last))
    if condition.evaluations > 1:
        found += _held_by_evaluations(condition, evaluations)
    if condition.recovery is not None and last.fires and last.threshold_met is False:
        side = "above" if condition.fires_above else "below"
        value = "NULL, which is no recovery" if last.query_result_value is None else f"{last.value_text}"
        found.append(
            f"It goes on firing although the condition is not met any more: it recovers only when {alert.value_column} is not {side} "
            f"{shown(condition.recovery)} (recovery_threshold_double), and it is {value}."
        )
    if last.row_count == 0 and last.evaluation_status != "ERROR":
        decides = "fires" if alert.empty_result_state is EmptyResultState.TRIGGERED else "does not fire"
        found.append(
            f"The query returned no row; empty_result_state {alert.empty_result_state.value} says that it {decides}."
        )
    elif last.query_result_value is None and last.query_result_string is None and last.evaluation_status == "OK":
        found.append(f"{alert.value_column} is NULL, which compares with nothing.")
    if last.note:
        found.append(f"{last.note[:1].upper()}{last.note[1:]}.")
    if last.config_hash != alert.config_hash:
        found.append("The alert was edited after that evaluation: what it decides now, the next one says.")
    return found


def _suppressed(last: Evaluated) -> str:
    by = f"the silence {last.silence_id}" if last.silence_id else "what its model expects"
    if last.threshold_met is None:
        return f"It was under {by}, so nobody is told; the workspace does not say whether it would have fired."
    return f"It would fire, and {by} keeps it quiet, so nobody is told."


def _held_by_evaluations(condition: Condition, evaluations: Sequence[Evaluated]) -> list[str]:
    """Of `for_evaluations`, by the windows of time that the deployed query looks at (alerts/gated.py)."""
    last, needed = evaluations[-1], condition.evaluations
    if last.evaluation_status == "ERROR" or not last.is_met:
        return []
    half = condition.interval / 2
    oldest = last.evaluated_at - timedelta(seconds=condition.interval * needed - half)
    newest = last.evaluated_at - timedelta(seconds=half)
    counted = [one for one in evaluations if oldest < one.evaluated_at <= newest and one.evaluation_status != "ERROR"]
    not_met = [one for one in counted if not one.is_met]
    if last.fires:
        is_whole = not not_met and len(counted) >= needed - 1
        words = f"The condition is met at the {needed} evaluations in a row that for_evaluations asks for."
        return [words] if is_whole else []
    if not not_met:
        return []
    since = sum(one.evaluated_at > not_met[-1].evaluated_at for one in counted) + 1
    return [
        f"It is held back: for_evaluations asks for {needed} evaluations in a row at which the condition is met, and so far there "
        f"{'is' if since == 1 else 'are'} {since}. At {moment(not_met[-1].evaluated_at)} it was not met "
        f"({not_met[-1].value_text or 'no value'})."
    ]


def retrigger_words(seconds: int | None) -> str:
    if not seconds:
        return "once, until it recovers"
    return "at every evaluation" if seconds == 1 else f"again every {in_words(seconds)} while it fires"

"""What an evaluation says, in sentences."""

from __future__ import annotations

import math
from typing import Any

import pytest

from alerting_assets.explanation.facts import Evaluated, Line
from alerting_assets.explanation.why import decision_sentence, evaluation_reasons, lines_of, status_of
from alerting_assets_tests.examples import compiled
from alerting_assets_tests.explanation.evaluations import START, evaluated

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("changes", "evaluation", "says"),
    [
        ({}, evaluated(0, 1234.5, "TRIGGERED"), "cost 1,234.5 is greater than 100 → met"),
        ({}, evaluated(0, 99.0, "OK"), "cost 99 is greater than 100 → not met"),
        ({}, evaluated(0, 100.00001, "TRIGGERED"), "cost 100.00001 is greater than 100 → met"),
        ({}, evaluated(0, None, "OK"), "cost NULL is greater than 100 → not met"),
        ({}, evaluated(0, math.nan, "OK"), "cost nan is greater than 100 → not met"),
        ({}, evaluated(0, None, "ERROR"), "cost (no value) is greater than 100 → not decided"),
        ({}, evaluated(0, 150.0, "TRIGGERED", threshold_met=None), "cost 150 is greater than 100 → met"),
        (
            {},
            evaluated(0, None, "OK", row_count=0),
            "the query returned no row, and empty_result_state is OK → not met",
        ),
        (
            {
                "threshold_value_double": None,
                "threshold_value_string": "FAILED",
                "operator": "EQUAL",
                "aggregation_type": None,
            },
            evaluated(0, None, "TRIGGERED", query_result_string="FAILED"),
            "cost 'FAILED' equals 'FAILED' → met",
        ),
        (
            {
                "threshold_value_double": None,
                "threshold_value_bool": False,
                "operator": "EQUAL",
                "aggregation_type": None,
            },
            evaluated(0, 1.0, "OK", query_result_string="true"),
            "cost true equals false → not met",
        ),
        ({"for_evaluations": 3}, evaluated(0, 150.0, "OK", True), "cost 150 is greater than 100 → met"),
        (
            {},
            evaluated(0, 150.0, "OK", operator="GREATER_THAN", threshold_value=200.0),
            "cost 150 is greater than 200 (the condition then) → not met",
        ),
        (
            {},
            evaluated(0, 150.0, "TRIGGERED", operator="LESS_THAN", threshold_value=200.0),
            "cost 150 is less than 200 (the condition then) → met",
        ),
    ],
)
def test_the_condition_is_told_with_its_value(changes: dict[str, Any], evaluation: Evaluated, says: str) -> None:
    assert decision_sentence(compiled(**changes), evaluation) == says


def with_hash(evaluations: list[Evaluated], config_hash: str) -> list[Evaluated]:
    return [Evaluated(**{**vars(one), "config_hash": config_hash}) for one in evaluations]


def test_evaluations_that_are_still_missing_hold_an_alert_back() -> None:
    alert = compiled(for_evaluations=3, schedule_cron="0 0 * * * ?")
    evaluations = [evaluated(0, 50.0, "OK"), evaluated(1, 150.0, "OK", True), evaluated(2, 160.0, "OK", True)]
    (reason,) = evaluation_reasons(alert, with_hash(evaluations, alert.config_hash))
    assert reason == (
        "It is held back: for_evaluations asks for 3 evaluations in a row at which the condition is met, and so far there are 2. "
        "At 2026-03-01 08:00 UTC it was not met (50)."
    )
    evaluations = [*evaluations, evaluated(3, 170.0, "TRIGGERED")]
    (reason,) = evaluation_reasons(alert, with_hash(evaluations, alert.config_hash))
    assert reason == "The condition is met at the 3 evaluations in a row that for_evaluations asks for."


@pytest.mark.parametrize(("value", "told"), [(95.0, "and it is 95"), (None, "and it is NULL, which is no recovery")])
def test_a_recovery_threshold_keeps_an_alert_firing(value: float | None, told: str) -> None:
    alert = compiled(recovery_threshold_double=90.0, schedule_cron="0 0 * * * ?")
    evaluations = [evaluated(0, 150.0, "TRIGGERED"), evaluated(1, value, "TRIGGERED", False)]
    (reason,) = evaluation_reasons(alert, with_hash(evaluations, alert.config_hash))
    assert "it recovers only when cost is not above 90 (recovery_threshold_double)" in reason
    assert told in reason


def test_errors_empty_results_notes_and_edits_are_told() -> None:
    alert = compiled()
    error = evaluation_reasons(alert, [evaluated(0, None, "ERROR", error_message="out of memory")])
    assert error[0] == "The evaluation failed: out of memory"
    assert error[-1].startswith("The alert was edited after that evaluation")
    (empty,) = evaluation_reasons(alert, with_hash([evaluated(0, None, "OK", row_count=0)], alert.config_hash))
    assert "empty_result_state OK says that it does not fire" in empty
    (note,) = evaluation_reasons(
        alert, with_hash([evaluated(0, 1.0, "OK", note="only 0 of 1 are there")], alert.config_hash)
    )
    assert note == "Only 0 of 1 are there."
    assert evaluation_reasons(alert, []) == []


def test_the_state_lasts_since_the_first_evaluation_in_a_row() -> None:
    evaluations = [evaluated(0, 1.0, "OK"), evaluated(1, 150.0, "TRIGGERED"), evaluated(2, 150.0, "TRIGGERED")]
    status = status_of(evaluations)
    assert status is not None
    assert (status.status, status.previous, status.is_since_exact) == ("TRIGGERED", "OK", True)
    assert (status.since - START).total_seconds() == 3600
    status = status_of(evaluations[1:])
    assert status is not None
    assert (status.previous, status.is_since_exact) == (None, False)
    assert status_of([]) is None


def test_lines_are_what_the_value_is_compared_with() -> None:
    between: dict[str, Any] = {
        "operator": "BETWEEN",
        "threshold_value_double": None,
        "threshold_value_min": 1.0,
        "threshold_value_max": 2.0,
    }
    recovers = compiled(recovery_threshold_double=90.0, schedule_cron="0 0 * * * ?").condition
    assert lines_of(compiled(**between).condition, None) == (Line(2.0, "at most"), Line(1.0, "at least"))
    assert lines_of(recovers, None) == (Line(100.0, "threshold"), Line(90.0, "recovery"))
    assert lines_of(recovers, evaluated(0, 1.0, "OK", threshold_value=70.0))[0] == Line(70.0, "threshold")
    change: dict[str, Any] = {"operator": "CHANGES_BY", "change_direction": "EITHER", "threshold_value_double": 20.0}
    assert lines_of(compiled(**change).condition, None) == ()

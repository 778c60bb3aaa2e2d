from typing import Any

import pytest

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.schedule import in_words, schedule_interval
from alerting_assets.alerts.thresholds import number_text
from alerting_assets.errors import CompileError, DefinitionError
from alerting_assets_tests.examples import compiled, configuration

pytestmark = pytest.mark.unit

NONE: dict[str, Any] = {"threshold_value_double": None}


@pytest.mark.parametrize(
    ("cron", "seconds"),
    [
        ("0 0 8 * * ?", 86_400),
        ("0 0 8 ? * *", 86_400),
        ("15 */10 * * * ?", 600),
        ("38 0/15 * * * ?", 900),
        ("5 0 * * * ?", 3_600),
        ("0 0 0/6 * * ? *", 21_600),
        ("0 0 6,18 * * ?", 43_200),
        ("0 * * * * ?", 60),
        ("*/10 * * * * ?", 10),
        ("0 30 7 ? * MON", 604_800),
        ("0 30 7 ? * MON-FRI", None),
        ("0 0 8,9 * * ?", None),
        ("0 0/10 8-17 * * ?", None),
        ("0 0 0/5 * * ?", None),
        ("0 0 8 1 * ?", None),
        ("0 0 8 L * ?", None),
        ("0 0 8 * 1 ?", None),
        ("0 0 8 * * ? 2027", None),
    ],
)
def test_the_interval_of_a_schedule_is_known_where_it_is_even(cron: str, seconds: int | None) -> None:
    assert schedule_interval(cron) == seconds


@pytest.mark.parametrize(
    ("seconds", "words"), [(60, "1 minute"), (5400, "90 minutes"), (86_400, "1 day"), (75, "75 seconds")]
)
def test_intervals_are_told_in_words(seconds: int, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567.0, "1,234,567"),
        (1234567.8, "1,234,568"),
        (41701.72, "41,701.7"),
        (50.0, "50"),
        (0.04213, "0.04213"),
        (0.0, "0"),
        (1e20, "1e+20"),
        (-1000.5, "-1,000.5"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (1e-9, "1e-09"),
    ],
)
def test_numbers_are_shown_as_people_read_them(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "is greater than 100"),
        ({**NONE, "operator": "BETWEEN", "threshold_value_min": 1, "threshold_value_max": 2.5}, "is between 1 and 2.5"),
        ({**NONE, "operator": "NOT_IN", "threshold_value_list": ["a", "b"]}, "is none of 'a', 'b'"),
        ({**NONE, "operator": "IN", "threshold_value_list": ["1", "2"]}, "is one of 1, 2"),
        ({**NONE, "operator": "MATCHES", "threshold_value_string": "^a"}, "matches /^a/"),
        (
            {"operator": "CHANGES_BY", "threshold_value_double": 20, "change_direction": "DECREASE"},
            "falls by 20 % or more against 1 day before",
        ),
        (
            {"for_evaluations": 3, "recovery_threshold_double": 80},
            "is greater than 100, at 3 evaluations in a row, until it is not above 80",
        ),
    ],
)
def test_a_condition_reads_as_a_sentence(changes: dict[str, Any], words: str) -> None:
    assert configuration(**changes).condition.words == words


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        (NONE, "threshold_value_double", "is missing: GREATER_THAN needs threshold_value_double"),
        ({"threshold_value_string": "x"}, "threshold_value_string", "is given beside threshold_value_double"),
        ({**NONE, "threshold_value_string": "x"}, "threshold_value_string", "GREATER_THAN compares numbers"),
        ({"operator": "IS_NULL"}, "threshold_value_double", "is not used by IS_NULL, which takes no threshold"),
        ({**NONE, "operator": "BETWEEN", "threshold_value_min": 1}, "threshold_value_max", "is missing: BETWEEN needs"),
        (
            {**NONE, "operator": "BETWEEN", "threshold_value_min": 2, "threshold_value_max": 1},
            "threshold_value_min",
            "2 is greater than threshold_value_max 1",
        ),
        ({**NONE, "operator": "IN"}, "threshold_value_list", "is missing"),
        ({**NONE, "operator": "IN", "threshold_value_list": []}, "threshold_value_list", "is empty"),
        ({"operator": "MATCHES", "threshold_value_string": "x"}, "threshold_value_double", "is not used by MATCHES"),
        (
            {**NONE, "operator": "MATCHES", "threshold_value_string": "("},
            "threshold_value_string",
            "no regular expression",
        ),
        ({"operator": "CHANGES_BY"}, "change_direction", "is missing"),
        ({"operator": "CHANGES_BY", "change_direction": "UP"}, "change_direction", "'UP' is not one of INCREASE"),
        (
            {"operator": "CHANGES_BY", "change_direction": "EITHER", "threshold_value_double": 0},
            "threshold_value_double",
            "must be above 0",
        ),
        (
            {"operator": "CHANGES_BY", "change_direction": "EITHER", "change_lookback_seconds": 59},
            "change_lookback_seconds",
            "at least 60 s back",
        ),
        (
            {"operator": "CHANGES_BY", "change_direction": "EITHER", "schedule_cron": "0 0 8 ? * MON-FRI"},
            "change_lookback_seconds",
            "has no even interval to look back by",
        ),
        ({"change_direction": "EITHER"}, "change_direction", "is not used by GREATER_THAN"),
        ({"for_evaluations": 0}, "for_evaluations", "greater than or equal to 1"),
        ({"for_evaluations": 101}, "for_evaluations", "less than or equal to 100"),
        (
            {"for_evaluations": 2, "schedule_cron": "*/10 * * * * ?"},
            "for_evaluations",
            "even intervals of 60 s or more",
        ),
        ({"recovery_threshold_double": 101}, "recovery_threshold_double", "101 lies beyond the threshold 100"),
        (
            {"operator": "LESS_THAN", "recovery_threshold_double": 99},
            "recovery_threshold_double",
            "with LESS_THAN it is at least that",
        ),
        ({"operator": "EQUAL", "recovery_threshold_double": 99}, "recovery_threshold_double", "not with EQUAL"),
    ],
)
def test_thresholds_that_do_not_go_together_name_the_field(changes: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        configuration(**changes)
    (problem,) = caught.value.problems
    assert (problem.field, problem.alert_id) == (field, "COST-001")
    assert says in problem.message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"for_evaluations": 2}, "for_evaluations"),
        ({"recovery_threshold_double": 80}, "recovery_threshold_double"),
        ({"operator": "CHANGES_BY", "change_direction": "EITHER"}, "operator"),
    ],
)
def test_what_looks_at_history_needs_a_workspace_that_can_read_it(changes: dict[str, Any], field: str) -> None:
    hidden = Target("c", "s", "prod", "w", history_is_readable=False)
    assert compiled(hidden).condition.is_native
    with pytest.raises(CompileError, match="set ALERTING_LAKEHOUSE=warehouse") as caught:
        compiled(hidden, **changes)
    assert caught.value.field == field


def test_a_column_that_the_gated_form_has_itself_needs_another_name() -> None:
    fields = {**NONE, "operator": "IN", "threshold_value_list": ["1"], "aggregation_column": "Measured_Value"}
    with pytest.raises(CompileError, match="give it another alias"):
        compiled(**fields)

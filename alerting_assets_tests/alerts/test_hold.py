"""The fields of a model: which alerts may have one, and what they say of it."""

from __future__ import annotations

from typing import Any

import pytest

from alerting_assets.alerts.compiled import Target
from alerting_assets.alerts.hold import Hold
from alerting_assets.errors import CompileError, DefinitionError
from alerting_assets_tests.examples import compiled, configuration

pytestmark = pytest.mark.unit

BETWEEN: dict[str, Any] = {
    "threshold_value_double": None,
    "threshold_value_min": 1.0,
    "threshold_value_max": 2.0,
}
CHANGES: dict[str, Any] = {"operator": "CHANGES_BY", "threshold_value_double": 20.0, "change_lookback_seconds": 3600}


@pytest.mark.parametrize(
    "fields",
    [
        {"operator": "GREATER_THAN_OR_EQUAL"},
        {"operator": "LESS_THAN"},
        {"operator": "NOT_BETWEEN", **BETWEEN},
        {"change_direction": "INCREASE", **CHANGES},
        {"change_direction": "DECREASE", **CHANGES},
    ],
)
def test_an_alert_that_fires_on_a_side_of_a_number_may_have_a_model(fields: dict[str, Any]) -> None:
    alert = compiled(ml_model_enabled=True, **fields)
    assert alert.hold == Hold("health_monitor.gold.alert_anomaly_detector@serving", 0.0, is_live=False)
    assert alert.is_gated


@pytest.mark.parametrize(
    "fields",
    [
        {"operator": "EQUAL"},
        {"operator": "IS_NULL", "threshold_value_double": None},
        {"operator": "BETWEEN", **BETWEEN},
        {"change_direction": "EITHER", **CHANGES},
    ],
)
def test_any_other_alert_is_refused_and_told_which_may(fields: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError) as caught:
        configuration(ml_model_enabled=True, **fields)
    (problem,) = caught.value.problems
    assert problem.field == "ml_model_enabled"
    assert "GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN, LESS_THAN_OR_EQUAL, NOT_BETWEEN, and CHANGES_BY" in str(
        problem
    )


@pytest.mark.parametrize(
    ("fields", "is_live"),
    [
        ({}, False),
        ({"ml_shadow": None}, False),
        ({"ml_shadow": True}, False),
        ({"ml_shadow": False}, True),
        ({"ml_shadow": False, "severity": "CRITICAL"}, False),
        ({"ml_shadow": False, "severity": "CRITICAL", "ml_allow_critical": True}, True),
    ],
)
def test_a_model_holds_only_where_people_said_so(fields: dict[str, Any], is_live: bool) -> None:
    hold = compiled(ml_model_enabled=True, **fields).hold
    assert hold is not None
    assert hold.is_live is is_live


def test_without_a_model_nothing_is_in_shadow() -> None:
    assert configuration().ml_shadow is False
    assert compiled(ml_threshold=1.0, ml_max_hold_minutes=60).hold is None, "fields may be prepared"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ml_model_name", "catalog.schema.model"),
        ("ml_model_name", "model@ "),
        ("ml_threshold", float("nan")),
        ("ml_max_hold_minutes", 59),
        ("ml_max_hold_minutes", 10_081),
        ("ml_suppression_budget", 0.0),
        ("ml_suppression_budget", 1.01),
    ],
)
def test_a_value_that_means_nothing_names_its_field(field: str, value: object) -> None:
    with pytest.raises(DefinitionError) as caught:
        configuration(**{field: value})
    assert [problem.field for problem in caught.value.problems] == [field]


def test_the_names_of_its_columns_are_taken_only_beside_a_model() -> None:
    assert compiled(aggregation_column="ml_score").value_column == "ml_score"
    with pytest.raises(CompileError, match="ML_Score is a column of the deployed form of an alert with a model"):
        compiled(aggregation_column="ML_Score", ml_model_enabled=True)


def test_where_the_workspace_cannot_read_our_tables_a_model_is_refused() -> None:
    hidden = Target("c", "s", "prod", "w", history_is_readable=False)
    with pytest.raises(CompileError) as caught:
        compiled(hidden, ml_model_enabled=True)
    assert caught.value.field == "ml_model_enabled"
    assert "ALERTING_LAKEHOUSE=warehouse" in caught.value.message


def test_the_workspace_tells_no_recovery_of_an_alert_that_is_held_back() -> None:
    def notify_on_ok(**fields: Any) -> bool:
        body = compiled(notify_on_ok=True, **fields).body("0" * 32)
        return bool(body["evaluation"]["notification"]["notify_on_ok"])

    assert notify_on_ok()
    assert notify_on_ok(ml_model_enabled=True), "in shadow the workspace sees every firing, and so every recovery"
    assert not notify_on_ok(ml_model_enabled=True, ml_shadow=False)

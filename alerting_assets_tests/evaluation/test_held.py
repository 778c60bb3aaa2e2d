"""What a model holds back, as our evaluation decides and records it."""

from __future__ import annotations

import json
import math
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting_assets.evaluation import Evaluation, evaluate_alerts
from alerting_assets.incidents.store import read_states
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS, EXPECTED_RANGES
from alerting_assets_tests.evaluation.test_batch import assert_same
from alerting_assets_tests.evaluation.test_run import alert, history, read, readings  # noqa: F401 — a fixture
from alerting_assets_tests.expected_values import ABOVE_40, FAIL_OPEN, HOUR, MODEL, NOW, range_row, range_table

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)


def expect(lakehouse: Lakehouse, *rows: dict[str, Any]) -> None:
    """Rows of the model that alerts without `ml_model_name` have here."""
    model = ".".join([*lakehouse.namespace, "alert_anomaly_detector@serving"])
    named = [{**row, "model_name": model} if row["model_name"] == MODEL else row for row in rows]
    lakehouse.append(EXPECTED_RANGES.name, range_table(named))


def evaluate(lakehouse: Lakehouse, now: Any = NOW, **changes: Any) -> Evaluation:
    (found,) = evaluate_alerts(lakehouse, [alert(lakehouse, **{**ABOVE_40, **changes})], now, reopen=timedelta(0))
    return found


def test_what_lies_within_the_range_is_held_and_the_history_says_why(readings: Lakehouse) -> None:  # noqa: F811
    read(readings, 70.0)
    levels = json.dumps({"ABOVE": {"USUAL": 60.0, "RECURRENCE": 100.0, "TOLD": 65.0, "EVENT": None}})
    expect(readings, range_row(levels=levels))
    assert evaluate(readings).decision.state == "SUPPRESSED"
    (row,) = history(readings)
    shown = (
        "evaluation_status",
        "threshold_met",
        "ml_score",
        "ml_suppressed",
        "ml_shadow",
        "expected",
        "lower",
        "upper",
    )
    assert [row[name] for name in shown] == ["SUPPRESSED", True, -3.0, True, False, 50.0, 0.0, 100.0]
    assert (row["model_version"], row["ml_reason"], row["silence_id"]) == ("3", "RECURRENCE", None)


@pytest.mark.parametrize("fields", [{"ml_shadow": True}, {"severity": "CRITICAL"}])
def test_in_shadow_it_is_told_and_the_history_says_that_it_would_be_held(
    readings: Lakehouse,  # noqa: F811
    fields: dict[str, Any],
) -> None:
    read(readings, 70.0)
    expect(readings, range_row())
    evaluation = evaluate(readings, **fields)
    assert evaluation.decision.state == "TRIGGERED"
    assert "would be held back" in (evaluation.held_text or "")
    (row,) = history(readings)
    assert (row["ml_suppressed"], row["ml_shadow"], row["ml_reason"], row["ml_score"]) == (
        False,
        True,
        "RECURRENCE",
        -3.0,
    )


def test_an_alert_without_a_model_records_nothing_of_one(readings: Lakehouse) -> None:  # noqa: F811
    read(readings, 70.0)
    expect(readings, range_row())
    assert evaluate(readings, ml_model_enabled=False).decision.state == "TRIGGERED"
    (row,) = history(readings)
    nothing = ("ml_score", "ml_shadow", "expected", "lower", "upper", "model_version", "ml_reason")
    assert (row["ml_suppressed"], {row[name] for name in nothing}) == (False, {None})


@pytest.mark.parametrize(
    ("value", "row", "reason"),
    [
        (150.0, {}, "OUTSIDE"),
        (math.inf, {}, "OUTSIDE"),
        (70.0, {"valid_until": NOW}, "NO_RANGE"),
        (70.0, {"lower": None, "upper": None}, "NO_RANGE"),
        (70.0, {"lower": None, "upper": None, "closed": "PERSISTENCE"}, "PERSISTENCE"),
        (70.0, {"lower": None, "upper": 65.0, "closed": "HOLD_OVER"}, "HOLD_OVER"),
        (30.0, {}, None),
    ],
)
def test_the_history_says_why_nothing_held_a_value_that_was_told(
    readings: Lakehouse,  # noqa: F811
    value: float,
    row: dict[str, Any],
    reason: str | None,
) -> None:
    read(readings, value)
    expect(readings, range_row(**row))
    assert evaluate(readings).decision.state == ("OK" if reason is None else "TRIGGERED")
    assert history(readings)[0]["ml_reason"] == reason


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ({"ABOVE": {"USUAL": 71.0, "TOLD": 71.0}}, "TOLD"),
        ({"ABOVE": {"USUAL": 71.0, "TOLD": 70.0}}, "USUAL"),
        ({"ABOVE": {"EVENT": 71.0, "LABELLED": 71.0, "TOLD": 71.0}}, "EVENT"),
        ({"ABOVE": {"LABELLED": 71.0, "TOLD": 71.0}}, "LABELLED"),
        ({"BELOW": {"TOLD": 71.0}}, "RECURRENCE"),
    ],
)
def test_what_was_told_lately_holds_before_what_the_season_expects(
    readings: Lakehouse,  # noqa: F811
    levels: dict[str, Any],
    reason: str,
) -> None:
    read(readings, 70.0)
    expect(readings, range_row(levels=json.dumps(levels)))
    evaluate(readings)
    assert history(readings)[0]["ml_reason"] == reason


@pytest.mark.parametrize(("value", "reason"), [(-3.0, "TOLD"), (3.0, "RECURRENCE")])
def test_the_side_that_the_value_is_on_says_why(readings: Lakehouse, value: float, reason: str) -> None:  # noqa: F811
    read(readings, value)
    levels = {"BELOW": {"TOLD": -5.0, "RECURRENCE": -2.0}, "ABOVE": {"TOLD": 2.0, "RECURRENCE": 5.0}}
    expect(readings, range_row(lower=-5.0, upper=5.0, levels=json.dumps(levels)))
    bounds = {"threshold_value_double": None, "threshold_value_min": -1.0, "threshold_value_max": 1.0}
    assert evaluate(readings, operator="NOT_BETWEEN", **bounds).decision.state == "SUPPRESSED"
    assert history(readings)[0]["ml_reason"] == reason


def test_whatever_is_wrong_with_what_is_expected_the_alert_is_told(readings: Lakehouse) -> None:  # noqa: F811
    """All of them in one run, as by their own queries."""
    alerts, values = [], {}
    for number, (value, rows) in enumerate(FAIL_OPEN.values()):
        name = f"A-{number}"
        expect(readings, *({**row, "alert_id": row["alert_id"].replace("COST-001", name)} for row in rows))
        query = f"SELECT CAST('{value}' AS DOUBLE) AS cost"
        alerts.append(alert(readings, alert_id=name, **{**ABOVE_40, "alert_query_template": query}))
        values[name] = value
    decimal = {"alert_query_template": "SELECT CAST(70 AS DECIMAL(10, 2)) AS cost", **ABOVE_40}
    alerts += [alert(readings, alert_id=name, **decimal) for name in ("HELD", "TOLD")]  # left to the engine
    expect(
        readings, range_row(alert_id="HELD", levels='{"ABOVE": {"TOLD": 80}}'), range_row(alert_id="TOLD", upper=69.0)
    )
    decisions = assert_same(readings, alerts)
    assert decisions.pop("HELD").state == "SUPPRESSED"
    assert {decision.state.value for decision in decisions.values()} == {"TRIGGERED"}


def test_a_held_evaluation_neither_opens_an_incident_nor_ends_one(readings: Lakehouse) -> None:  # noqa: F811
    read(readings, 70.0)
    expect(readings, range_row(), range_row(1, upper=60.0), range_row(2), range_row(3, upper=60.0))
    said = []
    for hour in range(4):
        said.append(evaluate(readings, NOW + hour * HOUR).decision.state.value)
    assert said == ["SUPPRESSED", "TRIGGERED", "SUPPRESSED", "TRIGGERED"]
    (incident,) = readings.read(ALERT_INCIDENTS.name).to_pylist()
    assert (incident["opened_at"], incident["resolved_at"], incident["evaluations"]) == (NOW + HOUR, None, 3)
    read(readings, 30.0)
    assert evaluate(readings, NOW + 4 * HOUR).decision.state == "OK"
    assert read_states(readings, timedelta(0)).by_id["COST-001"].open_incident is None


def test_a_firing_alert_whose_value_becomes_expected_before_it_recovers_is_held_and_not_over(
    readings: Lakehouse,  # noqa: F811
) -> None:
    fields = {"recovery_threshold_double": 20.0, "schedule_cron": "0 0 * * * ?"}
    expect(readings, range_row(upper=60.0), range_row(1), range_row(2, upper=25.0))
    said = []
    for hour, value in enumerate((70.0, 30.0, 30.0)):
        read(readings, value)
        said.append(evaluate(readings, NOW + hour * HOUR, **fields).decision.state.value)
    assert said == ["TRIGGERED", "SUPPRESSED", "TRIGGERED"]
    assert [row["threshold_met"] for row in history(readings)] == [True, False, False]
    assert len(readings.read(ALERT_INCIDENTS.name).to_pylist()) == 1


def test_while_it_waits_for_more_evaluations_nothing_is_suppressed(readings: Lakehouse) -> None:  # noqa: F811
    """Two in a row are asked for; the state is OK at the first, and the history says of both that they were expected."""
    expect(readings, *(range_row(hour, created_at=NOW - 3 * HOUR) for hour in (-1, 0)))
    fields = {"for_evaluations": 2, "schedule_cron": "0 0 * * * ?"}
    for hour, value in ((-2, 30.0), (-1, 70.0), (0, 70.0)):
        read(readings, value)
        evaluate(readings, NOW + hour * HOUR, **fields)
    rows = history(readings)
    assert [row["evaluation_status"] for row in rows] == ["OK", "OK", "SUPPRESSED"]
    assert [row["ml_suppressed"] for row in rows] == [False, True, True]


def test_a_silence_and_a_model_go_together(readings: Lakehouse) -> None:  # noqa: F811
    read(readings, 70.0)
    expect(readings, range_row(upper=60.0))
    for minute, fields in enumerate(({}, {"ml_shadow": True})):
        alerts = [alert(readings, **{**ABOVE_40, **fields})]
        evaluate_alerts(readings, alerts, NOW + minute * MINUTE, under={"COST-001": "quiet"})
    assert [(row["evaluation_status"], row["silence_id"]) for row in history(readings)] == [("SUPPRESSED", "quiet")] * 2


def test_expected_values_that_cannot_be_read_cost_the_alerts_with_a_model_only(
    readings: Lakehouse,  # noqa: F811
    tmp_path: Path,
) -> None:
    read(readings, 70.0)
    alerts = [
        alert(readings, alert_id="MODEL", **ABOVE_40, ml_model_name="c.s.m@serving"),
        alert(readings, alert_id="GATED", for_evaluations=2, schedule_cron="0 0 * * * ?", threshold_value_double=40.0),
    ]
    shutil.rmtree(tmp_path.joinpath("lakehouse", *readings.namespace, EXPECTED_RANGES.name))
    states = {item.alert.alert_id: item for item in evaluate_alerts(readings, alerts, NOW)}
    assert states["GATED"].decision.state == "TRIGGERED"
    assert "expected_ranges" in (states["MODEL"].decision.error or "")
    assert len(readings.read(ALERT_HISTORY.name).to_pylist()) == 2

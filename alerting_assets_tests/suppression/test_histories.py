"""What a model learns from is what was evaluated, then what was backfilled, and nothing else."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from alerting_assets.alerts.operators import ChangeDirection, Operator
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.anomaly import NotLearned, Side
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import ALERT_BACKFILL, ALERT_INCIDENTS
from alerting_assets.suppression.histories import histories
from alerting_assets_tests.suppression.worlds import ABOVE, DAY, HOUR, NOW, append_history, evaluation, modelled

pytestmark = pytest.mark.integration

BETWEEN = Condition(Operator.NOT_BETWEEN, frozenset(), low=10.0, high=100.0)
DROPS = Condition(Operator.CHANGES_BY, frozenset(), threshold=50.0, direction=ChangeDirection.DECREASE, lookback=3600)


def test_evaluations_are_learned_in_order_and_what_failed_or_says_no_value_is_not(lakehouse: EmbeddedLakehouse) -> None:
    append_history(
        lakehouse,
        [
            evaluation(NOW - HOUR, 120.0),
            evaluation(NOW - 3 * HOUR, 50.0),
            evaluation(NOW - 2 * HOUR, None, row_count=0),
            evaluation(NOW - 4 * HOUR, None, evaluation_status="ERROR", threshold_met=None),
            evaluation(NOW - 5 * HOUR, None, evaluated_by="workspace", evaluation_status="TRIGGERED"),
            evaluation(NOW - 6 * HOUR, 130.0, evaluated_by="workspace", threshold_met=None),
            evaluation(NOW - 90 * DAY, 130.0),
            evaluation(NOW + HOUR, 130.0),
            evaluation(NOW - HOUR, 7.0, "OTHER"),
        ],
    )
    found = histories(lakehouse, [modelled(), modelled("NEVER")], NOW)
    series = found["COST-001"]
    assert [int(NOW.timestamp() - at) // 3600 for at in series.at] == [6, 3, 2, 1]
    assert [None if math.isnan(value) else value for value in series.value] == [130.0, 50.0, None, 120.0]
    assert series.breach.tolist() == [1, 0, 0, 1]
    assert set(found) == {"COST-001", "NEVER"}
    assert len(found["NEVER"].at) == 0


def test_an_evaluation_wins_over_a_backfilled_moment_of_its_hour_and_what_measured_otherwise_does_not_count(
    lakehouse: EmbeddedLakehouse,
) -> None:
    append_history(lakehouse, [evaluation(NOW - 2 * HOUR, 50.0)])
    moments = [(NOW - 3 * HOUR, 1.0, "m"), (NOW - 2 * HOUR, 2.0, "m"), (NOW - HOUR, 3.0, "other")]
    rows = [
        {
            "alert_id": "COST-001",
            "evaluated_at": at,
            "query_result_value": value,
            "threshold_met": value == 1.0,
            "config_hash": measured,
            "backfilled_at": NOW,
        }
        for at, value, measured in moments
    ]
    lakehouse.append(ALERT_BACKFILL.name, pa.Table.from_pylist(rows, schema=arrow_schema(ALERT_BACKFILL)))
    series = histories(lakehouse, [modelled()], NOW)["COST-001"]
    assert series.value.tolist() == [1.0, 50.0]
    assert series.met.tolist() == [True, False]


@pytest.mark.parametrize(
    ("condition", "value", "breach"),
    [
        (ABOVE, 120.0, 1),
        (Condition(Operator.LESS_THAN, frozenset(), threshold=100.0), 20.0, -1),
        (BETWEEN, 120.0, 1),
        (BETWEEN, 5.0, -1),
        (DROPS, 5.0, -1),
    ],
)
def test_a_breach_lies_on_the_side_that_the_operator_watches(
    lakehouse: EmbeddedLakehouse, condition: Condition, value: float, breach: int
) -> None:
    append_history(lakehouse, [evaluation(NOW - HOUR, value, threshold_met=True)])
    series = histories(lakehouse, [modelled(condition=condition)], NOW)["COST-001"]
    assert series.breach.tolist() == [breach]
    assert series.sides[-1] is (Side.ABOVE if breach == 1 or condition is BETWEEN else Side.BELOW)


def test_incidents_that_are_labelled_as_true_go_with_the_history(lakehouse: EmbeddedLakehouse) -> None:
    def incident(number: int, label: str | None, resolved: bool) -> dict[str, object]:
        return {
            "incident_id": str(number),
            "alert_id": "COST-001",
            "opened_at": NOW - number * DAY,
            "resolved_at": NOW - number * DAY + HOUR if resolved else None,
            "last_evaluated_at": NOW - number * DAY,
            "evaluations": 1,
            "reopened": 0,
            "label": label,
            "labelled_at": NOW - HOUR if label else None,
            "history_table_id": "h",
            "history_version": 1,
        }

    rows = [
        incident(1, "TRUE_POSITIVE", False),
        incident(5, "TRUE_POSITIVE", True),
        incident(3, "FALSE_POSITIVE", True),
        incident(2, None, True),
    ]
    lakehouse.append(ALERT_INCIDENTS.name, pa.Table.from_pylist(rows, schema=arrow_schema(ALERT_INCIDENTS)))
    labelled = int((NOW - HOUR).timestamp())
    opened = [int((NOW - days * DAY).timestamp()) for days in (5, 1)]
    assert histories(lakehouse, [modelled()], NOW)["COST-001"].not_learned == (
        NotLearned(opened[0], opened[0] + 3600, labelled),
        NotLearned(opened[1], None, labelled),
    )

"""Conditions on time over whole histories, with NULL, empty results, errors and gaps in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.evaluation.unit_test_files import open_runner
from alerting_assets.evaluation.unit_test_run import UnitTestRunner
from alerting_assets.evaluation.unit_tests import parse_tests
from alerting_assets.lakehouse.scratch import ScratchEngine
from alerting_assets.settings import Settings
from alerting_assets_tests.decisions import HOUR, NOW, decided, holds
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.integration

CONDITIONS: list[dict[str, Any]] = [
    *(
        {"operator": operator, "threshold_value_double": threshold, "recovery_threshold_double": recovery}
        for operator, threshold, recovery in (
            ("GREATER_THAN", 10.0, 5.0),
            ("GREATER_THAN_OR_EQUAL", 10.0, 5.0),
            ("LESS_THAN", 5.0, 10.0),
            ("LESS_THAN_OR_EQUAL", 5.0, 10.0),
            ("GREATER_THAN", 10.0, None),
        )
    ),
    {"operator": "IS_NULL"},
    {"operator": "BETWEEN", "threshold_value_min": 6.0, "threshold_value_max": 15.0},
    {
        "operator": "CHANGES_BY",
        "threshold_value_double": 50.0,
        "change_direction": "EITHER",
        "change_lookback_seconds": HOUR,
    },
]
Outcome = float | str | None
"""What a query came to: a value, NULL (None), `empty`, `ERROR`, or `gap` where it was not evaluated at all."""


def states(fields: dict[str, Any], outcomes: Sequence[Outcome]) -> list[str | None]:
    """The state machine: the state of each evaluation in a row at even intervals; None for a gap."""
    found: list[str | None] = []
    met: list[bool | None] = []
    empty = fields["empty_result_state"]
    for at, outcome in enumerate(outcomes):
        if outcome == "gap" or outcome == "ERROR" or (outcome == "empty" and empty == "ERROR"):
            found.append(None if outcome == "gap" else "ERROR")
            met.append(None)
            continue
        value = outcome if isinstance(outcome, float) else None
        before = outcomes[at - 1] if at else None
        base = [{"at": NOW - timedelta(hours=1), "value": before}] if isinstance(before, float) else []
        is_met = empty == "TRIGGERED" if outcome == "empty" else holds(fields, value, base)
        met.append(is_met)
        pending = met[max(0, at - fields["for_evaluations"] + 1) : at]
        fires = is_met and False not in pending
        said = [state for state in found[max(0, at - 5) : at] if state not in (None, "ERROR")]
        recovery = fields.get("recovery_threshold_double")
        if recovery is not None and said and said[-1] == "TRIGGERED":
            if outcome == "empty":
                fires = is_met
            elif value is None:
                fires = True
            else:
                fires = fires or (value > recovery if fields["operator"].startswith("GREATER") else value < recovery)
        found.append("TRIGGERED" if fires else "OK")
    return found


@pytest.fixture(scope="module")
def engine() -> Iterator[ScratchEngine]:
    with ScratchEngine() as scratch:
        yield scratch


@examples(20, 200)
@given(
    condition=st.sampled_from(CONDITIONS),
    evaluations=st.integers(1, 4),
    empty=st.sampled_from(["OK", "TRIGGERED", "ERROR"]),
    outcomes=st.lists(st.sampled_from([4.0, 7.0, 12.0, 20.0, 20.0, None, "empty", "ERROR", "gap"]), max_size=9),
)
def test_every_history_ends_as_the_state_machine_says(
    engine: ScratchEngine, condition: dict[str, Any], evaluations: int, empty: str, outcomes: list[Outcome]
) -> None:
    fields = {
        "threshold_value_double": None,
        "aggregation_type": None,
        "empty_result_state": empty,
        "for_evaluations": evaluations,
        **condition,
    }
    history: list[dict[str, Any]] = []
    found: list[str | None] = []
    for hour, outcome in enumerate(outcomes):
        now = NOW + timedelta(hours=hour)
        if outcome == "gap":
            found.append(None)
        elif outcome == "ERROR":
            found.append("ERROR")
            history.append({"at": now, "status": "ERROR", "met": None, "value": None})
        else:
            rows = [] if outcome == "empty" else [outcome]
            decision = decided(
                engine.query, {"fields": fields, "column": "double", "rows": rows, "history": history}, now
            )
            assert decision.row_count == len(rows)
            found.append(decision.state.value)
            history.append(
                {"at": now, "status": decision.state.value, "met": decision.threshold_met, "value": decision.number}
            )
    assert found == states(fields, outcomes)


ALERT = """\
  - alert_id: {alert_id}
    alert_name: Freshness
    agent_domain: QUALITY
    severity: WARNING
    alert_query_template: SELECT hours AS lag_h FROM ${{catalog}}.${{gold_schema}}.freshness LIMIT 1
    aggregation_column: lag_h
    operator: GREATER_THAN
    threshold_value_double: 10
    schedule_cron: 0 0/10 * * * ?
    owner: me
    {more}
"""
ALERTS = {
    "FOR": "for_evaluations: 3",
    "FOR-EMPTY": "for_evaluations: 3\n    empty_result_state: TRIGGERED",
    "RECOVERS": "recovery_threshold_double: 5",
    "RECOVERS-EMPTY": "recovery_threshold_double: 5\n    empty_result_state: TRIGGERED",
    "RECOVERS-FOR": "recovery_threshold_double: 5\n    for_evaluations: 3",
}
MET, PENDING = "value: 20, state: TRIGGERED, met: true", "value: 20, state: OK, met: true"
NOT_MET, NO_ROW, ERROR = "value: 1, state: OK, met: false", "state: OK, met: true", "state: ERROR"


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnitTestRunner]:
    folder = tmp_path_factory.mktemp("alerts")
    alerts = "".join(ALERT.format(alert_id=alert_id, more=more) for alert_id, more in ALERTS.items())
    (folder / "a.yml").write_text(f"alerts:\n{alerts}")
    with open_runner(Settings(definitions=folder), None) as opened:
        yield opened


@pytest.mark.parametrize(
    ("alert", "before", "rows", "state"),
    [
        ("FOR-EMPTY", [NOT_MET, NOT_MET], "", "OK"),
        ("FOR-EMPTY", [NO_ROW, NO_ROW], "", "TRIGGERED"),
        ("FOR-EMPTY", [PENDING, NO_ROW], "{hours: 20}", "TRIGGERED"),
        ("FOR", [PENDING, "state: OK, met: false"], "{hours: 20}", "OK"),
        ("FOR", [NOT_MET, PENDING], "{hours: 20}", "OK"),
        ("RECOVERS", [MET], "{hours: null}", "TRIGGERED"),
        ("RECOVERS", [MET], "", "OK"),
        ("RECOVERS-EMPTY", [MET], "", "TRIGGERED"),
        ("RECOVERS", [MET, "state: OK, met: false"], "{hours: 7}", "OK"),
        ("RECOVERS", [MET, ERROR], "{hours: 7}", "TRIGGERED"),
        ("RECOVERS-FOR", [PENDING, PENDING, MET], "{hours: 7}", "TRIGGERED"),
        ("RECOVERS-FOR", [PENDING, PENDING], "{hours: 7}", "OK"),
    ],
)
def test_a_unit_test_of_an_alert_sees_the_same(
    runner: UnitTestRunner, alert: str, before: list[str], rows: str, state: str
) -> None:
    history = ", ".join(f"{{at: -{10 * (len(before) - number)}m, {row}}}" for number, row in enumerate(before))
    tests, _ = parse_tests(
        "tests/t.yml",
        f"tests:\n  - name: t\n    alert: {alert}\n    as_of: 2026-06-01T12:00:00Z\n"
        f"    given: {{freshness: [{rows}]}}\n    columns: {{freshness: {{hours: double}}}}\n"
        f"    history: [{history}]\n    expect: {{state: {state}}}\n",
    )
    (outcome,) = runner.run(tests)
    assert outcome.failures == ()

"""What people declare and label changes the ranges from the next refresh on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from alerting_assets.alerts.expected_events import parse_expected_event
from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.anomaly import Series, train
from alerting_assets.configuration import declare_event, end_event, event_notes
from alerting_assets.errors import DefinitionError
from alerting_assets.incidents.fold import Incident
from alerting_assets.incidents.people import Label
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_INCIDENTS, EXPECTED_RANGES, create_tables
from alerting_assets.suppression.histories import histories
from alerting_assets.suppression.modelled import ModelledAlert
from alerting_assets.suppression.preview import preview_label
from alerting_assets.suppression.refresh import refresh
from alerting_assets_tests.suppression.worlds import MODEL, NOW, Served, append_history, evaluation, modelled

pytestmark = pytest.mark.integration

USUAL = 40.0
NEXT = NOW.replace(minute=0) + timedelta(hours=1)
BELOW = Condition(Operator.LESS_THAN, frozenset(), threshold=20.0)


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[Lakehouse]:
    with EmbeddedLakehouse(tmp_path, "health_monitor", "gold") as engine:
        create_tables(engine)
        yield engine


def fill(lakehouse: Lakehouse, days: int = 30) -> None:
    random = np.random.default_rng(3)
    moments = [NOW - timedelta(hours=hour) for hour in reversed(range(days * 24))]
    append_history(lakehouse, [evaluation(at, USUAL + float(random.normal(0, 2))) for at in moments])


def refreshed(lakehouse: Lakehouse, alert: ModelledAlert) -> dict[datetime, dict[str, Any]]:
    """The ranges that a refresh writes, by hour."""
    series: Series = histories(lakehouse, [alert], NOW)[alert.alert_id]
    model = train(series, int(NOW.timestamp()) // 3600)
    done = refresh(lakehouse, [alert], NOW, lambda _: Served({alert.alert_id: model}))
    assert not done.failed
    return {row["valid_from"]: row for row in lakehouse.read(EXPECTED_RANGES.name).to_pylist()}


def event(**changes: Any) -> Any:
    return parse_expected_event(
        {
            "event_id": "campaign",
            "match_alert_ids": ["COST-*"],
            "starts_at": NEXT,
            "ends_at": NEXT + timedelta(hours=1),
            "reason": "the spring sale",
            "created_by": "ann",
            **changes,
        }
    )


def incident(label: str, peak: float, opened_at: datetime) -> dict[str, Any]:
    return {
        "incident_id": "i",
        "alert_id": "COST-001",
        "opened_at": opened_at,
        "resolved_at": opened_at + timedelta(minutes=30),
        "last_evaluated_at": opened_at,
        "evaluations": 1,
        "peak_value": peak,
        "reopened": 0,
        "label": label,
        "labelled_at": NOW - timedelta(hours=2),
        "history_table_id": "t",
        "history_version": 1,
    }


def test_a_planned_peak_is_expected_and_everything_beyond_it_is_told(lakehouse: Lakehouse) -> None:
    fill(lakehouse)
    plain = refreshed(lakehouse, modelled())
    declare_event(lakehouse, event(expected_value=250), NOW)
    ranges = refreshed(lakehouse, modelled())
    assert plain[NEXT]["upper"] < 100
    assert 250 < ranges[NEXT]["upper"] < 251
    later = NEXT + timedelta(hours=1)
    assert ranges[later]["upper"] == plain[later]["upper"]


def test_a_factor_is_of_what_else_is_expected_at_that_hour(lakehouse: Lakehouse) -> None:
    fill(lakehouse)
    declare_event(lakehouse, event(expected_factor=3), NOW)
    assert refreshed(lakehouse, modelled())[NEXT]["upper"] == pytest.approx(3 * USUAL, rel=0.05)


def test_where_low_values_fire_a_factor_reaches_down(lakehouse: Lakehouse) -> None:
    fill(lakehouse)
    declare_event(lakehouse, event(expected_factor=4), NOW)
    assert refreshed(lakehouse, modelled(condition=BELOW))[NEXT]["lower"] == pytest.approx(USUAL / 4, rel=0.05)


def test_what_happens_in_a_planned_event_is_not_learned(lakehouse: Lakehouse) -> None:
    fill(lakehouse)
    past = NOW - timedelta(days=3)
    append_history(lakehouse, [evaluation(past + timedelta(minutes=number), 300.0) for number in range(1, 10)])
    alert = modelled()
    learned = histories(lakehouse, [alert], NOW)["COST-001"]
    row = event(starts_at=past - timedelta(hours=1), ends_at=NOW + timedelta(minutes=1), expected_value=400)
    declare_event(lakehouse, row, past - timedelta(days=1))
    (planned,) = histories(lakehouse, [alert], NOW)["COST-001"].not_learned
    assert learned.not_learned == ()
    assert planned.is_planned


def test_an_event_that_is_ended_is_expected_no_more(lakehouse: Lakehouse) -> None:
    fill(lakehouse)
    declare_event(lakehouse, event(expected_value=250), NOW)
    assert "ends at" in end_event(lakehouse, "campaign", NOW)
    assert refreshed(lakehouse, modelled())[NEXT]["upper"] < 100


def test_events_that_make_no_sense_are_refused() -> None:
    for changes, word in (
        ({}, "neither it nor expected_factor"),
        ({"expected_value": 1.0, "expected_factor": 2.0}, "beside expected_factor"),
        ({"expected_factor": 1.0}, "expected_factor"),
        ({"expected_value": 1.0, "ends_at": NEXT}, "not after starts_at"),
        ({"expected_value": 1.0, "ends_at": NEXT + timedelta(days=31)}, "change the threshold"),
        ({"expected_value": 1.0, "starts_at": "2026-04-01 08:00"}, "no time zone"),
        ({"expected_value": 1.0, "reason": ""}, "reason"),
    ):
        with pytest.raises(DefinitionError, match=word) as caught:
            event(**changes)
        assert "campaign" in str(caught.value)


def test_an_event_that_is_over_is_not_declared(lakehouse: Lakehouse) -> None:
    with pytest.raises(DefinitionError, match="over already"):
        declare_event(lakehouse, event(expected_value=1), NEXT + timedelta(days=1))


def test_an_event_that_changes_nothing_is_told() -> None:
    row = {"alert_id": "COST-001", "agent_domain": "COST", "severity": "INFO", "tags": None, "ml_model_enabled": False}
    one = event(expected_value=1)
    (note,) = event_notes([one], [row], NOW)
    assert "ml_model_enabled" in note
    assert event_notes([one], [{**row, "ml_model_enabled": True}], NOW) == []
    assert "matches no alert" in event_notes([one], [{**row, "alert_id": "SEC-001"}], NOW)[0]


def test_a_false_alarm_widens_what_is_expected_at_such_hours_and_a_true_one_does_not(lakehouse: Lakehouse) -> None:
    fill(lakehouse)
    last_week = NEXT - timedelta(days=7)
    plain = refreshed(lakehouse, modelled())
    for label, is_wide in (("TRUE_POSITIVE", False), ("FALSE_POSITIVE", True)):
        row = incident(label, 180.0, last_week)
        table = pa.Table.from_pylist([row], schema=arrow_schema(ALERT_INCIDENTS))
        lakehouse.merge(ALERT_INCIDENTS.name, table, on=["incident_id"])
        ranges = refreshed(lakehouse, modelled())
        assert (ranges[NEXT]["upper"] > 180) is is_wide
        assert (ranges[NEXT + timedelta(hours=1)]["upper"] > 180) is is_wide  # one hour on either side
        assert ranges[NEXT + timedelta(hours=2)]["upper"] == pytest.approx(plain[NEXT + timedelta(hours=2)]["upper"])


def test_a_false_alarm_of_a_weekend_says_nothing_of_working_days(lakehouse: Lakehouse) -> None:
    fill(lakehouse)
    sunday = datetime(2026, 3, 29, NEXT.hour, 0, tzinfo=UTC)
    table = pa.Table.from_pylist([incident("FALSE_POSITIVE", 180.0, sunday)], schema=arrow_schema(ALERT_INCIDENTS))
    lakehouse.append(ALERT_INCIDENTS.name, table)
    assert refreshed(lakehouse, modelled())[NEXT]["upper"] < 100
    assert MODEL in {row["model_name"] for row in lakehouse.read(EXPECTED_RANGES.name).to_pylist()}


def test_a_label_is_shown_before_it_is_given(lakehouse: Lakehouse) -> None:
    fill(lakehouse)
    opened_at = NEXT - timedelta(days=7)
    found = Incident("i", "COST-001", opened_at, opened_at, 1, 180.0, opened_at + timedelta(minutes=30))
    changed = preview_label(lakehouse, modelled(), found, Label.FALSE_POSITIVE, NOW)
    hours = {one.hour.hour for one in changed}
    assert hours == {(NEXT.hour + shift) % 24 for shift in (-1, 0, 1)}
    assert all(one.hour.weekday() < 5 for one in changed)
    assert all(one.upper is not None and one.upper < 100 < 180 < (one.upper_after or 0) for one in changed)
    assert preview_label(lakehouse, modelled(), found, None, NOW) == []
    assert lakehouse.read(EXPECTED_RANGES.name).num_rows == 0

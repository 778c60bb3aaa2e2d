"""Which alerts are due, held against fire times that are counted one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.evaluation.due import MISSED_COUNTED, Due, due_alerts, due_since, evaluation_id
from alerting_assets.incidents.fold import AlertState, Row
from alerting_assets.quartz import parse_quartz

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 28, 10, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def row(alert_id: str = "A", cron: str = "0 0 * * * ?", **changes: Any) -> dict[str, Any]:
    return {
        "alert_id": alert_id,
        "schedule_cron": cron,
        "schedule_timezone": "UTC",
        "is_enabled": True,
        "created_at": NOW - timedelta(days=10),
        "databricks_alert_id": None,
        "operator": "GREATER_THAN",
        "for_evaluations": None,
        "ml_model_enabled": False,
        **changes,
    }


def state(due_at: datetime | None, *, by_workspace: datetime | None = None, alert_id: str = "A") -> AlertState:
    at = due_at or by_workspace or NOW
    newest = Row(alert_id, at, "e", "own", "OK")
    return AlertState(newest, at, due_at or by_workspace, by_workspace)


CRONS = ["0 * * * * ?", "0 0/7 * * * ?", "0 0 * * * ?", "0 30 8 ? * MON-FRI", "0 0 3 1 * ?", "0 15 2 * * ?"]


@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    since=st.integers(0, 30_000).map(lambda minutes: datetime(2026, 10, 20, tzinfo=UTC) + timedelta(minutes=minutes)),
    minutes=st.integers(0, 4000),
)
def test_the_newest_fire_time_is_due_and_the_ones_before_are_missed(
    cron: str, zone: str, since: datetime, minutes: int
) -> None:
    """The weeks hold the end of summer time of both zones."""
    now = since + timedelta(minutes=minutes)
    fired = []
    for moment in parse_quartz(cron).fire_times(since, ZoneInfo(zone)):
        if moment > now:
            break
        fired.append(moment)
    expected = Due(fired[-1], len(fired) - 1, fired[0]) if fired else None
    assert due_since(cron, zone, since, now) == expected


def test_a_schedule_of_every_second_that_rested_for_a_year_costs_no_year() -> None:
    year = NOW - timedelta(days=365)
    assert due_since("* * * * * ?", "UTC", year, NOW) == Due(NOW, MISSED_COUNTED, year + timedelta(seconds=1))


def due(
    rows: list[dict[str, Any]], known: dict[str, AlertState], now: datetime = NOW
) -> dict[str, tuple[datetime, int]]:
    found = due_alerts(rows, known, now, HOUR)
    return {alert_id: (one.due_at, one.missed) for alert_id, one in found.items()}


FIRED = datetime(2026, 11, 28, 10, tzinfo=UTC)


def test_what_was_answered_is_due_no_more() -> None:
    assert due([row()], {}) == {"A": (FIRED, 239)}
    assert due([row()], {"A": state(FIRED - 2 * HOUR)}) == {"A": (FIRED, 1)}
    assert due([row()], {"A": state(FIRED)}) == {}


@pytest.mark.parametrize(
    "changes",
    [{"is_enabled": False}, {"schedule_cron": "nonsense"}, {"schedule_timezone": "Nowhere"}, {"created_at": NOW}],
)
def test_alerts_that_are_never_due(changes: dict[str, Any]) -> None:
    assert due([row(**changes)], {}) == {}


def test_an_alert_of_a_workspace_that_evaluates_is_left_to_it_until_it_is_late() -> None:
    deployed = row(cron="0 0/10 * * * ?", databricks_alert_id="remote")
    known = {"A": state(None, by_workspace=FIRED)}
    assert due([deployed], known, FIRED + timedelta(minutes=69)) == {}
    assert due([deployed], known, FIRED + timedelta(minutes=70)) == {"A": (FIRED + timedelta(minutes=70), 6)}
    # It stays ours, without another hour of waiting, until the workspace is back.
    ours = state(FIRED + timedelta(minutes=70), by_workspace=FIRED)
    assert due([deployed], {"A": ours}, FIRED + timedelta(minutes=81)) == {"A": (FIRED + timedelta(minutes=80), 0)}
    back = state(FIRED + timedelta(minutes=81), by_workspace=FIRED + timedelta(minutes=81))
    assert due([deployed], {"A": back}, FIRED + timedelta(minutes=91)) == {}


def test_a_new_alert_is_left_to_a_workspace_that_evaluates_others() -> None:
    deployed = row(databricks_alert_id="remote", created_at=FIRED - timedelta(minutes=5))
    known = {"B": state(None, by_workspace=FIRED, alert_id="B")}
    assert due([deployed], known) == {}
    assert due([deployed], known, FIRED + HOUR) == {"A": (FIRED + HOUR, 1)}


@pytest.mark.parametrize(
    "changes",
    [{"databricks_alert_id": None}, {"operator": "CHANGES_BY"}, {"for_evaluations": 3}, {"ml_model_enabled": True}],
)
def test_alerts_that_are_ours_though_the_workspace_evaluates(changes: dict[str, Any]) -> None:
    """One that is not deployed, and those that compare with, or learn from, values that the workspace does not tell."""
    known = {"A": state(None, by_workspace=FIRED - HOUR)}
    assert due([row(**{"databricks_alert_id": "remote", **changes})], known) == {"A": (FIRED, 0)}


def test_a_workspace_of_which_nothing_came_for_a_day_evaluates_nothing() -> None:
    known = {"A": state(FIRED - HOUR), "B": state(None, by_workspace=NOW - timedelta(hours=27), alert_id="B")}
    assert due([row(databricks_alert_id="remote")], known) == {"A": (FIRED, 0)}


def test_the_id_of_an_evaluation_follows_from_environment_alert_and_moment() -> None:
    moment = datetime(2026, 11, 28, 10, tzinfo=UTC)
    same = evaluation_id("dev", "A", moment.astimezone(ZoneInfo("Europe/Berlin")))
    assert evaluation_id("dev", "A", moment) == same
    others = {evaluation_id("prod", "A", moment), evaluation_id("dev", "B", moment), evaluation_id("dev", "A", NOW)}
    assert len({same, *others}) == 4

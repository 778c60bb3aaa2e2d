from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerting_assets.heartbeat import Facts, why_not_healthy
from alerting_assets.heartbeat.health import SyncFact

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


GOOD = Facts(
    syncs=[SyncFact(ago(5)), SyncFact(ago(60))],
    evaluated=3,
    failing=1,
    alerts=3,
    evaluated_at=ago(1),
    overdue={"A": ago(2)},
)


@pytest.mark.parametrize(
    "facts",
    [
        GOOD,
        Facts(),
        replace(GOOD, syncs=[SyncFact(ago(1), "boom"), SyncFact(ago(9))]),
        replace(GOOD, syncs=[SyncFact(ago(1)), SyncFact(ago(9), "boom")]),
        replace(GOOD, syncs=[SyncFact(ago(1), "boom")]),
        replace(GOOD, edited_at={"A": ago(29)}),
        replace(GOOD, overdue={"A": ago(34)}),
        replace(GOOD, overdue={"A": ago(600)}, evaluates=False),
        replace(GOOD, evaluated=0, failing=0),
    ],
)
def test_what_is_made_good_by_itself_within_minutes_is_healthy(facts: Facts) -> None:
    assert why_not_healthy(facts, NOW) == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (Facts(lakehouse_error="no disk"), "the lakehouse does not answer: no disk"),
        (replace(GOOD, workspace_error="HTTP 503"), "the workspace does not answer: HTTP 503"),
        (
            replace(GOOD, syncs=[SyncFact(ago(1), "list failed"), SyncFact(ago(9), "boom")]),
            "the last 2 syncs failed, the newest at 2026-11-01 11:59 UTC: list failed",
        ),
        (
            replace(GOOD, undeployed="no sync of this environment was completed yet"),
            "what is configured is not deployed: no sync of this environment was completed yet; run `alerting apply`",
        ),
        (
            replace(GOOD, edited_at={"B": ago(31), "A": ago(90), "C": ago(1)}),
            "A, B changed more than 30 minutes ago and no sync came to it",
        ),
        (
            replace(GOOD, overdue={"A": ago(36), "B": ago(600), "C": ago(3)}),
            "A, B due since 2026-11-01 02:00 UTC and not evaluated",
        ),
        (replace(GOOD, failing=3), "the newest evaluation of every alert (3) is an error"),
        (
            replace(GOOD, overdue={f"A{index}": ago(90) for index in range(7)}),
            "A0, A1, A2, A3, A4 and 2 more due since 2026-11-01 10:30 UTC and not evaluated",
        ),
    ],
)
def test_what_stays_wrong_is_told(facts: Facts, reason: str) -> None:
    assert why_not_healthy(facts, NOW) == [reason]


def test_all_that_is_wrong_is_told_at_once() -> None:
    facts = replace(GOOD, workspace_error="away", failing=3, undeployed="no sync yet")
    assert len(why_not_healthy(facts, NOW)) == 3

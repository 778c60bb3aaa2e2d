"""Events, their ids, and several of them as one."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given

from alerting_assets.delivery import Event, EventKind, Severity, delivery_id, digest
from alerting_assets.errors import DeliveryError
from alerting_assets_tests.delivery.examples import EVENTS, NOW, event
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit


@examples(30, 500)
@given(EVENTS)
def test_an_event_comes_back_from_json_as_it_was(one: Event) -> None:
    text = one.to_json()
    assert Event.from_json(text) == one
    json.loads(text, parse_constant=pytest.fail)  # no NaN, which other readers of JSON refuse


def test_the_delivery_id_depends_on_the_event_and_the_destination_only() -> None:
    assert delivery_id("e1", "d1") == delivery_id("e1", "d1")
    assert (
        len({delivery_id("e1", "d1"), delivery_id("e1", "d2"), delivery_id("e2", "d1"), delivery_id("e", "1d1")}) == 4
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event_id": ""}, "needs an event_id"),
        ({"key": ""}, "needs a key"),
        ({"occurred_at": datetime(2026, 1, 1)}, "needs a time zone"),  # noqa: DTZ001
    ],
)
def test_an_event_without_what_it_is_known_by_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(DeliveryError, match=message):
        event(**fields)  # type: ignore[arg-type]


def test_several_events_are_told_as_one() -> None:
    later = NOW + timedelta(minutes=1)
    warning = event("e1", severity=Severity.WARNING, subject="Cost rises", url="https://example.com/1")
    over = event("e2", kind=EventKind.RECOVERY, subject="Jobs run", severity=Severity.CRITICAL, occurred_at=later)
    one = digest([warning, over])
    assert one.subject == "2 messages: Cost rises; Jobs run"
    assert one.kind is EventKind.ALERT
    assert one.severity is Severity.WARNING, "what is over is not what makes it urgent"
    assert one.occurred_at == later
    assert "[WARNING] Cost rises\nCost is 12.5 & rising\nhttps://example.com/1" in one.body_text
    assert "Jobs run" in one.body_text
    assert digest([over, warning]).event_id == one.event_id
    assert Event.from_json(one.to_json()) == one


def test_a_digest_of_recoveries_is_a_recovery_and_one_of_one_is_that_one() -> None:
    over = [event(f"e{number}", kind=EventKind.RECOVERY) for number in range(3)]
    assert digest(over).kind is EventKind.RECOVERY
    assert digest(over[:1]) is over[0]
    with pytest.raises(DeliveryError):
        digest([])

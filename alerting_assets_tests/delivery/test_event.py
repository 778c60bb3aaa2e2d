"""Events, their ids, and several of them as one."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given

from alerting_assets.delivery import Event, delivery_id
from alerting_assets.errors import DeliveryError
from alerting_assets_tests.delivery.examples import DIGESTS, EVENTS, event
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit


@examples(30, 500)
@given(EVENTS | DIGESTS)
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

"""How suppression stands is told alert by alert, and what somebody should look at in sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerting_assets.errors import SettingsError
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.suppression.picture import most_held, picture_of
from alerting_assets.suppression.refresh import Serving, refresh
from alerting_assets.suppression.status import read_standings, troubles
from alerting_assets_tests.suppression.worlds import DAY, HOUR, NOW, a_world, modelled

pytestmark = pytest.mark.integration

ALERTS = [modelled(), modelled("NEW", is_live=False), modelled("ELSEWHERE", model_name="other@serving")]


def nothing(name: str) -> Serving | None:
    if name == "other@serving":
        raise SettingsError("other is away")
    return None


def test_each_alert_says_what_it_has_and_when_it_was_last_closed(lakehouse: EmbeddedLakehouse) -> None:
    served = a_world(lakehouse)
    before, _ = read_standings(lakehouse, ALERTS, NOW, nothing)
    assert [(one.model_version, one.until, one.last_closed) for one in before] == [(None, None, None)] * 3
    load = lambda name: nothing(name) if name == "other@serving" else served  # noqa: E731
    refresh(lakehouse, ALERTS, NOW, load)
    (open_, new, elsewhere), unavailable = read_standings(lakehouse, ALERTS, NOW, load)
    end = NOW.replace(minute=0) + 4 * HOUR
    assert (open_.until, open_.closed, open_.last_closed) == (end, None, None)
    assert (open_.model_version, open_.trained_at) == (served.version, served.trained_at)
    assert 0 < open_.lately.held < open_.lately.decided
    assert (new.until, new.closed, new.last_closed_at) == (end, "NO_HISTORY", NOW.replace(minute=0))
    assert (elsewhere.until, elsewhere.model_version) == (None, None)
    assert unavailable == {"other@serving": "other is away"}
    # Nobody refreshed for five hours: what was written has run out.
    (late, *_), _ = read_standings(lakehouse, ALERTS, NOW + 5 * HOUR, load)
    assert late.until is None


def test_what_tells_everything_without_need_is_named_and_what_is_only_new_is_not(lakehouse: EmbeddedLakehouse) -> None:
    served = a_world(lakehouse)
    assert troubles(refresh(lakehouse, ALERTS[:2], NOW, lambda _: served).alerts) == []
    told = troubles(refresh(lakehouse, [modelled(budget=0.1)], NOW, lambda _: served).alerts)
    assert told == [
        "1 alert tells everything, since more was held in 28 days than `ml_suppression_budget` allows: COST-001"
    ]
    old = replace(served, trained_at=NOW - 15 * DAY)
    told = troubles(refresh(lakehouse, ALERTS[:1], NOW, lambda _: old).alerts)
    assert "older than 14 days" in told[0]
    told = troubles(refresh(lakehouse, ALERTS[:1], NOW, lambda _: None).alerts)
    assert "alerting anomaly train" in told[0]


def test_a_picture_shows_the_alert_of_which_most_is_held(lakehouse: EmbeddedLakehouse) -> None:
    served = a_world(lakehouse)
    done = refresh(lakehouse, ALERTS[:2], NOW, lambda _: served)
    shown = most_held((one.alert, one.lately) for one in done.alerts)
    assert shown == ALERTS[0]
    assert picture_of(lakehouse, ALERTS[0], NOW).startswith(b"\x89PNG")
    assert picture_of(lakehouse, ALERTS[1], NOW).startswith(b"\x89PNG")
    assert most_held([]) is None

"""What a review says of each alert, and what it advises."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.suppression.review import drifted, review_alerts, review_rows
from alerting_assets_tests.anomaly.histories import waves
from alerting_assets_tests.suppression.worlds import NOW, append_history, evaluation, modelled

pytestmark = pytest.mark.integration


def fill(lakehouse: EmbeddedLakehouse, alert_id: str, days: int, *, shift: float = 0.0) -> None:
    """Hourly values up to now, under the threshold before they shift, three days ago."""
    hours = [NOW - timedelta(hours=number) for number in reversed(range(24 * days))]
    rows = []
    for at, value in zip(hours, (waves(days) - 60).tolist(), strict=True):
        moved = value + (shift if at > NOW - timedelta(days=3) else 0.0)
        reason = {"ml_reason": "USUAL", "ml_shadow": True} if moved > 100 else {}
        rows.append(evaluation(at, moved, alert_id, **reason))
    append_history(lakehouse, rows)


def test_each_alert_has_a_tier_with_its_reason_and_advice_where_somebody_should_act(
    lakehouse: EmbeddedLakehouse,
) -> None:
    fill(lakehouse, "STEADY", 50)
    fill(lakehouse, "YOUNG", 5)
    fill(lakehouse, "MOVED", 50, shift=500.0)
    alerts = [modelled("STEADY"), modelled("YOUNG"), modelled("MOVED", is_live=False), modelled("NEVER")]
    steady, young, moved, never = review_alerts(lakehouse, alerts, NOW)
    assert (steady.tier, steady.advice, steady.has_drifted) == ("SEASONAL", None, False)
    assert "24 of 24 hours" in steady.reason
    assert (young.tier, young.drift) == ("NONE", None)
    assert "5 days of history, of 14" in young.reason
    assert "alerting anomaly backfill YOUNG" in str(young.advice)
    assert moved.has_drifted
    assert "others than before" in str(moved.advice)
    assert "never evaluated" in never.reason
    assert drifted(lakehouse, alerts, NOW) == ["MOVED"]
    assert review_rows([steady, moved])[0]["alert_id"] == "MOVED"


def test_an_alert_in_shadow_that_would_have_held_enough_is_shown_the_way_on(lakehouse: EmbeddedLakehouse) -> None:
    hours = [NOW - timedelta(hours=number) for number in reversed(range(24 * 50))]
    peaks = [150.0 if at.hour == 3 else 40.0 for at in hours]
    noisy = [value + noise for value, noise in zip(peaks, (waves(50) - 100).tolist(), strict=True)]
    told = {"ml_reason": "USUAL", "ml_shadow": True}
    append_history(
        lakehouse,
        [evaluation(at, value, **(told if value > 100 else {})) for at, value in zip(hours, noisy, strict=True)],
    )
    (shadow,) = review_alerts(lakehouse, [modelled(is_live=False, budget=1.0)], NOW)
    assert "ml_shadow: false" in str(shadow.advice)
    (over,) = review_alerts(lakehouse, [modelled(budget=0.5)], NOW)
    assert "ml_suppression_budget" in str(over.advice)

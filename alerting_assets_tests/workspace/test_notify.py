"""Which evaluations notify."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerting_assets.workspace.local.notify import Remembered, notifies

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "state", "seconds_since", "notification", "expected"),
    [
        # A change to TRIGGERED, also from no state.
        (None, "TRIGGERED", None, {}, True),
        ("OK", "TRIGGERED", None, {}, True),
        ("OK", "TRIGGERED", 1, {"retrigger_seconds": 3600}, True),
        ("UNKNOWN", "TRIGGERED", None, {"retrigger_seconds": 0}, True),
        # It stays TRIGGERED.
        ("TRIGGERED", "TRIGGERED", 9999, {}, False),
        ("TRIGGERED", "TRIGGERED", 9999, {"retrigger_seconds": 0}, False),
        ("TRIGGERED", "TRIGGERED", 0, {"retrigger_seconds": 1}, True),
        ("TRIGGERED", "TRIGGERED", 59.9, {"retrigger_seconds": 60}, False),
        ("TRIGGERED", "TRIGGERED", 60, {"retrigger_seconds": 60}, True),
        ("TRIGGERED", "TRIGGERED", None, {"retrigger_seconds": 60}, True),
        # It recovers.
        ("TRIGGERED", "OK", 60, {"notify_on_ok": True}, True),
        ("TRIGGERED", "OK", 60, {"notify_on_ok": False}, False),
        ("TRIGGERED", "OK", 60, {}, False),
        # It did not fire before.
        ("OK", "OK", 60, {"notify_on_ok": True, "retrigger_seconds": 1}, False),
        (None, "OK", None, {"notify_on_ok": True}, False),
        ("UNKNOWN", "OK", None, {"notify_on_ok": True}, False),
        # What notifies nobody.
        ("OK", "ERROR", None, {"notify_on_ok": True, "retrigger_seconds": 1}, False),
        ("TRIGGERED", "ERROR", 9999, {"notify_on_ok": True, "retrigger_seconds": 1}, False),
        ("TRIGGERED", "UNKNOWN", 9999, {"notify_on_ok": True, "retrigger_seconds": 1}, False),
    ],
)
def test_whether_an_evaluation_notifies(
    before: str | None, state: str, seconds_since: float | None, notification: dict[str, Any], expected: bool
) -> None:
    notified_at = None if seconds_since is None else NOW - timedelta(seconds=seconds_since)
    assert notifies(state, NOW, Remembered(before, notified_at), notification) is expected


def test_an_error_changes_nothing_of_what_is_remembered() -> None:
    fired = Remembered().after("TRIGGERED", NOW, notified=True)
    later = NOW + timedelta(minutes=1)
    assert fired.after("ERROR", later, notified=False) == fired == Remembered("TRIGGERED", NOW)
    assert fired.after("TRIGGERED", later, notified=False) == fired
    assert fired.after("OK", later, notified=True) == Remembered("OK", later)

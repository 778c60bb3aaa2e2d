"""Why an evaluation over its threshold was held back, or was not."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """`ml_reason` of alert_history, and `closed` of expected_ranges: what holds a value, or why none is held in an hour."""

    EVENT = "EVENT"
    """People declared that it would be so high then."""
    LABELLED = "LABELLED"
    """People labelled the like of it a false alarm."""
    TOLD = "TOLD"
    """As much was told lately."""
    USUAL = "USUAL"
    """As much is usual at that hour."""
    RECURRENCE = "RECURRENCE"
    """As much was reached at that hour on several days."""

    OUTSIDE = "OUTSIDE"
    """There is a range, and the value lies outside of it."""
    NO_RANGE = "NO_RANGE"
    """No range of the serving model is valid now."""
    NO_HISTORY = "NO_HISTORY"
    """Too little is known of the alert, or of that hour."""
    PERSISTENCE = "PERSISTENCE"
    """The threshold is exceeded for longer than ever lately."""
    HOLD_OVER = "HOLD_OVER"
    """As much was held for so long that something is told again."""
    BUDGET = "BUDGET"
    """More was held lately than the alert allows."""
    STALE_MODEL = "STALE_MODEL"
    """The model is too old."""
    FAILED = "FAILED"
    """The range could not be made."""


HOLDS = (Reason.EVENT, Reason.LABELLED, Reason.TOLD, Reason.USUAL, Reason.RECURRENCE)
"""What may hold a value, in the order in which it is asked. What was told lately comes before the season: a value that it holds is no
sign of the season, so it begins no chain (`anomaly.Holding`)."""

"""What is known about a delivery: one event on its way to one destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerting_assets.delivery.event import Event, EventKind


class Outcome(StrEnum):
    SENT = "SENT"
    FAILED = "FAILED"
    """Refused for good: no attempt could succeed."""
    DEAD = "DEAD"
    """Tried for as long as is worthwhile, in vain."""


WAITING = "WAITING"
"""The state of a delivery that has no outcome yet."""


@dataclass(frozen=True)
class DeliveryRecord:
    """A delivery that is over, as the table alert_deliveries has it. One a delivery: delivery_id is its key. sent_as: the delivery_id of
    the digest that it was a part of."""

    delivery_id: str
    event: EventKind
    event_id: str
    destination_id: str
    alert_id: str | None
    incident: str
    attempted_at: datetime
    outcome: Outcome
    attempts: int
    response: str
    sent_as: str | None = None


@dataclass(frozen=True)
class Delivery:
    """A delivery as pages and commands show it. state: WAITING, or its outcome. attempted_at, response: of the last attempt.
    next_attempt_at: None where there is none to come, or no reason to wait. waits_for_others: until then, to be one message with them."""

    delivery_id: str
    event: EventKind
    event_id: str
    subject: str
    destination_id: str
    alert_id: str | None
    incident: str
    state: str
    attempts: int
    created_at: datetime
    attempted_at: datetime | None
    next_attempt_at: datetime | None
    response: str
    waits_for_others: bool = False


@dataclass(frozen=True)
class Claim:
    """A delivery that one courier has taken to attempt. attempt: the number of this attempt. delivered: recipients who have it already."""

    delivery_id: str
    event: Event
    destination_id: str
    attempt: int
    claimed_at: datetime
    delivered: tuple[str, ...]


@dataclass(frozen=True)
class Lane:
    """A destination. failures: in a row, until now. proven: whether anything ever arrived there."""

    failures: int
    proven: bool


@dataclass(frozen=True)
class Attempt:
    """What came of a claim. outcome: None where it is to be tried again, after at least `pause` seconds. retry_after: what the receiver
    asked for. shown: the message, without secrets, where it came to one."""

    claim: Claim
    ended_at: datetime
    outcome: Outcome | None
    response: str
    pause: float = 0.0
    retry_after: float | None = None
    delivered: Sequence[str] = ()
    shown: str | None = None

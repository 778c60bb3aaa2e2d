"""Outboxes, couriers and their destinations for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from alerting_assets.delivery import Courier, DeliveryRecord, Destination, Http, Limits, Outbox, Sender
from alerting_assets.errors import DestinationUnknown
from alerting_assets_tests.delivery.examples import NOW


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


class Log:
    """Takes each delivery once, as the table does. calls: how often it was asked to take which."""

    def __init__(self) -> None:
        self.rows: dict[str, DeliveryRecord] = {}
        self.calls: list[str] = []

    def __call__(self, records: Sequence[DeliveryRecord]) -> None:
        for record in records:
            self.calls.append(record.delivery_id)
            self.rows.setdefault(record.delivery_id, record)


def book(*destinations: Destination) -> Callable[[str], Destination]:
    known = {destination.destination_id: destination for destination in destinations}

    def look_up(destination_id: str) -> Destination:
        if destination_id not in known:
            raise DestinationUnknown(f"there is no destination {destination_id}")
        return known[destination_id]

    return look_up


def courier(outbox: Outbox, destinations: Iterable[Destination], **options: Any) -> Courier:
    """A courier that waits for nothing: pauses are a few hundredths of a second. Answers are waited for as long as it takes."""
    given: dict[str, Any] = {
        "limits": Limits(first_pause=0.02, longest_pause=0.2, poll=0.05),
        "jitter": lambda: 1.0,
        **options,
    }
    sender = given.pop("sender", None) or Sender(Http(connect_seconds=60, read_seconds=60, total_seconds=120))
    return Courier(outbox, sender, book(*destinations), **given)


def outbox(folder: Path, clock: Clock | None = None) -> Outbox:
    path = folder / "delivery" / "outbox.sqlite"
    return Outbox(path) if clock is None else Outbox(path, clock=clock)

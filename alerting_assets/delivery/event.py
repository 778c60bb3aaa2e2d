"""What there is to tell, and under which id it is told."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from alerting_assets.errors import DeliveryError

Value = float | int | str | bool | None


class EventKind(StrEnum):
    ALERT = "ALERT"
    RECOVERY = "RECOVERY"
    CHECK_FAILURE = "CHECK_FAILURE"
    CHECK_RECOVERY = "CHECK_RECOVERY"
    TEST = "TEST"

    @property
    def is_recovery(self) -> bool:
        """Whether it ends what an event with the same key began."""
        return self in (EventKind.RECOVERY, EventKind.CHECK_RECOVERY)


class Severity(StrEnum):
    CRITICAL = "CRITICAL"
    WARNING = "WARNING"
    INFO = "INFO"


WORST_FIRST = tuple(Severity)


@dataclass(frozen=True)
class Event:
    """One thing to tell.

    event_id: unique. The same event may be put into an outbox any number of times and is sent once.
    key: the incident. Events with one key reach a destination in the order in which they were put, and are one incident to PagerDuty.
    body_html, body_text: either may be empty, it is then made of the other one.
    parts, left_out: of a digest (digest.py), the events that it tells, and how many more it stands for.
    """

    event_id: str
    kind: EventKind
    key: str
    subject: str
    occurred_at: datetime
    body_html: str = ""
    body_text: str = ""
    severity: Severity = Severity.WARNING
    alert_id: str | None = None
    alert_name: str | None = None
    value: Value = None
    threshold: Value = None
    url: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Event, ...] = ()
    left_out: int = 0

    def __post_init__(self) -> None:
        for name in ("event_id", "key"):
            if not getattr(self, name):
                raise DeliveryError(f"an event needs {'an' if name == 'event_id' else 'a'} {name}")
        if self.occurred_at.tzinfo is None:
            raise DeliveryError(f"event {self.event_id}: occurred_at needs a time zone")
        details = {_well_formed(name): _well_formed(value) for name, value in self.details.items()}
        object.__setattr__(self, "details", details)
        for name, value in list(vars(self).items()):
            if isinstance(value, float) and not math.isfinite(value):
                object.__setattr__(self, name, str(value))  # JSON has no word for these
            elif isinstance(value, str) and not isinstance(value, StrEnum):
                object.__setattr__(self, name, _well_formed(value))

    def __hash__(self) -> int:
        return hash(self.event_id)

    def to_dict(self) -> dict[str, Any]:
        return {
            "event_id": self.event_id,
            "kind": self.kind.value,
            "key": self.key,
            "subject": self.subject,
            "occurred_at": self.occurred_at.isoformat(),
            "body_html": self.body_html,
            "body_text": self.body_text,
            "severity": self.severity.value,
            "alert_id": self.alert_id,
            "alert_name": self.alert_name,
            "value": self.value,
            "threshold": self.threshold,
            "url": self.url,
            "details": dict(self.details),
            "parts": [part.to_dict() for part in self.parts],
            "left_out": self.left_out,
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Event:
        return cls(
            **{
                **stored,
                "kind": EventKind(stored["kind"]),
                "severity": Severity(stored["severity"]),
                "occurred_at": datetime.fromisoformat(stored["occurred_at"]),
                "parts": tuple(cls.from_dict(part) for part in stored.get("parts", ())),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Event:
        return cls.from_dict(json.loads(text))


def _well_formed(text: str) -> str:
    """The text without halves of characters, which no file and no message can hold."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def delivery_id(event_id: str, destination_id: str) -> str:
    """The id of one event's way to one destination: the same at each attempt, and on every machine."""
    return hashlib.sha256(json.dumps([event_id, destination_id]).encode()).hexdigest()[:32]

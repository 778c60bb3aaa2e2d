"""What can fail, and what was seen of it. Pure: what Dagster knows is read in `automation`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from alerting_assets.delivery import Severity


class Kind(StrEnum):
    CHECK = "CHECK"
    """An asset check, or one partition of it."""
    RUN = "RUN"
    """A job: its runs fail, are killed, or do not start."""
    TICK = "TICK"
    """A sensor or a schedule, whose evaluations fail."""
    CONFIGURATION = "CONFIGURATION"
    """What says who is told."""


@dataclass(frozen=True)
class Subject:
    """What fails or does not, the same from one run to the next.

    key: unique. title: as people read it. location: the code location that it is in. alert_id: where the partition is an alert.
    is_repeated: whether it will be seen again by itself, so that it can be well again; a run that somebody started by hand over some
    assets will not, and is told once, without reminders."""

    kind: Kind
    key: str
    title: str
    location: str = ""
    asset: str | None = None
    check: str | None = None
    partition: str | None = None
    alert_id: str | None = None
    job: str | None = None
    owners: tuple[str, ...] = ()
    is_repeated: bool = True


@dataclass(frozen=True)
class Observation:
    """What was seen of a subject at a moment.

    failed: None where nothing is known about it, because it was not looked at; that changes nothing.
    details: lines below the reason: files and lines, what else the check noted.
    is_over: what failed has ended, neither well nor ill.
    is_summary: a result about all partitions of a check; it is told only where no partition of it fails, which says the same better."""

    subject: Subject
    at: datetime
    failed: bool | None
    severity: Severity = Severity.WARNING
    reason: str = ""
    details: tuple[str, ...] = ()
    is_over: bool = False
    is_summary: bool = False

    @property
    def fingerprint(self) -> str:
        """What tells one reason from another."""
        return fingerprint(self.reason, self.details)


@dataclass(frozen=True)
class Batch:
    """What was seen together, and is told in one message: a run, or a tick.

    source: its identity. title: as people read it. conversation: what messages about its job belong to, so that their order is kept.
    url: its page."""

    source: str
    title: str
    conversation: str
    observations: tuple[Observation, ...] = field(default=())
    url: str | None = None


_IDS = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b0x[0-9a-fA-F]+\b")
_MOMENTS = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?UTC|Z|[+-]\d\d:?\d\d)?")
_NUMBERS = re.compile(r"(?<![\w-])-?\d+(?:[.,:]\d+)*(?:[eE][+-]?\d+)?(?![\w-])")


def fingerprint(reason: str, details: Sequence[str] = ()) -> str:
    """Numbers that stand by themselves, moments and run ids do not count: a check that finds 3.41 % today and 3.42 % tomorrow fails for
    the same reason. Names do, those of alerts too, whatever digits are in them."""
    text = "\n".join([reason, *details])
    for pattern in (_IDS, _MOMENTS, _NUMBERS):
        text = pattern.sub("#", text)
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]

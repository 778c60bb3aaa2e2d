"""Whether alerting works, told by facts; pure.

What is wrong with one alert is told where alerts are told of: this is about the whole. An edit that was just made, an evaluation that is
just due and one sync that failed are no faults, since each is made good by itself within minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

WAITING = timedelta(minutes=30)
"""An edit that is older, and not deployed, is a fault."""
FAILED_IN_A_ROW = 2
"""So many syncs."""
SHOWN = 5
"""How many alerts a reason names."""


@dataclass(frozen=True)
class SyncFact:
    """A sync that wrote. error: why it failed as a whole, or for every alert; None where it did not."""

    ended_at: datetime
    error: str | None = None


@dataclass(frozen=True)
class Facts:
    """What a look found.

    lakehouse_error, workspace_error: why one does not answer; None where it does. Without the lakehouse all else is as if empty.
    syncs: the newest of the environment, the newest first. undeployed: why a sync is to look at everything; None where it is not.
    edited_at: alert_id → the last edit that is known of an alert, or of a route, that waits to be deployed.
    evaluates: whether evaluations are expected. overdue: alert_id → the fire time that nobody answered. late_after: how long an answer
    may take. evaluated: how many alerts have an evaluation; failing: of how many the newest is an error.
    alerts: enabled ones. evaluated_at: the newest evaluation."""

    lakehouse_error: str | None = None
    workspace_error: str | None = None
    syncs: Sequence[SyncFact] = ()
    undeployed: str | None = None
    edited_at: Mapping[str, datetime] = field(default_factory=dict)
    evaluates: bool = True
    overdue: Mapping[str, datetime] = field(default_factory=dict)
    late_after: timedelta = timedelta(minutes=35)
    evaluated: int = 0
    failing: int = 0
    alerts: int = 0
    evaluated_at: datetime | None = None


def why_not_healthy(facts: Facts, now: datetime) -> list[str]:
    """Sentences; none where all is well."""
    if facts.lakehouse_error is not None:
        return [f"the lakehouse does not answer: {facts.lakehouse_error}"]
    found = []
    if facts.workspace_error is not None:
        found.append(f"the workspace does not answer: {facts.workspace_error}")
    return [*found, *_of_syncs(facts, now), *_of_evaluations(facts, now)]


def _of_syncs(facts: Facts, now: datetime) -> list[str]:
    found = []
    failed = [sync for sync in facts.syncs[:FAILED_IN_A_ROW] if sync.error is not None]
    if len(failed) == FAILED_IN_A_ROW:
        newest = failed[0]
        found.append(
            f"the last {FAILED_IN_A_ROW} syncs failed, the newest at {_moment(newest.ended_at)}: {newest.error}"
        )
    if facts.undeployed is not None:
        found.append(f"what is configured is not deployed: {facts.undeployed}; run `alerting apply`")
    waiting = sorted(name for name, at in facts.edited_at.items() if at <= now - WAITING)
    if waiting:
        minutes = WAITING.total_seconds() / 60
        found.append(f"{_named(waiting)} changed more than {minutes:.0f} minutes ago and no sync came to it")
    return found


def _of_evaluations(facts: Facts, now: datetime) -> list[str]:
    if not facts.evaluates:
        return []
    found = []
    overdue = {name: at for name, at in facts.overdue.items() if at <= now - facts.late_after}
    if overdue:
        first = min(overdue.values())
        found.append(f"{_named(sorted(overdue))} due since {_moment(first)} and not evaluated")
    if facts.evaluated and facts.failing == facts.evaluated:
        found.append(f"the newest evaluation of every alert ({facts.evaluated}) is an error")
    return found


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"

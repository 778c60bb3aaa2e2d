"""What became of each action of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alerting_assets.deployment.plan import Plan, PlannedAction


class Status(StrEnum):
    """last_sync_status."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    DELETED = "DELETED"
    INVALID = "INVALID"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Outcome:
    planned: PlannedAction
    status: Status
    remote_id: str | None = None
    remote_name: str | None = None
    nonce: str | None = None
    error: str | None = None

    @property
    def alert_id(self) -> str:
        return self.planned.alert_id


@dataclass(frozen=True)
class SyncResult:
    """outcomes: one an action of the plan, in its order."""

    plan: Plan
    outcomes: tuple[Outcome, ...]

    def count(self, status: Status) -> int:
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def errors(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status is Status.ERROR]

    @property
    def held(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status is Status.INVALID]

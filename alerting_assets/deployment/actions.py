"""What a sync can do about one alert: a class for each kind, which knows what the alert's row says once it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import StrEnum, auto
from typing import Any, ClassVar

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.windows import windows_text
from alerting_assets.deployment.difference import FieldDifference
from alerting_assets.deployment.identity import SyncState
from alerting_assets.deployment.told import Told, told_by
from alerting_assets.workspace.port import RemoteAlert


class Action(StrEnum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    ADOPT = "ADOPT"
    """Ours by its marker, not by a stored id; updated as well where fields differ."""
    DELETE = "DELETE"
    """Trash, which Databricks keeps for 30 days."""
    UNCHANGED = "UNCHANGED"
    HELD = "HELD"
    """Not touched: the alert is quarantined, or the remote alert was changed in a way that only people can settle."""
    KEPT = "KEPT"
    """Was changed in the workspace, and is left so because somebody asked for that."""


class Status(StrEnum):
    """last_sync_status."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    DELETED = "DELETED"
    INVALID = "INVALID"
    NOT_VALIDATED = "NOT_VALIDATED"
    """Nobody judged its present form yet, so it is due again at once: it was edited while a sync was under way."""
    ERROR = "ERROR"


HELD_BACK = (Status.INVALID, Status.NOT_VALIDATED)


class Reason(StrEnum):
    """Why an action is planned, for programs; people read the sentence beside it."""

    AS_CONFIGURED = auto()
    NEW = auto()
    CHANGED = auto()
    SILENCES = auto()  # changed, or ended for an alert that tells of recoveries; all else is as it was
    DRIFTED = auto()  # somebody changed or trashed it in the workspace, and not the configuration
    GONE = auto()  # from the workspace, and the configuration changed as well
    FOUND = auto()  # by its marker
    TAKEN_OVER = auto()
    DISABLED = auto()
    REMOVED = auto()
    LEFTOVER = auto()  # a second alert of one that stays
    QUARANTINED = auto()
    NOT_VALIDATED = auto()
    NO_DESTINATION = auto()  # somebody whom it should tell cannot be told
    ADOPTION_UNFINISHED = auto()
    MARKER_LOST = auto()
    UNSEEN = auto()  # stored as deployed, and nobody can say whether it is gone
    NOT_OURS = auto()  # bears our marker, and nothing says that we made it as it is
    TOO_MANY = auto()  # a removal, among more than one sync makes unseen


@dataclass(frozen=True)
class PlannedAction(ABC):
    """reason: in words. remote: the alert in the workspace that it is about, nonce: of that one. fields: where the two differ.
    error: why the alert's present form is not deployed. done: its status when all goes well. writes: whether it sends a request
    that changes the workspace."""

    action: ClassVar[Action]
    done: ClassVar[Status]
    writes: ClassVar[bool] = False
    alert_id: str
    why: Reason
    reason: str
    _: KW_ONLY
    remote: RemoteAlert | None = field(default=None, repr=False)
    nonce: str | None = None
    fields: tuple[FieldDifference, ...] = ()
    error: str | None = None

    @property
    def remote_id(self) -> str | None:
        return self.remote.id if self.remote else None

    @property
    def remote_name(self) -> str | None:
        return str(self.remote.body.get("display_name") or "") if self.remote else None

    @property
    def name(self) -> str:
        return self.remote_name or ""

    @property
    def told(self) -> Told:
        """Who hears of the alert by this, and who no longer."""
        return Told()

    @property
    def status(self) -> Status:
        return Status.NOT_VALIDATED if self.why is Reason.NOT_VALIDATED else self.done

    @property
    def is_drift(self) -> bool:
        return self.why in (Reason.DRIFTED, Reason.MARKER_LOST)

    @property
    def is_configured(self) -> bool:
        """Whether there is a row that the outcome is about."""
        return self.why not in (Reason.REMOVED, Reason.LEFTOVER)

    @abstractmethod
    def state_after(self, outcome: Outcome, before: SyncState, host: str) -> SyncState:
        """What the row says once it went well. before: what it says now."""


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
class _Deployable(PlannedAction):
    """The remote alert is as configured afterwards."""

    compiled: CompiledAlert = field(repr=False, kw_only=True)

    @property
    def name(self) -> str:
        return self.compiled.display_name

    @property
    def told(self) -> Told:
        if not self.writes:
            return Told()
        old = self.remote.body if self.remote else {}
        return told_by(old, self.compiled.body(self.nonce or ""), self.compiled.target)

    def state_after(self, outcome: Outcome, before: SyncState, host: str) -> SyncState:
        known = before.on(host).last_sync_status
        settled = outcome.status is Status.UNCHANGED and known in (Status.CREATED, Status.UPDATED)
        status, hashed = known if settled else outcome.status.value, self.compiled.config_hash
        return SyncState(
            self.alert_id,
            outcome.remote_id,
            host,
            outcome.remote_name,
            outcome.nonce,
            hashed,
            status,
            applied_silences=windows_text(self.compiled.windows),
        )


class Create(_Deployable):
    """The nonce is yet to be drawn."""

    action, done, writes = Action.CREATE, Status.CREATED, True


class Update(_Deployable):
    action, done, writes = Action.UPDATE, Status.UPDATED, True

    @property
    def body(self) -> dict[str, Any]:
        """Of the alert as it will be."""
        assert self.nonce is not None
        return self.compiled.body(self.nonce)


class Adopt(Update):
    action = Action.ADOPT


class AdoptAsItIs(_Deployable):
    action, done = Action.ADOPT, Status.UNCHANGED


class Unchanged(_Deployable):
    action, done = Action.UNCHANGED, Status.UNCHANGED


class Kept(_Deployable):
    action, done = Action.KEPT, Status.UNCHANGED

    def state_after(self, outcome: Outcome, before: SyncState, host: str) -> SyncState:  # noqa: ARG002
        return before


class Absent(_Deployable):
    """Disabled, and not deployed."""

    action, done = Action.UNCHANGED, Status.UNCHANGED

    def state_after(self, outcome: Outcome, before: SyncState, host: str) -> SyncState:
        if before.databricks_host not in (None, host):
            return before
        was_deleted = before.last_sync_status == Status.DELETED
        return SyncState(self.alert_id, last_sync_status=(Status.DELETED if was_deleted else outcome.status).value)


class Delete(PlannedAction):
    action, done, writes = Action.DELETE, Status.DELETED, True

    def state_after(self, outcome: Outcome, before: SyncState, host: str) -> SyncState:  # noqa: ARG002
        return SyncState(self.alert_id, last_sync_status=outcome.status.value)


@dataclass(frozen=True)
class Held(PlannedAction):
    """What is deployed stays. is_enabled: of the configuration."""

    action, done = Action.HELD, Status.INVALID
    is_enabled: bool = field(default=True, kw_only=True)

    def state_after(self, outcome: Outcome, before: SyncState, host: str) -> SyncState:
        is_nowhere = self.remote is None and not self.is_enabled and before.databricks_host in (None, host)
        if is_nowhere and before.last_sync_status == Status.DELETED:
            return before
        state = SyncState(self.alert_id) if is_nowhere else before
        return replace(state, last_sync_status=outcome.status.value, last_sync_error=self.error, failed_syncs=None)


class Unclear(Held):
    """Nobody can say what is deployed: nothing is created, changed or trashed."""

    done = Status.ERROR


@dataclass(frozen=True)
class Postponed(PlannedAction):
    """A removal that waits until a person says that it is meant. removal: what it is."""

    action, done = Action.HELD, Status.INVALID
    removal: Delete = field(kw_only=True)

    @property
    def is_configured(self) -> bool:
        return self.removal.is_configured

    def state_after(self, outcome: Outcome, before: SyncState, host: str) -> SyncState:  # noqa: ARG002
        return before


class Pause(Held):
    """Held, but a disabled alert does not go on running."""

    action, writes = Action.UPDATE, True

    @property
    def body(self) -> dict[str, Any]:
        """Of the alert as it will be."""
        assert self.remote is not None
        return {**self.remote.body, "schedule": {**(self.remote.body.get("schedule") or {}), "pause_status": "PAUSED"}}

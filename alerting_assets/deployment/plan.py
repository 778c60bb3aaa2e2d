"""What a sync has to do: a pure function of (desired, remote, state). See DESIGN decisions 1 to 4.

How a remote alert is recognised, in this order; only alerts whose marker names this environment are ever considered:

1. the stored id, when its marker names the alert: that is the one, whatever its nonce;
2. the stored nonce: a creation whose answer was lost (several: the oldest, the others are clones);
3. any other marker of this alert: the state was lost or the lakehouse rebuilt; the oldest is adopted.

What else bears this alert's marker: with the same nonce it is somebody's clone (reported, untouched), with another nonce it is a
leftover of ours (trashed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.marker import Marker, read_marker
from alerting_assets.deployment.difference import FieldDifference, differences
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


@dataclass(frozen=True)
class DesiredAlert:
    """What should be deployed: a compiled alert, or the reason why this one is left as it is."""

    alert_id: str
    compiled: CompiledAlert | None
    held_reason: str = ""

    @classmethod
    def deploy(cls, compiled: CompiledAlert) -> DesiredAlert:
        return cls(compiled.alert_id, compiled)

    @classmethod
    def held(cls, alert_id: str, reason: str) -> DesiredAlert:
        return cls(alert_id, None, reason)


@dataclass(frozen=True)
class SyncState:
    """What the last sync wrote to the alert's row (tables.SYNC_COLUMNS)."""

    alert_id: str
    databricks_alert_id: str | None = None
    databricks_host: str | None = None
    databricks_display_name: str | None = None
    deployment_nonce: str | None = None
    applied_hash: str | None = None
    last_sync_status: str | None = None
    last_sync_error: str | None = None

    def on(self, host: str) -> SyncState:
        """What this says about that workspace: nothing, if it was another one."""
        return self if self.databricks_host == host else SyncState(self.alert_id)


def read_state(rows: Iterable[Mapping[str, Any]]) -> dict[str, SyncState]:
    names = SyncState.__dataclass_fields__
    return {row["alert_id"]: SyncState(**{name: row[name] for name in names}) for row in rows}


@dataclass(frozen=True)
class PlannedAction:
    """remote_id, nonce: of the remote alert that it is about; None for CREATE, and for alerts that are not deployed.
    fields: what an UPDATE or ADOPT changes."""

    action: Action
    alert_id: str
    reason: str
    name: str = ""
    remote_id: str | None = None
    nonce: str | None = None
    remote_name: str | None = None
    compiled: CompiledAlert | None = field(default=None, repr=False)
    fields: tuple[FieldDifference, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether it sends a request that changes the workspace."""
        return self.action in (Action.CREATE, Action.UPDATE, Action.DELETE) or bool(self.fields)


@dataclass(frozen=True)
class Plan:
    """actions: ordered by alert_id. notes: what people should know and nothing is done about."""

    environment: str
    host: str
    actions: tuple[PlannedAction, ...]
    notes: tuple[str, ...] = ()

    def of(self, *kinds: Action) -> list[PlannedAction]:
        return [action for action in self.actions if action.action in kinds]

    @property
    def pending(self) -> list[PlannedAction]:
        return [action for action in self.actions if action.writes or action.action is Action.ADOPT]

    def restricted_to(self, alert_ids: Iterable[str]) -> Plan:
        """The part of it that is about these alerts."""
        wanted = set(alert_ids)
        return Plan(
            self.environment,
            self.host,
            tuple(action for action in self.actions if action.alert_id in wanted),
            self.notes,
        )


def make_plan(
    desired: Sequence[DesiredAlert],
    remote: Sequence[RemoteAlert],
    state: Mapping[str, SyncState],
    *,
    environment: str,
    host: str,
) -> Plan:
    """remote: everything in the workspace, as `observe` returns it. state: of the rows, by alert_id."""
    active = {alert.id: alert for alert in remote if alert.is_active}
    ours = _ours(active.values(), environment)
    marked = {candidate.alert.id for candidates in ours.values() for candidate in candidates}
    actions: list[PlannedAction] = []
    notes: list[str] = []
    for wanted in desired:
        known = state.get(wanted.alert_id, SyncState(wanted.alert_id)).on(host)
        candidates = ours.pop(wanted.alert_id, [])
        stored = active.get(known.databricks_alert_id or "")
        if stored is not None and stored.id not in marked:
            actions.append(_lost_marker(wanted, stored, environment))
            continue
        current = _current(known, candidates)
        actions.append(_act(wanted, current, known))
        if current is None:
            continue
        for other in candidates:
            if other is current:
                continue
            if other.nonce == current.nonce:
                notes.append(_clone_note(wanted.alert_id, current, other))
            else:
                reason = f"leftover: a second alert of {wanted.alert_id}, from a creation whose answer was lost"
                actions.append(_delete(wanted.alert_id, other, reason))
        notes += _parent_note(wanted, current)
    for alert_id, orphans in sorted(ours.items()):
        nonces: dict[str, _Ours] = {}
        for orphan in orphans:
            if orphan.nonce in nonces:
                notes.append(_clone_note(alert_id, nonces[orphan.nonce], orphan) + _NOT_FOR_LONG)
                continue
            nonces[orphan.nonce] = orphan
            actions.append(_delete(alert_id, orphan, "its configuration is gone"))
    return Plan(
        environment,
        host,
        tuple(sorted(actions, key=lambda action: (action.alert_id, action.action, action.remote_id or ""))),
        tuple(sorted(notes)),
    )


def marker_of(alert: RemoteAlert) -> Marker | None:
    return read_marker(str(alert.body.get("query_text") or ""))


@dataclass(frozen=True)
class _Ours:
    alert: RemoteAlert
    nonce: str


def _ours(active: Iterable[RemoteAlert], environment: str) -> dict[str, list[_Ours]]:
    """By alert_id, in the order of the list: the oldest first."""
    found: dict[str, list[_Ours]] = {}
    for alert in active:
        marker = marker_of(alert)
        if marker is not None and marker.environment == environment:
            found.setdefault(marker.alert_id, []).append(_Ours(alert, marker.nonce))
    return found


def _current(known: SyncState, candidates: Sequence[_Ours]) -> _Ours | None:
    by_id = [candidate for candidate in candidates if candidate.alert.id == known.databricks_alert_id]
    by_nonce = [candidate for candidate in candidates if candidate.nonce == known.deployment_nonce]
    return next(iter([*by_id, *by_nonce, *candidates]), None)


def _act(wanted: DesiredAlert, current: _Ours | None, known: SyncState) -> PlannedAction:
    alert_id, compiled = wanted.alert_id, wanted.compiled
    if current is None:
        if compiled is None:
            return PlannedAction(Action.HELD, alert_id, wanted.held_reason)
        if not compiled.is_enabled:
            return PlannedAction(Action.UNCHANGED, alert_id, "disabled, and not deployed", compiled.display_name)
        reason = (
            "is new" if known.databricks_alert_id is None else f"{known.databricks_alert_id} is gone from the workspace"
        )
        return PlannedAction(Action.CREATE, alert_id, reason, compiled.display_name, compiled=compiled)
    remote_name = str(current.alert.body.get("display_name") or "")
    if compiled is None:
        reason = f"{wanted.held_reason}; what was deployed before stays"
        return PlannedAction(Action.HELD, alert_id, reason, remote_name, current.alert.id, current.nonce, remote_name)
    got = known.databricks_display_name if known.applied_hash == compiled.config_hash else None
    fields = differences(compiled.body(current.nonce), current.alert.body, alert_id, given_name=got)
    changed = ", ".join(difference.path for difference in fields)
    if current.alert.id != known.databricks_alert_id:
        action, reason = (
            Action.ADOPT,
            "is in the workspace already, by its marker" + (f"; differs in {changed}" if fields else ""),
        )
    elif fields:
        drifted = known.applied_hash == compiled.config_hash
        source = f" (template {compiled.template_id})" if compiled.template_id and not drifted else ""
        action, reason = Action.UPDATE, f"{'was changed in the workspace' if drifted else 'changed'}: {changed}{source}"
    else:
        action, reason = Action.UNCHANGED, "is as configured"
    return PlannedAction(
        action,
        alert_id,
        reason,
        compiled.display_name,
        current.alert.id,
        current.nonce,
        remote_name,
        compiled,
        tuple(fields),
    )


def _lost_marker(wanted: DesiredAlert, stored: RemoteAlert, environment: str) -> PlannedAction:
    """Somebody replaced the query text. It may be theirs by now, so it is not overwritten; a second one would alert twice."""
    reason = (
        f"the query of {stored.id} no longer begins with the marker of {wanted.alert_id} in environment {environment}: it was edited in "
        "the workspace. Trash that alert there to have it deployed anew, or restore its first line"
    )
    return PlannedAction(Action.HELD, wanted.alert_id, reason, remote_id=stored.id)


def _delete(alert_id: str, ours: _Ours, reason: str) -> PlannedAction:
    name = str(ours.alert.body.get("display_name") or "")
    return PlannedAction(Action.DELETE, alert_id, reason, name, ours.alert.id, ours.nonce, name)


def _clone_note(alert_id: str, current: _Ours, other: _Ours) -> str:
    return f"{other.alert.id} is a clone of {current.alert.id} ({alert_id}), made in the workspace; it is left alone"


# Once the original is trashed nothing tells the clone from it.
_NOT_FOR_LONG = (
    " by this sync; the next one trashes it, as that alert is no longer configured. To keep it, remove its first line"
)


def _parent_note(wanted: DesiredAlert, current: _Ours) -> list[str]:
    """parent_path can only be given at creation."""
    if (
        wanted.compiled is None
        or wanted.compiled.target.parent_path is None
        or not current.alert.body.get("parent_path")
    ):
        return []
    want, have = (
        _normal_path(str(path)) for path in (wanted.compiled.target.parent_path, current.alert.body["parent_path"])
    )
    if want == have:
        return []
    return [
        f"{wanted.alert_id} lies in {have}, not in {want}; alerts cannot be moved by the API: trash it to have it deployed there"
    ]


def _normal_path(path: str) -> str:
    return "/" + path.removeprefix("/Workspace").strip("/")

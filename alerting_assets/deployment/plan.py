"""What a sync has to do: a pure function of (desired, remote, state). See docs/architecture.md, "Plan, then apply".

Which remote alert belongs to which configuration is decided in `identity`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.windows import read_windows, windows_in_words
from alerting_assets.configuration.load import MIN_REMOVALS, removal_limit
from alerting_assets.deployment.actions import (
    Absent,
    Action,
    Adopt,
    AdoptAsItIs,
    Create,
    Delete,
    Held,
    Kept,
    Pause,
    PlannedAction,
    Postponed,
    Reason,
    Unchanged,
    Unclear,
    Update,
)
from alerting_assets.deployment.difference import FieldDifference, differences
from alerting_assets.deployment.identity import Ours, SyncState, marker_of, ours_in
from alerting_assets.deployment.registry import Registry
from alerting_assets.deployment.told import told_by
from alerting_assets.workspace.port import RemoteAlert


@dataclass(frozen=True)
class DesiredAlert:
    """What should be deployed: a compiled alert, or the reason why this one is left as it is. A disabled alert is never left running,
    whatever else is wrong with it. routed_to: what routes do to it."""

    alert_id: str
    compiled: CompiledAlert | None
    held_reason: str = ""
    is_enabled: bool = True
    why: Reason = Reason.QUARANTINED
    routed_to: str | None = None

    @classmethod
    def deploy(cls, compiled: CompiledAlert) -> DesiredAlert:
        return cls(compiled.alert_id, compiled, is_enabled=compiled.is_enabled, routed_to=compiled.routed.effect)

    @classmethod
    def held(
        cls,
        alert_id: str,
        reason: str,
        *,
        is_enabled: bool = True,
        why: Reason = Reason.QUARANTINED,
        routed_to: str | None = None,
    ) -> DesiredAlert:
        return cls(alert_id, None, reason, is_enabled, why, routed_to)


@dataclass(frozen=True)
class Choices:
    """What people decide about a sync. delete_disabled: disabled alerts are trashed, not paused. keep_remote: what was changed or
    trashed in the workspace by hand stays so, until its configuration changes."""

    delete_disabled: bool = False
    keep_remote: bool = False


@dataclass(frozen=True)
class Plan:
    """actions: ordered by alert_id. notes: what people should know and nothing is done about. deployed: alerts of this environment
    in the workspace, those that the plan is not about included. objection: why it leaves removals out that were asked for. routed_to:
    what routes do to each alert that is configured."""

    environment: str
    host: str
    actions: tuple[PlannedAction, ...]
    notes: tuple[str, ...] = ()
    deployed: int = 0
    objection: str | None = None
    routed_to: Mapping[str, str | None] = field(default_factory=dict)

    def of(self, *kinds: Action) -> list[PlannedAction]:
        return [action for action in self.actions if action.action in kinds]

    @property
    def pending(self) -> list[PlannedAction]:
        return [action for action in self.actions if action.writes or action.action is Action.ADOPT]

    def restricted_to(self, alert_ids: Iterable[str]) -> Plan:
        """The part of it that is about these alerts."""
        wanted = set(alert_ids)
        return replace(self, actions=tuple(action for action in self.actions if action.alert_id in wanted))


def make_plan(
    desired: Sequence[DesiredAlert],
    remote: Sequence[RemoteAlert],
    state: Mapping[str, SyncState],
    *,
    environment: str,
    host: str,
    choices: Choices = Choices(),
    registry: Registry = Registry(),
    unseen: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """remote, unseen: everything in the workspace, as `observe` returns it. state: of the rows, by alert_id."""
    active = {alert.id: alert for alert in remote if alert.is_active}
    ours = ours_in(active.values(), environment)
    deployed = len(ours)
    marked = {candidate.alert.id for candidates in ours.values() for candidate in candidates}
    actions: list[PlannedAction] = []
    notes: list[str] = []
    for wanted in desired:
        known = state.get(wanted.alert_id, SyncState(wanted.alert_id)).on(host)
        candidates = ours.pop(wanted.alert_id, [])
        stored = active.get(known.databricks_alert_id or "")
        if stored is not None and stored.id not in marked:
            actions.append(_without_marker(wanted, stored, known, environment))
            continue
        reason = unseen.get(known.databricks_alert_id or "")
        if reason is not None and wanted.compiled is not None:
            actions.append(_unseen(wanted, reason))
            continue
        current = _current(wanted, known, candidates, registry)
        if isinstance(current, PlannedAction):
            actions.append(current)
            continue
        actions.append(_act(wanted, current, known, choices))
        for other in candidates:
            if other is current:
                continue
            if current is not None and other.nonce == current.nonce:
                notes.append(_clone_note(wanted.alert_id, current, other))
            elif registry.is_new or registry.owns(other, candidates) or (current and _is_as(wanted.compiled, other)):
                reason = f"leftover: a second alert of {wanted.alert_id}, from a creation whose answer was lost"
                actions.append(_delete(wanted.alert_id, other, Reason.LEFTOVER, reason))
            else:
                notes.append(_stranger_note(wanted.alert_id, other))
        if current is not None:
            notes += _parent_note(wanted, current)
    for alert_id, orphans in sorted(ours.items()):
        nonces: dict[str, Ours] = {}
        for orphan in orphans:
            if orphan.nonce in nonces:
                notes.append(_clone_note(alert_id, nonces[orphan.nonce], orphan))
            elif registry.is_new or registry.owns(orphan, orphans):
                nonces[orphan.nonce] = orphan
                actions.append(_delete(alert_id, orphan, Reason.REMOVED, "its configuration is gone"))
            else:
                notes.append(_stranger_note(alert_id, orphan))
    notes += _marker_removed_notes(registry, active, marked, {wanted.alert_id for wanted in desired})
    return Plan(
        environment,
        host,
        tuple(sorted(actions, key=lambda action: (action.alert_id, action.action, action.remote_id or ""))),
        tuple(sorted(notes)),
        deployed,
        routed_to={wanted.alert_id: wanted.routed_to for wanted in desired},
    )


def _current(
    wanted: DesiredAlert, known: SyncState, candidates: Sequence[Ours], registry: Registry
) -> Ours | PlannedAction | None:
    """The alert that is this configuration's, by the order of `identity`; None where there is none. An action where there is one of
    which nobody can say it."""
    by_id = next((one for one in candidates if one.alert.id == known.databricks_alert_id), None)
    if by_id is not None or not candidates:
        return by_id
    if known.databricks_alert_id is None:
        by_nonce = next((one for one in candidates if one.nonce == known.deployment_nonce), None)
        owned = next((one for one in candidates if registry.owns(one, candidates)), None)
        if found := by_nonce or owned or (candidates[0] if registry.is_new else None):
            return found
    same = next((one for one in candidates if _is_as(wanted.compiled, one)), None)
    unknown = [one for one in candidates if one.nonce not in registry.by_nonce]
    if same is not None or not unknown or known.databricks_alert_id is not None or known.deployment_nonce is not None:
        return same  # without unknown ones all are copies: the nonces are those of others
    other = unknown[0]
    reason = (
        f"{other.alert.id} bears its marker, but is not as configured, and nothing says that we made it so. Trash it in the workspace to "
        "have the alert deployed, or remove the first line of its query to keep it as it is"
    )
    return Unclear(wanted.alert_id, Reason.NOT_OURS, reason, remote=other.alert, error=reason)


def _is_as(compiled: CompiledAlert | None, candidate: Ours) -> bool:
    """Whether the alert has exactly the content that would be deployed: to take it over changes nothing."""
    return compiled is not None and not differences(
        compiled.body(candidate.nonce), candidate.alert.body, compiled.alert_id
    )


def _unseen(wanted: DesiredAlert, why: str) -> PlannedAction:
    reason = (
        f"{why}. Nothing is done about it, since a second one would alert twice: give the principal access, or, if it is gone, run "
        f"`alerting apply --recreate {wanted.alert_id}`"
    )
    return Unclear(wanted.alert_id, Reason.UNSEEN, reason, error=reason, is_enabled=wanted.is_enabled)


def without_mass_deletion(plan: Plan, percent: int) -> Plan:
    """The plan with its removals left out where they are more than one sync makes unseen; all else in it stays."""
    reason = mass_deletion(plan, percent)
    if reason is None:
        return plan
    objection = f"{reason}, so all of them stay. If that is meant, run `alerting apply --allow-deletes`"
    actions = [
        Postponed(
            action.alert_id,
            Reason.TOO_MANY,
            objection,
            remote=action.remote,
            nonce=action.nonce,
            error=objection,
            removal=action,
        )
        if isinstance(action, Delete) and action.why is not Reason.LEFTOVER
        else action
        for action in plan.actions
    ]
    return replace(plan, actions=tuple(actions), objection=objection)


def mass_deletion(plan: Plan, percent: int) -> str | None:
    """Why a plan that removes more than this share of what is deployed should not be carried out unseen; None when it does not.
    Leftovers don't count: the alert itself stays."""
    removed = sum(action.why is not Reason.LEFTOVER for action in plan.of(Action.DELETE))
    allowed = removal_limit(plan.deployed, percent)
    if removed <= allowed:
        return None
    return (
        f"{removed} of {plan.deployed} deployed alerts would be removed from {plan.host}, and a sync removes {allowed} at most "
        f"(ALERTING_MAX_DELETE_PERCENT={percent}, at least {MIN_REMOVALS})"
    )


def _act(wanted: DesiredAlert, current: Ours | None, known: SyncState, choices: Choices) -> PlannedAction:
    if current is None:
        return _absent(wanted, known, choices)
    if not wanted.is_enabled and choices.delete_disabled:
        return _delete(wanted.alert_id, current, Reason.DISABLED, "is disabled")
    if wanted.compiled is None:
        return _held(wanted, current)
    return _compared(wanted.compiled, current, known, choices)


def _absent(wanted: DesiredAlert, known: SyncState, choices: Choices) -> PlannedAction:
    alert_id, compiled = wanted.alert_id, wanted.compiled
    if compiled is None:
        reason = wanted.held_reason
        return Held(alert_id, wanted.why, reason, error=reason, is_enabled=wanted.is_enabled)
    if not compiled.is_enabled:
        return Absent(alert_id, Reason.DISABLED, "disabled, and not deployed", compiled=compiled)
    gone = known.databricks_alert_id
    if gone is None:
        return Create(alert_id, Reason.NEW, "is new", compiled=compiled)
    reason = f"{gone} is gone from the workspace"
    why = Reason.DRIFTED if known.applied_hash == compiled.config_hash else Reason.GONE
    if why is Reason.DRIFTED and choices.keep_remote:
        return Kept(alert_id, why, f"{reason}; left so", compiled=compiled)
    return Create(alert_id, why, reason, compiled=compiled)


def _held(wanted: DesiredAlert, current: Ours) -> PlannedAction:
    """What was deployed before stays, but a disabled alert does not go on running."""
    reason = f"{wanted.held_reason}; what was deployed before stays"
    given: dict[str, Any] = {"remote": current.alert, "nonce": current.nonce, "error": wanted.held_reason}
    status = (current.alert.body.get("schedule") or {}).get("pause_status") or "UNPAUSED"
    if wanted.is_enabled or status == "PAUSED":
        return Held(wanted.alert_id, wanted.why, reason, is_enabled=wanted.is_enabled, **given)
    fields = (FieldDifference("schedule.pause_status", status, "PAUSED"),)
    return Pause(wanted.alert_id, wanted.why, f"is disabled; {reason}", is_enabled=False, fields=fields, **given)


def _compared(
    compiled: CompiledAlert, current: Ours, known: SyncState, choices: Choices, *, taken_over: bool = False
) -> PlannedAction:
    is_applied = known.applied_hash == compiled.config_hash
    given_name = known.databricks_display_name if is_applied else None
    body = compiled.body(current.nonce)
    fields = tuple(differences(body, current.alert.body, compiled.alert_id, given_name=given_name))
    changed = ", ".join(difference.path for difference in fields)
    if fields and (told := told_by(current.alert.body, body, compiled.target).words):
        changed = f"{changed} ({told})"
    kind: type[Adopt | AdoptAsItIs | Unchanged | Kept | Update] = Unchanged
    why, reason = Reason.AS_CONFIGURED, "is as configured"
    if taken_over:
        kind, why, reason = Adopt, Reason.TAKEN_OVER, f"was made by hand and is taken over; changes {changed}"
    elif current.alert.id != known.databricks_alert_id:
        kind, why = (Adopt if fields else AdoptAsItIs), (Reason.DRIFTED if fields and is_applied else Reason.FOUND)
        reason = "is in the workspace already, by its marker" + (f"; differs in {changed}" if fields else "")
    elif fields and is_applied:
        kind, why, reason = Update, Reason.DRIFTED, f"was changed in the workspace: {changed}"
        if choices.keep_remote:
            kind, reason = Kept, f"{reason}; left so"
    elif fields and _only_silences_changed(compiled, known):
        kind, why, reason = Update, Reason.SILENCES, _silence_reason(compiled)
    elif fields:
        source = f" (template {compiled.template_id})" if compiled.template_id else ""
        kind, why, reason = Update, Reason.CHANGED, f"changed: {changed}{source}{_model_words(compiled)}"
    given: dict[str, Any] = {"remote": current.alert, "nonce": current.nonce, "fields": fields}
    return kind(compiled.alert_id, why, reason, compiled=compiled, **given)


def _model_words(compiled: CompiledAlert) -> str:
    if compiled.hold is None:
        return ""
    return "; its model holds it back" if compiled.hold.is_live else "; its model is in shadow and holds nothing back"


def _only_silences_changed(compiled: CompiledAlert, known: SyncState) -> bool:
    applied = read_windows(known.applied_silences)
    return applied != compiled.windows and compiled.silenced(applied).config_hash == known.applied_hash


def _silence_reason(compiled: CompiledAlert) -> str:
    if compiled.windows:
        return f"silences changed: it is silent {windows_in_words(compiled.windows)}"
    return "silences changed: none is to come, so it gets its own form back"


def _without_marker(wanted: DesiredAlert, stored: RemoteAlert, known: SyncState, environment: str) -> PlannedAction:
    """The stored alert is not marked as ours. Either somebody asked for it to be taken over (`alerting adopt` stores its id, then a
    nonce, and nothing was applied yet); or somebody replaced the query text: it may be theirs by now, so it is not overwritten, and a
    second one would alert twice."""
    if known.is_reserved:
        reason = f"the adoption of {stored.id} did not end; run `alerting adopt {stored.id}` again. Until then it is left alone"
        return Held(wanted.alert_id, Reason.ADOPTION_UNFINISHED, reason, remote=stored, error=reason)
    if marker_of(stored) is None and known.applied_hash is None and known.deployment_nonce is not None:
        current = Ours(stored, known.deployment_nonce)
        if wanted.compiled is None:
            return _held(wanted, current)
        return _compared(wanted.compiled, current, known, Choices(), taken_over=True)
    reason = (
        f"the query of {stored.id} no longer begins with the marker of {wanted.alert_id} in environment {environment}: it was edited in "
        "the workspace. Trash that alert there to have it deployed anew, or restore its first line"
    )
    return Held(wanted.alert_id, Reason.MARKER_LOST, reason, remote=stored, error=reason)


def _delete(alert_id: str, ours: Ours, why: Reason, reason: str) -> PlannedAction:
    return Delete(alert_id, why, reason, remote=ours.alert, nonce=ours.nonce)


def _clone_note(alert_id: str, current: Ours, other: Ours) -> str:
    return f"{other.alert.id} is a clone of {current.alert.id} ({alert_id}), made in the workspace; it is left alone"


def _stranger_note(alert_id: str, other: Ours) -> str:
    name = other.alert.body.get("display_name")
    return (
        f"{other.alert.id} ({name}) bears a marker of {alert_id} and is no alert that we deployed: a copy, made in the workspace. It is "
        "left alone and told until it is trashed there, or the first line of its query is removed"
    )


def _marker_removed_notes(
    registry: Registry, active: Mapping[str, RemoteAlert], marked: Collection[str], configured: Collection[str]
) -> Iterator[str]:
    for one in registry.by_nonce.values():
        alert = active.get(one.remote_id or "")
        if alert is not None and alert.id not in marked and one.alert_id not in configured and marker_of(alert) is None:
            yield (
                f"{alert.id} ({alert.body.get('display_name')}) was deployed as {one.alert_id}, which is not configured any more, and lost "
                f"its marker by hand: it goes on running. Trash it in the workspace, or run `alerting adopt {alert.id}`"
            )


def _parent_note(wanted: DesiredAlert, current: Ours) -> list[str]:
    """parent_path can only be given at creation."""
    if (
        wanted.compiled is None
        or wanted.compiled.target.parent_path is None
        or not current.alert.body.get("parent_path")
    ):
        return []
    want, have = (
        normal_path(str(path)) for path in (wanted.compiled.target.parent_path, current.alert.body["parent_path"])
    )
    if want == have:
        return []
    return [
        f"{wanted.alert_id} lies in {have}, not in {want}; alerts cannot be moved by the API: trash it to have it deployed there"
    ]


def normal_path(path: str) -> str:
    return "/" + path.removeprefix("/Workspace").strip("/")

"""What a sync has to do about notification destinations: a pure function of (desired, remote, state).

A destination bears no marker. Which one in the workspace is ours is told by the stored id, and, where there is none, by its name and
type. A list tells neither addresses nor secrets, so whether these changed is told by hashes of what was last sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alerting_assets.alerts.destinations import DestinationConfiguration
from alerting_assets.delivery.destination import DestinationType
from alerting_assets.deployment.actions import Action, Status
from alerting_assets.deployment.difference import FieldDifference
from alerting_assets.deployment.secrets import is_of, shown
from alerting_assets.workspace.port import RemoteDestination

_KINDS = {
    DestinationType.EMAIL: "email",
    DestinationType.SLACK: "slack",
    DestinationType.WEBHOOK: "generic_webhook",
    DestinationType.PAGERDUTY: "pagerduty",
    DestinationType.MICROSOFT_TEAMS: "microsoft_teams",
}
"""The member of the API's config."""


@dataclass(frozen=True)
class DesiredDestination:
    """What should be in the workspace, or why that cannot be said: then what is there stays.

    secret: what its reference stands for; of a list of addresses, these. new_fingerprint: of that. is_settled: the problem is one that
    people have to mend in the configuration; otherwise trying again may help."""

    destination_id: str
    configuration: DestinationConfiguration | None
    secret: str | None = field(default=None, repr=False)
    new_fingerprint: str | None = None
    problem: str | None = None
    is_settled: bool = True


@dataclass(frozen=True)
class DestinationState:
    """What a row says of the last sync; field names are the columns' names."""

    destination_id: str
    databricks_destination_id: str | None = None
    databricks_host: str | None = None
    secret_fingerprint: str | None = None
    applied_hash: str | None = None
    last_sync_status: str | None = None
    last_sync_error: str | None = None
    failed_syncs: int | None = None

    def on(self, host: str) -> DestinationState:
        """What it says about this workspace."""
        return self if self.databricks_host in (None, host) else DestinationState(self.destination_id)


@dataclass(frozen=True)
class KnownDeployment:
    """A row of destination_deployments that was not removed. found_in_use_at: when it was last to be deleted, and alerts used it."""

    destination_id: str
    remote_id: str
    was_created: bool
    found_in_use_at: datetime | None = None


@dataclass(frozen=True)
class PlannedDestination:
    """reason: in words. remote_id: of the one in the workspace. fields: where the two differ; of a secret, the fingerprints.
    error: why the present form is not deployed. sends: whether it sends a request that changes the workspace."""

    destination_id: str
    action: Action
    status: Status
    reason: str
    desired: DesiredDestination | None = field(default=None, repr=False)
    remote_id: str | None = None
    name: str = ""
    fields: tuple[FieldDifference, ...] = ()
    error: str | None = None
    sends: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """Of the API. It holds the secret."""
        assert self.desired is not None
        assert self.desired.configuration is not None
        return body_of(self.desired.configuration, self.desired.secret)


def body_of(configuration: DestinationConfiguration, secret: str | None) -> dict[str, Any]:
    kind = configuration.destination_type
    config: dict[str, Any] = {"integration_key": secret} if kind is DestinationType.PAGERDUTY else {"url": secret}
    if kind is DestinationType.EMAIL:
        config = {"addresses": list(configuration.email_addresses or ())}
    return {"display_name": configuration.destination_name, "config": {_KINDS[kind]: config}}


def plan_destinations(
    desired: Sequence[DesiredDestination],
    remote: Sequence[RemoteDestination],
    state: Mapping[str, DestinationState],
    known: Iterable[KnownDeployment],
    used_by: Mapping[str, Sequence[str]],
    *,
    host: str,
) -> list[PlannedDestination]:
    """One action for each that is desired, and one for each that is deployed and not desired any more.

    remote: the workspace's whole list. known: what is remembered as deployed. used_by: remote id → the names of the alerts in the
    workspace that subscribe it."""
    there = {one.id: one for one in remote}
    deployments = {one.remote_id: one for one in known}
    stored = {name: one.on(host) for name, one in state.items()}
    claimed = {one.databricks_destination_id or "" for one in stored.values()} & there.keys()
    actions = []
    current: set[str | None] = set()
    for wanted in sorted(desired, key=lambda one: one.destination_id):
        before = stored.get(wanted.destination_id, DestinationState(wanted.destination_id))
        action = _act(wanted, before, there, claimed, deployments)
        if action.remote_id is not None and action.action is not Action.HELD:
            claimed.add(action.remote_id)
        current.add(action.remote_id or (before.databricks_destination_id if action.action is Action.HELD else None))
        actions.append(action)
    for remote_id, one in sorted(deployments.items()):
        if remote_id not in current:
            actions.append(_gone(one, there.get(remote_id), used_by.get(remote_id, ())))
    return actions


def _act(
    wanted: DesiredDestination,
    before: DestinationState,
    there: Mapping[str, RemoteDestination],
    claimed: set[str],
    deployments: Mapping[str, KnownDeployment],
) -> PlannedDestination:
    configuration = wanted.configuration
    stored = there.get(before.databricks_destination_id or "")

    def action(kind: Action, status: Status, reason: str, **more: Any) -> PlannedDestination:
        return PlannedDestination(wanted.destination_id, kind, status, reason, wanted, name=name, **more)

    name = configuration.destination_name if configuration else (stored.name if stored else "")
    if wanted.problem is not None or configuration is None:
        status = Status.INVALID if wanted.is_settled else Status.ERROR
        stays = "; what was deployed before stays" if stored else ""
        remote_id = stored.id if stored else None
        return action(Action.HELD, status, f"{wanted.problem}{stays}", remote_id=remote_id, error=wanted.problem)
    if not configuration.is_enabled:
        remote_id = stored.id if stored else None
        status = Status.UNCHANGED if before.applied_hash == configuration.config_hash else Status.UPDATED
        return action(Action.UNCHANGED, status, "is disabled: no alert may use it", remote_id=remote_id)
    kind = configuration.destination_type.value
    if stored is not None and stored.type == kind:
        return _compared(wanted, before, stored, action)
    same = [one for one in there.values() if (one.name, one.type) == (name, kind) and one.id not in claimed]
    # One that we deployed and that nobody claims any more was renamed, or its row was lost: it goes on.
    same = sorted((one for one in same if one.id in deployments), key=lambda one: one.id)[:1] or same
    if len(same) > 1:
        ids = ", ".join(sorted(one.id for one in same))
        problem = (
            f"{len(same)} destinations of the workspace are called {name!r}, and nobody can say which one is meant: {ids}. Rename or "
            "delete all but one there, or give another destination_name"
        )
        return action(Action.HELD, Status.INVALID, problem, error=problem)
    if same:
        fields = _fields(wanted, before, same[0], is_known=False)
        reason = (
            "is in the workspace already, by its name; what is configured is sent, since nobody can read what it holds"
        )
        return action(Action.ADOPT, Status.UPDATED, reason, remote_id=same[0].id, fields=fields, sends=True)
    if stored is not None:
        reason = (
            f"its type changed from {stored.type} to {kind}, which the API cannot do: a new one is created, and {stored.id} is deleted "
            "once no alert uses it"
        )
    elif before.databricks_destination_id is not None:
        reason = f"{before.databricks_destination_id} is gone from the workspace"
    else:
        reason = "is new"
    return action(Action.CREATE, Status.CREATED, reason, sends=True)


def _compared(
    wanted: DesiredDestination,
    before: DestinationState,
    stored: RemoteDestination,
    action: Callable[..., PlannedDestination],
) -> PlannedDestination:
    assert wanted.configuration is not None
    fields = _fields(wanted, before, stored, is_known=True)
    if fields:
        changed = ", ".join(one.path for one in fields)
        by_hand = before.applied_hash == wanted.configuration.config_hash and changed == "display_name"
        reason = "was renamed in the workspace" if by_hand else f"changed: {changed}"
        return action(Action.UPDATE, Status.UPDATED, reason, remote_id=stored.id, fields=fields, sends=True)
    status = Status.UNCHANGED if before.applied_hash == wanted.configuration.config_hash else Status.UPDATED
    return action(Action.UNCHANGED, status, "is as configured", remote_id=stored.id)


def _fields(
    wanted: DesiredDestination, before: DestinationState, remote: RemoteDestination, *, is_known: bool
) -> tuple[FieldDifference, ...]:
    """is_known: what the workspace holds is what we last sent."""
    configuration, found = wanted.configuration, []
    assert configuration is not None
    if configuration.destination_name != remote.name:
        found.append(FieldDifference("display_name", remote.name, configuration.destination_name))
    if wanted.secret is not None and not (is_known and is_of(before.secret_fingerprint, wanted.secret)):
        old = shown(before.secret_fingerprint) if is_known else "unknown"
        if configuration.email_addresses:
            addresses = ", ".join(configuration.email_addresses)
            found.append(FieldDifference("email_addresses", f"others ({old})" if is_known else old, addresses))
        else:
            found.append(FieldDifference("secret", old, shown(wanted.new_fingerprint)))
    return tuple(found)


def _gone(one: KnownDeployment, remote: RemoteDestination | None, used_by: Sequence[str]) -> PlannedDestination:
    name = remote.name if remote else ""
    given: dict[str, Any] = {"remote_id": one.remote_id, "name": name}
    if remote is None:
        return PlannedDestination(
            one.destination_id, Action.UNCHANGED, Status.DELETED, "is gone from the workspace", **given
        )
    if not one.was_created:
        reason = f"{one.remote_id} was in the workspace before us, so it stays there"
        return PlannedDestination(one.destination_id, Action.UNCHANGED, Status.DELETED, reason, **given)
    if used_by:
        more = f" and {len(used_by) - 3} more" if len(used_by) > 3 else ""
        reason = (
            f"{one.remote_id} is not configured any more and is used by {', '.join(sorted(used_by)[:3])}{more}; it is "
            "deleted once no alert uses it"
        )
        return PlannedDestination(one.destination_id, Action.HELD, Status.UNCHANGED, reason, **given)
    reason = f"{one.remote_id} is not configured any more, and no alert uses it"
    return PlannedDestination(one.destination_id, Action.DELETE, Status.DELETED, reason, sends=True, **given)

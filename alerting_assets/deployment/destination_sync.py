"""Notification destinations, brought to what is configured; before the alerts that refer to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Self

from alerting_assets.configuration import DESTINATION, ConfiguredDestination, Row, read_listed, to_configured
from alerting_assets.deployment.actions import Action, Status
from alerting_assets.deployment.destination_plan import (
    DesiredDestination,
    DestinationState,
    PlannedDestination,
    plan_destinations,
)
from alerting_assets.deployment.destination_records import (
    DestinationOutcome,
    known_deployments,
    remember,
    state_of,
    write_back,
)
from alerting_assets.deployment.lease import Lease, held_lease
from alerting_assets.deployment.secrets import SecretReader, fingerprint, is_of
from alerting_assets.errors import (
    SettingsError,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceForbidden,
    WorkspaceNotFound,
    WorkspaceUnavailable,
)
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets.workspace.port import RemoteDestination, Workspace


@dataclass(frozen=True)
class DestinationResult:
    """outcomes: one an action of the plan, in its order."""

    outcomes: tuple[DestinationOutcome, ...] = ()

    @property
    def errors(self) -> list[DestinationOutcome]:
        """Those that could not be brought to what is configured."""
        return [one for one in self.outcomes if one.status in (Status.ERROR, Status.INVALID)]

    @property
    def waiting(self) -> bool:
        """Whether one that is not configured any more is still used by alerts."""
        return any(one.planned.desired is None and one.planned.action is Action.HELD for one in self.outcomes)

    def with_later(self, later: DestinationResult) -> DestinationResult:
        """With what a second sync deleted, now that the alerts are up to date."""
        ended = {one.remote_id: one for one in later.outcomes if one.planned.desired is None}
        return DestinationResult(
            tuple(ended.get(one.remote_id, one) if one.planned.desired is None else one for one in self.outcomes)
        )

    @property
    def changed(self) -> set[str]:
        """The destinations after whose change an alert that uses them may have to be deployed anew."""
        return {one.destination_id for one in self.outcomes if one.status is not Status.UNCHANGED}


@dataclass(frozen=True)
class DestinationSyncer:
    """Brings the destinations of an environment to what is configured."""

    workspace: Workspace
    environment: str
    max_concurrency: int
    lease_wait_seconds: float = 0.0

    @classmethod
    def from_settings(cls, settings: Settings, workspace: Workspace) -> Self:
        return cls(workspace, settings.environment, settings.max_concurrency, settings.lease_wait_seconds)

    def plan(self, lakehouse: Lakehouse, rows: Sequence[Row] | None = None) -> list[PlannedDestination]:
        """What is to be done. It reads the workspace where there is something to compare, and writes nothing. rows: of
        notification_destinations, where not those of the table.

        Raises WorkspaceError."""
        rows = read_listed(lakehouse, DESTINATION) if rows is None else rows
        known = known_deployments(lakehouse, self.environment, self.workspace.host)
        if not rows and not known:
            return []
        state = {row["destination_id"]: state_of(row).on(self.workspace.host) for row in rows}
        configured = to_configured(DESTINATION, rows)
        try:
            remote = self._listed(
                {one.databricks_destination_id for one in state.values()} | {one.remote_id for one in known}
            )
        except WorkspaceForbidden as error:
            problem = f"nobody can say what is in the workspace: {error}"
            return plan_destinations(
                [
                    DesiredDestination(one.identity, one.definition, problem=problem, is_settled=False)
                    for one in configured
                ],
                [],
                state,
                (),
                {},
                host=self.workspace.host,
            )
        desired = self._desired(configured, state)
        plan = partial(plan_destinations, desired, remote, state, known, host=self.workspace.host)
        first: list[PlannedDestination] = plan({})
        # Who uses what is asked only where something would be deleted.
        return plan(self._users()) if any(one.action is Action.DELETE for one in first) else first

    def sync(self, lakehouse: Lakehouse, now: Callable[[], datetime]) -> DestinationResult:
        """Plan and apply under the lease; one destination's failure is its own ERROR. Takes no lease where there is nothing to look at."""
        if not read_listed(lakehouse, DESTINATION) and not known_deployments(
            lakehouse, self.environment, self.workspace.host
        ):
            return DestinationResult()
        with held_lease(lakehouse, self.environment, now, wait_seconds=self.lease_wait_seconds) as lease:
            rows = read_listed(lakehouse, DESTINATION)
            planned = self.plan(lakehouse, rows)
            outcomes: list[DestinationOutcome] = []
            try:
                self._apply(planned, lease, outcomes)
            finally:
                known = known_deployments(lakehouse, self.environment, self.workspace.host)
                host = self.workspace.host
                remember(lakehouse, outcomes, known, environment=self.environment, host=host, now=now())
                write_back(lakehouse, outcomes, rows, host, now())
            by_plan = {id(one.planned): one for one in outcomes}
            return DestinationResult(tuple(by_plan[id(one)] for one in planned))

    def _desired(
        self, configured: Iterable[ConfiguredDestination], state: Mapping[str, DestinationState]
    ) -> list[DesiredDestination]:
        reader = SecretReader(self.workspace)
        return [self._one_desired(one, state[one.identity], reader) for one in configured]

    def _one_desired(
        self, one: ConfiguredDestination, before: DestinationState, reader: SecretReader
    ) -> DesiredDestination:
        configuration = one.definition
        if configuration is None:
            problem = "; ".join(str(replace(problem, destination_id=None)) for problem in one.problems)
            return DesiredDestination(one.identity, None, problem=problem)
        if not configuration.is_enabled:
            return DesiredDestination(one.identity, configuration)
        reference = configuration.secret
        try:
            secret = reader.read(reference) if reference else "\n".join(configuration.email_addresses or ())
        except (SettingsError, WorkspaceError) as error:
            if isinstance(error, WorkspaceDenied) and not isinstance(error, WorkspaceForbidden):
                raise
            problem = f"secret_ref: {error}"
            return DesiredDestination(one.identity, configuration, problem=problem, is_settled=False)
        kept = before.secret_fingerprint if is_of(before.secret_fingerprint, secret) else None
        return DesiredDestination(one.identity, configuration, secret, kept or fingerprint(secret))

    def _listed(self, expected: set[str | None]) -> list[RemoteDestination]:
        """The workspace's list, and what it leaves out and is there all the same: nothing is created twice because a list is late, or
        shows less than there is. expected: remote ids that are stored."""
        found = self.workspace.list_destinations()
        for remote_id in sorted(filter(None, expected - {one.id for one in found})):
            with suppress(WorkspaceNotFound):
                found.append(self.workspace.get_destination(remote_id))
        return found

    def _users(self) -> dict[str, list[str]]:
        """remote id of a destination → the alerts of the whole workspace that subscribe it."""
        found: dict[str, list[str]] = defaultdict(list)
        for alert in self.workspace.list_alerts():
            if not alert.is_active:
                continue
            notification = (alert.body.get("evaluation") or {}).get("notification") or {}
            for subscription in notification.get("subscriptions") or ():
                if remote_id := subscription.get("destination_id"):
                    found[remote_id].append(str(alert.body.get("display_name") or alert.id))
        return found

    def _apply(self, planned: Sequence[PlannedDestination], lease: Lease, outcomes: list[DestinationOutcome]) -> None:
        """Outcomes are added as they come, so that they are recorded whatever ends it."""
        outcomes += [DestinationOutcome(one, one.status, one.remote_id, one.error) for one in planned if not one.sends]
        with ThreadPoolExecutor(self.max_concurrency, thread_name_prefix="destinations") as pool:
            futures = [pool.submit(self._send, one, lease) for one in planned if one.sends]
            failure: BaseException | None = None
            for future in futures:
                try:
                    outcomes.append(future.result())
                except BaseException as error:  # noqa: BLE001 — raised below, once what was done is noted
                    failure = failure or error
                    for waiting in futures:
                        waiting.cancel()  # a refused token, a lost lease or an interrupt starts no further request
                    if not isinstance(error, Exception):
                        self.workspace.stop()
        if failure is not None:
            raise failure

    def _send(self, planned: PlannedDestination, lease: Lease) -> DestinationOutcome:
        lease.check()
        try:
            if planned.action is Action.DELETE:
                assert planned.remote_id is not None
                self.workspace.delete_destination(planned.remote_id)
                return DestinationOutcome(planned, Status.DELETED, planned.remote_id)
            if planned.action is Action.CREATE:
                return DestinationOutcome(planned, Status.CREATED, self._create(planned).id)
            assert planned.remote_id is not None
            self.workspace.update_destination(planned.remote_id, planned.body)
            return DestinationOutcome(planned, Status.UPDATED, planned.remote_id)
        except WorkspaceError as error:
            if isinstance(error, WorkspaceDenied) and not isinstance(error, WorkspaceForbidden):
                raise
            return DestinationOutcome(planned, Status.ERROR, planned.remote_id, str(error))

    def _create(self, planned: PlannedDestination) -> RemoteDestination:
        """Where the answer to a creation was lost, the one that it made is looked for by name and type; what was there before bears
        another name or type, or this one would have been adopted."""
        try:
            return self.workspace.create_destination(planned.body)
        except WorkspaceUnavailable as error:
            assert planned.desired is not None
            assert planned.desired.configuration is not None
            wanted = (planned.name, planned.desired.configuration.destination_type.value)
            made = [one for one in self.workspace.list_destinations() if (one.name, one.type) == wanted]
            if len(made) == 1:
                return made[0]
            raise WorkspaceUnavailable(f"{error}; the next sync looks for it by its name") from error

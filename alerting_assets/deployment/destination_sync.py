"""Notification destinations, brought to what is configured; before the alerts that refer to them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Self

import pyarrow as pa

from alerting_assets.alerts.compiled import Target
from alerting_assets.configuration import Row, read_rows
from alerting_assets.configuration.destinations import (
    ConfiguredDestination,
    read_destination_rows,
    to_destinations,
)
from alerting_assets.deployment.actions import Action, Status
from alerting_assets.deployment.destination_plan import (
    DesiredDestination,
    DestinationState,
    KnownDeployment,
    PlannedDestination,
    plan_destinations,
)
from alerting_assets.deployment.lease import Lease, held_lease
from alerting_assets.deployment.secrets import SecretReader, fingerprint, is_of
from alerting_assets.deployment.work import Work, pause_after
from alerting_assets.errors import (
    SettingsError,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceForbidden,
    WorkspaceUnavailable,
)
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import (
    DESTINATION_DEPLOYMENTS,
    DESTINATION_SYNC_COLUMNS,
    NOTIFICATION_DESTINATIONS,
)
from alerting_assets.settings import Settings
from alerting_assets.workspace.port import RemoteDestination, Workspace

_log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(hours=1)
"""After so long it is asked again whether alerts still use a destination that is not configured any more."""


@dataclass(frozen=True)
class DestinationOutcome:
    planned: PlannedDestination
    status: Status
    remote_id: str | None = None
    error: str | None = None

    @property
    def destination_id(self) -> str:
        return self.planned.destination_id


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
        rows = read_destination_rows(lakehouse) if rows is None else rows
        known = _known(lakehouse, self.environment, self.workspace.host)
        if not rows and not known:
            return []
        state = {row["destination_id"]: _state(row) for row in rows}
        configured = to_destinations(rows)
        try:
            remote = self.workspace.list_destinations()
        except WorkspaceForbidden as error:
            problem = f"nobody can say what is in the workspace: {error}"
            return plan_destinations(
                [
                    DesiredDestination(one.destination_id, one.configuration, problem=problem, is_settled=False)
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
        if not read_destination_rows(lakehouse) and not _known(lakehouse, self.environment, self.workspace.host):
            return DestinationResult()
        with held_lease(lakehouse, self.environment, now, wait_seconds=self.lease_wait_seconds) as lease:
            rows = read_destination_rows(lakehouse)
            planned = self.plan(lakehouse, rows)
            outcomes: list[DestinationOutcome] = []
            try:
                self._apply(planned, lease, outcomes)
            finally:
                known = _known(lakehouse, self.environment, self.workspace.host)
                self._remember(lakehouse, outcomes, known, now())
                self._write_back(lakehouse, outcomes, rows, now())
            by_plan = {id(one.planned): one for one in outcomes}
            return DestinationResult(tuple(by_plan[id(one)] for one in planned))

    def _desired(
        self, configured: Iterable[ConfiguredDestination], state: Mapping[str, DestinationState]
    ) -> list[DesiredDestination]:
        reader = SecretReader(self.workspace)
        return [self._one_desired(one, state[one.destination_id], reader) for one in configured]

    def _one_desired(
        self, one: ConfiguredDestination, before: DestinationState, reader: SecretReader
    ) -> DesiredDestination:
        configuration = one.configuration
        if configuration is None:
            problem = "; ".join(str(replace(problem, destination_id=None)) for problem in one.problems)
            return DesiredDestination(one.destination_id, None, problem=problem)
        if not configuration.is_enabled:
            return DesiredDestination(one.destination_id, configuration)
        reference = configuration.secret
        try:
            secret = reader.read(reference) if reference else "\n".join(configuration.email_addresses or ())
        except (SettingsError, WorkspaceError) as error:
            if isinstance(error, WorkspaceDenied) and not isinstance(error, WorkspaceForbidden):
                raise
            problem = f"secret_ref: {error}"
            return DesiredDestination(one.destination_id, configuration, problem=problem, is_settled=False)
        kept = before.secret_fingerprint if is_of(before.secret_fingerprint, secret) else None
        return DesiredDestination(one.destination_id, configuration, secret, kept or fingerprint(secret))

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

    def _remember(
        self,
        lakehouse: Lakehouse,
        outcomes: Iterable[DestinationOutcome],
        known: Sequence[KnownDeployment],
        now: datetime,
    ) -> None:
        """What is deployed by us, and what became of that which is not configured any more."""
        remembered = {one.remote_id: one for one in known}
        where = {"environment": self.environment, "databricks_host": self.workspace.host}
        new, ended = [], []
        for outcome in outcomes:
            if outcome.remote_id is None or outcome.status is Status.ERROR:
                continue
            row = {**where, "databricks_destination_id": outcome.remote_id}
            if outcome.remote_id not in remembered:
                was_created = outcome.planned.action is Action.CREATE
                new.append(
                    {**row, "destination_id": outcome.destination_id, "was_created": was_created, "recorded_at": now}
                )
            elif outcome.status is Status.DELETED:
                ended.append({**row, "found_in_use_at": None, "removed_at": now})
            elif outcome.planned.desired is None and _may_look_again(remembered[outcome.remote_id], now):
                ended.append({**row, "found_in_use_at": now, "removed_at": None})
        name, key, whole = (
            DESTINATION_DEPLOYMENTS.name,
            DESTINATION_DEPLOYMENTS.key,
            arrow_schema(DESTINATION_DEPLOYMENTS),
        )
        if new:
            lakehouse.merge(name, pa.Table.from_pylist(new, schema=whole), on=key)
        if ended:
            columns = ("found_in_use_at", "removed_at")
            schema = pa.schema([whole.field(column) for column in (*key, *columns)])
            lakehouse.merge(name, pa.Table.from_pylist(ended, schema=schema), on=key, update=columns, insert=False)

    def _write_back(
        self, lakehouse: Lakehouse, outcomes: Iterable[DestinationOutcome], rows: Sequence[Row], now: datetime
    ) -> None:
        """What became of each, in one MERGE of the rows that say something new."""
        state = {row["destination_id"]: _state(row) for row in rows}
        news = []
        for outcome in outcomes:
            if outcome.planned.desired is None:
                continue
            before = state[outcome.destination_id]
            after = _state_after(outcome, before, self.workspace.host)
            if after != before:
                news.append({**asdict(after), "last_synced_at": now})
        if news:
            whole = arrow_schema(NOTIFICATION_DESTINATIONS)
            names = ("destination_id", *DESTINATION_SYNC_COLUMNS)
            table = pa.Table.from_pylist(news, schema=pa.schema([whole.field(name) for name in names]))
            lakehouse.merge(
                NOTIFICATION_DESTINATIONS.name,
                table,
                on=["destination_id"],
                update=DESTINATION_SYNC_COLUMNS,
                insert=False,
            )


def _state_after(outcome: DestinationOutcome, before: DestinationState, host: str) -> DestinationState:
    planned, desired = outcome.planned, outcome.planned.desired
    known = before.on(host)
    if outcome.status in (Status.ERROR, Status.INVALID):
        failures = (known.failed_syncs or 0) + 1 if outcome.status is Status.ERROR else None
        tried = desired.configuration.config_hash if desired and desired.configuration else known.applied_hash
        return replace(
            known,
            databricks_host=host,
            applied_hash=tried,
            last_sync_status=outcome.status.value,
            last_sync_error=outcome.error,
            failed_syncs=failures,
        )
    assert desired is not None
    assert desired.configuration is not None
    settled = outcome.status is Status.UNCHANGED and known.last_sync_status in (Status.CREATED, Status.UPDATED)
    return DestinationState(
        outcome.destination_id,
        outcome.remote_id,
        host,
        desired.new_fingerprint if planned.sends else known.secret_fingerprint,
        desired.configuration.config_hash,
        known.last_sync_status if settled else outcome.status.value,
    )


def _state(row: Row) -> DestinationState:
    return DestinationState(**{one.name: row[one.name] for one in fields(DestinationState)})


def _known(lakehouse: Lakehouse, environment: str, host: str) -> list[KnownDeployment]:
    return [
        KnownDeployment(
            row["destination_id"], row["databricks_destination_id"], row["was_created"], row["found_in_use_at"]
        )
        for row in lakehouse.read(DESTINATION_DEPLOYMENTS.name).to_pylist()
        if (row["environment"], row["databricks_host"]) == (environment, host) and row["removed_at"] is None
    ]


def look_ahead(target: Target, planned: Iterable[PlannedDestination]) -> Target:
    """The target of a plan: a destination that is yet to be created and cannot be is closed."""
    failing = {one.destination_id: f"cannot be used: {one.error}" for one in planned if one.error and not one.remote_id}
    addresses = {name: value for name, value in target.addresses.items() if name not in failing}
    return replace(target, addresses=addresses, closed={**target.closed, **failing})


def users_of(rows: Iterable[Row], destination_ids: Collection[str]) -> frozenset[str]:
    """The alerts whose rows name one of these destinations."""
    return frozenset(
        row["alert_id"] for row in rows if not set(destination_ids).isdisjoint(row["notification_channels"] or ())
    )


def with_destinations(work: Work, lakehouse: Lakehouse, settings: Settings, host: str, now: datetime) -> Work:
    """The work with the destinations that are due, and with the alerts that use them."""
    due = due_destinations(lakehouse, settings.environment, host, now)
    if not due:
        return work
    version = lakehouse.version(NOTIFICATION_DESTINATIONS.name)
    alert_ids = None if work.alert_ids is None else work.alert_ids | users_of(read_rows(lakehouse), due)
    return replace(
        work,
        alert_ids=alert_ids,
        reason=f"{'' if work.is_nothing else work.reason + ', '}destinations: {', '.join(sorted(due)[:5])}",
        change=f"{work.change}{version.table_id}:{version.version}",
        destinations=frozenset(due),
    )


def due_destinations(lakehouse: Lakehouse, environment: str, host: str, now: datetime) -> set[str]:
    """The destinations about which a sync has something to do, told by the tables alone: those that changed, that failed and are due
    again, and that are deployed and not configured any more. That a secret was changed where it lies, no table tells."""
    rows = read_destination_rows(lakehouse)
    found = set()
    for one, row in zip(to_destinations(rows), rows, strict=False):
        found |= {one.destination_id} if _is_due(one, row, host, now) else set()
    current = {row["databricks_destination_id"] for row in rows if row["databricks_host"] == host}
    gone = [one for one in _known(lakehouse, environment, host) if one.remote_id not in current]
    return found | {one.destination_id for one in gone if _may_look_again(one, now)}


def _may_look_again(one: KnownDeployment, now: datetime) -> bool:
    return one.found_in_use_at is None or now >= one.found_in_use_at + LOOK_AGAIN


def _is_due(one: ConfiguredDestination, row: Row, host: str, now: datetime) -> bool:
    if row["last_sync_status"] is None or row["databricks_host"] != host:
        return True
    if row["last_sync_status"] == Status.ERROR and now >= row["last_synced_at"] + pause_after(row["failed_syncs"] or 1):
        return True
    if one.configuration is None:
        return bool(row["last_sync_status"] != Status.INVALID)
    return bool(row["applied_hash"] != one.configuration.config_hash)

"""A plan, carried out: bounded concurrency, every outcome recorded, results written back in one MERGE."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.marker import read_marker
from alerting_assets.deployment.difference import distinct_name
from alerting_assets.deployment.lease import Lease
from alerting_assets.deployment.plan import Action, Plan, PlannedAction, SyncState
from alerting_assets.errors import (
    SyncStopped,
    WorkspaceConflict,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceUnavailable,
)
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, SYNC_COLUMNS
from alerting_assets.workspace.port import RemoteAlert, Workspace

CREATE_ROUNDS = 8
"""A creation whose answer is lost is looked for and, if it is not there, sent again, this many times in all."""


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


def apply_plan(
    plan: Plan,
    state: dict[str, SyncState],
    *,
    workspace: Workspace,
    lakehouse: Lakehouse,
    lease: Lease,
    now: Callable[[], datetime],
    max_concurrency: int,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
    new_nonce: Callable[[], str] = lambda: secrets.token_hex(16),
) -> SyncResult:
    """The plan was made under the same lease. on_progress: (actions done, actions in all).

    One alert's failure is that alert's ERROR. A refused token, a lost lease and Ctrl-C start no further request; what was done until
    then is written back before the exception goes on."""
    execution = _Execution(plan, workspace, lakehouse, lease, now, max_concurrency, on_progress, new_nonce)
    try:
        execution.run()
    finally:
        write_back(lakehouse, execution.outcomes, state, plan.host, now())
    by_planned = {id(outcome.planned): outcome for outcome in execution.outcomes}
    return SyncResult(plan, tuple(by_planned[id(planned)] for planned in plan.actions))


class _Execution:
    def __init__(
        self,
        plan: Plan,
        workspace: Workspace,
        lakehouse: Lakehouse,
        lease: Lease,
        now: Callable[[], datetime],
        max_concurrency: int,
        on_progress: Callable[[int, int], None],
        new_nonce: Callable[[], str],
    ) -> None:
        self._plan = plan
        self._workspace = workspace
        self._lakehouse = lakehouse
        self._lease = lease
        self._now = now
        self._max_concurrency = max_concurrency
        self._on_progress = on_progress
        self._new_nonce = new_nonce
        self.outcomes: list[Outcome] = []

    def run(self) -> None:
        for planned in self._plan.of(Action.HELD):
            self._done(
                Outcome(planned, Status.INVALID, planned.remote_id, planned.remote_name, planned.nonce, planned.reason)
            )
        for planned in self._plan.of(Action.UNCHANGED, Action.ADOPT):
            if not planned.fields:
                self._done(Outcome(planned, Status.UNCHANGED, planned.remote_id, planned.remote_name, planned.nonce))
        changes = [planned for planned in self._plan.actions if planned.action is Action.DELETE or planned.fields]
        self._each(changes, self._change)
        self._create(self._plan.of(Action.CREATE))

    def _change(self, planned: PlannedAction) -> Outcome:
        assert planned.remote_id is not None
        if planned.action is Action.DELETE:
            self._workspace.trash_alert(planned.remote_id)
            return Outcome(planned, Status.DELETED)
        assert planned.compiled is not None
        assert planned.nonce is not None
        body = _without_parent(planned.compiled.body(planned.nonce))
        mask = [difference.path for difference in planned.fields]
        try:
            answer = self._workspace.update_alert(planned.remote_id, body, mask)
        except WorkspaceConflict:
            body["display_name"] = distinct_name(body["display_name"], planned.alert_id)
            answer = self._workspace.update_alert(planned.remote_id, body, mask)
        return Outcome(planned, Status.UPDATED, planned.remote_id, answer.body.get("display_name"), planned.nonce)

    def _create(self, creations: Sequence[PlannedAction]) -> None:
        """Nonces are stored before the requests are sent, so that an alert whose answer never came is found again."""
        pending = list(creations)
        nonces: dict[str, str] = {}
        superseded: set[str] = set()
        for attempt in range(CREATE_ROUNDS):
            if not pending:
                break
            nonces = {planned.alert_id: self._new_nonce() for planned in pending}
            store_nonces(self._lakehouse, nonces, self._plan.host)
            unclear = self._each(pending, partial(self._create_one, nonces))
            if not unclear:
                pending = []
                break
            time.sleep(min(0.1 * 2**attempt, 5.0))
            there = {
                marker: alert for alert in self._workspace.list_alerts() if (marker := _nonce_of(alert)) is not None
            }
            pending = []
            for planned in unclear:
                nonce = nonces[planned.alert_id]
                if nonce in there:
                    self._done(_created(planned, there[nonce], nonce))
                else:
                    superseded.add(nonce)
                    pending.append(planned)
        for planned in pending:
            error = f"no answer to {CREATE_ROUNDS} attempts to create it; the next sync looks for it first"
            self._done(Outcome(planned, Status.ERROR, nonce=nonces[planned.alert_id], error=error))
        if superseded:
            self._trash_latecomers(superseded)

    def _create_one(self, nonces: Mapping[str, str], planned: PlannedAction) -> Outcome | None:
        """None: it is unknown whether it was created."""
        assert planned.compiled is not None
        nonce = nonces[planned.alert_id]
        body = planned.compiled.body(nonce)
        try:
            try:
                return _created(planned, self._workspace.create_alert(body), nonce)
            except WorkspaceConflict:  # the display name is taken
                body["display_name"] = distinct_name(body["display_name"], planned.alert_id)
                return _created(planned, self._workspace.create_alert(body), nonce)
        except WorkspaceUnavailable:
            return None
        except WorkspaceDenied:
            raise
        except WorkspaceError as error:
            return Outcome(planned, Status.ERROR, nonce=nonce, error=str(error))

    def _trash_latecomers(self, superseded: set[str]) -> None:
        """A creation that was given up may have landed after the look at the list. What lands later still is the next sync's."""
        for alert in self._workspace.list_alerts():
            if _nonce_of(alert) in superseded:
                self._lease.check()
                self._workspace.trash_alert(alert.id)

    def _each(
        self, actions: Sequence[PlannedAction], send: Callable[[PlannedAction], Outcome | None]
    ) -> list[PlannedAction]:
        """Runs them concurrently and records their outcomes; returns those whose outcome is unknown."""
        unclear: list[PlannedAction] = []

        def one(planned: PlannedAction) -> Outcome | None:
            self._lease.check()
            try:
                return send(planned)
            except (WorkspaceDenied, SyncStopped):
                raise
            except WorkspaceError as error:
                return Outcome(planned, Status.ERROR, planned.remote_id, planned.remote_name, planned.nonce, str(error))

        with ThreadPoolExecutor(self._max_concurrency, thread_name_prefix="apply") as pool:
            running: dict[Future[Outcome | None], PlannedAction] = {
                pool.submit(one, planned): planned for planned in actions
            }
            failure: BaseException | None = None
            while running:
                try:
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                except KeyboardInterrupt as interrupt:
                    failure = interrupt
                    _cancel(running)
                    continue
                for future in finished:
                    planned = running.pop(future)
                    if future.cancelled():
                        continue
                    if error := future.exception():
                        failure = failure or error
                        _cancel(running)
                    elif outcome := future.result():
                        self._done(outcome)
                    else:
                        unclear.append(planned)
        if failure is not None:
            raise failure
        return unclear

    def _done(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._on_progress(len(self.outcomes), len(self._plan.actions))


def _cancel(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.cancel()


def _created(planned: PlannedAction, alert: RemoteAlert, nonce: str) -> Outcome:
    return Outcome(planned, Status.CREATED, alert.id, alert.body.get("display_name"), nonce)


def _nonce_of(alert: RemoteAlert) -> str | None:
    marker = read_marker(str(alert.body.get("query_text") or ""))
    return marker.nonce if marker and alert.is_active else None


def _without_parent(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "parent_path"}


def store_nonces(lakehouse: Lakehouse, nonces: dict[str, str], host: str) -> None:
    """For creations that are about to be sent; whatever was stored of an earlier deployment no longer holds."""
    rows = [
        {
            "alert_id": alert_id,
            "databricks_alert_id": None,
            "databricks_host": host,
            "deployment_nonce": nonce,
            "applied_hash": None,
        }
        for alert_id, nonce in nonces.items()
    ]
    _merge(lakehouse, rows, ("databricks_alert_id", "databricks_host", "deployment_nonce", "applied_hash"))


def write_back(
    lakehouse: Lakehouse, outcomes: Iterable[Outcome], state: dict[str, SyncState], host: str, now: datetime
) -> None:
    """One MERGE of the rows that say something new; none, no commit. Rows that are gone by now stay gone."""
    rows = []
    for outcome in outcomes:
        if outcome.planned.action is Action.DELETE:
            continue  # of a removed alert, which has no row; or a leftover, which its row says nothing about
        before = state.get(outcome.alert_id, SyncState(outcome.alert_id))
        after = _state_after(outcome, before, host)
        if after != before:
            rows.append({**after.__dict__, "last_synced_at": now})
    _merge(lakehouse, rows, SYNC_COLUMNS)


def _state_after(outcome: Outcome, before: SyncState, host: str) -> SyncState:
    compiled: CompiledAlert | None = outcome.planned.compiled
    known = before.on(host)
    match outcome.status:
        case Status.CREATED | Status.UPDATED | Status.UNCHANGED if compiled is not None:
            settled = outcome.status is Status.UNCHANGED and known.last_sync_status in (Status.CREATED, Status.UPDATED)
            return SyncState(
                outcome.alert_id,
                outcome.remote_id,
                host,
                outcome.remote_name,
                outcome.nonce,
                compiled.config_hash,
                known.last_sync_status if settled else outcome.status.value,
            )
        case Status.UNCHANGED:  # disabled, and not deployed here
            elsewhere = before.databricks_host not in (None, host)
            return before if elsewhere else SyncState(outcome.alert_id, last_sync_status=outcome.status.value)
        case Status.ERROR if outcome.planned.action is Action.CREATE:
            # The nonce that was stored for it stays: by it the next sync finds an alert that was created after all.
            return SyncState(
                outcome.alert_id,
                databricks_host=host,
                deployment_nonce=outcome.nonce,
                last_sync_status=outcome.status.value,
                last_sync_error=outcome.error,
            )
        case _:
            return replace(before, last_sync_status=outcome.status.value, last_sync_error=outcome.error)


def _merge(lakehouse: Lakehouse, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    if not rows:
        return
    whole = arrow_schema(ALERT_CONFIGURATIONS)
    schema = pa.schema([whole.field(name) for name in ("alert_id", *columns)])
    lakehouse.merge(
        ALERT_CONFIGURATIONS.name,
        pa.Table.from_pylist(list(rows), schema=schema),
        on=["alert_id"],
        update=columns,
        insert=False,
    )

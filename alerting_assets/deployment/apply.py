"""A plan, carried out: bounded concurrency, every outcome recorded, results written back in one MERGE."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from alerting_assets.deployment.actions import HELD_BACK, Create, Delete, Outcome, Pause, PlannedAction, Status, Update
from alerting_assets.deployment.difference import UPDATABLE, distinct_name
from alerting_assets.deployment.identity import SyncState, marker_of
from alerting_assets.deployment.lease import Lease
from alerting_assets.deployment.plan import Plan
from alerting_assets.deployment.registry import Deployed, Registry, news, remember
from alerting_assets.deployment.write_back import store_nonces, write_back
from alerting_assets.errors import (
    SyncStopped,
    WorkspaceConflict,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceForbidden,
    WorkspaceUnavailable,
)
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.workspace.port import RemoteAlert, Workspace

Sent = TypeVar("Sent", bound=PlannedAction)

CREATE_ROUNDS = 8
"""A creation whose answer is lost is looked for and, if it is not there, sent again, this many times in all."""


@dataclass(frozen=True)
class SyncResult:
    """outcomes: one an action of the plan, in its order."""

    plan: Plan
    outcomes: tuple[Outcome, ...]

    def count(self, *statuses: Status) -> int:
        return sum(outcome.status in statuses for outcome in self.outcomes)

    @property
    def errors(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status is Status.ERROR]

    @property
    def held(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status in HELD_BACK]


def apply_plan(
    plan: Plan,
    state: Mapping[str, SyncState],
    registry: Registry,
    *,
    workspace: Workspace,
    lakehouse: Lakehouse,
    lease: Lease,
    now: Callable[[], datetime],
    max_concurrency: int,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
    on_end: Callable[[Collection[Outcome]], None] = lambda _outcomes: None,
) -> SyncResult:
    """The plan was made under the same lease, with this registry. on_progress: (actions done, actions in all). on_end: is told what
    was done, also when an exception ends it.

    One alert's failure is that alert's ERROR. A refused token, a lost lease and an interrupt (Ctrl-C, a run that Dagster
    terminates) start no further request; what was done until then is written back before the exception goes on."""
    execution = _Execution(plan, workspace, lakehouse, lease, now, max_concurrency, on_progress)
    try:
        execution.run()
    finally:
        outcomes = execution.outcomes.values()
        on_end(outcomes)
        remember(lakehouse, news(outcomes, registry), environment=plan.environment, host=plan.host, now=now())
        write_back(lakehouse, outcomes, state, plan.host, now(), plan.routed_to)
    return SyncResult(plan, tuple(execution.outcomes[id(planned)] for planned in plan.actions))


@dataclass
class _Execution:
    """outcomes: by id() of the planned action."""

    plan: Plan
    workspace: Workspace
    lakehouse: Lakehouse
    lease: Lease
    now: Callable[[], datetime]
    max_concurrency: int
    on_progress: Callable[[int, int], None]
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def run(self) -> None:
        actions = self.plan.actions
        for planned in actions:
            if not planned.writes:
                self._done(_as_planned(planned, planned.remote_name))
        self._each([planned for planned in actions if isinstance(planned, Update | Pause | Delete)], self._change)
        self._create([planned for planned in actions if isinstance(planned, Create)])

    def _change(self, planned: Update | Pause | Delete) -> Outcome:
        assert planned.remote_id is not None
        if isinstance(planned, Delete):
            self.workspace.trash_alert(planned.remote_id)
            return Outcome(planned, planned.status)
        body = {name: value for name, value in planned.body.items() if name in UPDATABLE}
        mask = [difference.path for difference in planned.fields]
        try:
            answer = self.workspace.update_alert(planned.remote_id, body, mask)
        except WorkspaceConflict:
            body["display_name"] = distinct_name(body["display_name"], planned.alert_id)
            answer = self.workspace.update_alert(planned.remote_id, body, mask)
        return _as_planned(planned, answer.body.get("display_name"))

    def _create(self, creations: Sequence[Create]) -> None:
        """Nonces are stored before the requests are sent, so that an alert whose answer never came is found again."""
        pending = list(creations)
        nonces: dict[str, str] = {}
        superseded: set[str] = set()
        for attempt in range(CREATE_ROUNDS):
            if not pending:
                break
            superseded |= {nonces[planned.alert_id] for planned in pending if planned.alert_id in nonces}
            nonces = {planned.alert_id: secrets.token_hex(16) for planned in pending}
            drawn = [Deployed(nonce, alert_id) for alert_id, nonce in nonces.items()]
            where = {"environment": self.plan.environment, "host": self.plan.host}
            remember(self.lakehouse, drawn, **where, now=self.now())
            store_nonces(self.lakehouse, nonces, self.plan.host)
            pending = self._each(pending, partial(self._create_one, nonces))
            if pending:
                time.sleep(min(0.1 * 2**attempt, 2.0))
                pending = self._look_for(pending, nonces)
        for planned in pending:
            error = f"no answer to {CREATE_ROUNDS} attempts to create it; the next sync looks for it first"
            self._done(Outcome(planned, Status.ERROR, nonce=nonces[planned.alert_id], error=error))
        if superseded:
            self._trash_latecomers(superseded)

    def _look_for(self, unclear: Sequence[Create], nonces: Mapping[str, str]) -> list[Create]:
        """Records those that were created after all; returns the others."""
        there = {nonce: alert for alert in self.workspace.list_alerts() if (nonce := _nonce_of(alert)) is not None}
        for planned in unclear:
            if alert := there.get(nonces[planned.alert_id]):
                self._done(_created(planned, alert, nonces[planned.alert_id]))
        return [planned for planned in unclear if nonces[planned.alert_id] not in there]

    def _create_one(self, nonces: Mapping[str, str], planned: Create) -> Outcome | None:
        """None: it is unknown whether it was created."""
        nonce = nonces[planned.alert_id]
        body = planned.compiled.body(nonce)
        try:
            try:
                return _created(planned, self.workspace.create_alert(body), nonce)
            except WorkspaceConflict:  # the display name is taken
                body["display_name"] = distinct_name(body["display_name"], planned.alert_id)
                return _created(planned, self.workspace.create_alert(body), nonce)
        except WorkspaceUnavailable:
            return None
        except WorkspaceForbidden as error:
            return Outcome(planned, Status.ERROR, nonce=nonce, error=str(error))
        except WorkspaceDenied:
            raise
        except WorkspaceError as error:
            return Outcome(planned, Status.ERROR, nonce=nonce, error=str(error))

    def _trash_latecomers(self, superseded: set[str]) -> None:
        """A creation that was given up may have landed after the look at the list. What lands later still is the next sync's."""
        for alert in self.workspace.list_alerts():
            if _nonce_of(alert) in superseded:
                self.lease.check()
                self.workspace.trash_alert(alert.id)

    def _each(self, actions: Sequence[Sent], send: Callable[[Sent], Outcome | None]) -> list[Sent]:
        """Runs them concurrently and records their outcomes; returns those whose outcome is unknown."""

        def one(planned: Sent) -> Outcome | None:
            self.lease.check()
            try:
                return send(planned)
            except WorkspaceError as error:
                if isinstance(error, WorkspaceDenied | SyncStopped) and not isinstance(error, WorkspaceForbidden):
                    raise
                return Outcome(planned, Status.ERROR, planned.remote_id, planned.remote_name, planned.nonce, str(error))

        pool = ThreadPoolExecutor(self.max_concurrency, thread_name_prefix="apply")
        sent = {pool.submit(one, planned): planned for planned in actions}
        try:
            for future in as_completed(sent):
                if outcome := future.result():
                    self._done(outcome)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.workspace.stop()  # an interrupt: threads that wait for their turn, or to repeat a request, end now
            raise
        finally:
            # Whatever ended it: nothing new starts, and what is under way is waited for and recorded.
            pool.shutdown(cancel_futures=True)
            answered = [future.result() for future in sent if not future.cancelled() and future.exception() is None]
            self.outcomes.update({id(outcome.planned): outcome for outcome in answered if outcome})
        return [planned for future, planned in sent.items() if future.result() is None]

    def _done(self, outcome: Outcome) -> None:
        self.outcomes[id(outcome.planned)] = outcome
        self.on_progress(len(self.outcomes), len(self.plan.actions))


def _as_planned(planned: PlannedAction, name: str | None) -> Outcome:
    return Outcome(planned, planned.status, planned.remote_id, name, planned.nonce, planned.error)


def _created(planned: Create, alert: RemoteAlert, nonce: str) -> Outcome:
    return Outcome(planned, Status.CREATED, alert.id, alert.body.get("display_name"), nonce)


def _nonce_of(alert: RemoteAlert) -> str | None:
    marker = marker_of(alert)
    return marker.nonce if marker and alert.is_active else None

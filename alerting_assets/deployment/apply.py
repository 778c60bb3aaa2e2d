"""A plan, carried out: bounded concurrency, every outcome recorded, results written back in one MERGE."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime
from functools import partial

from alerting_assets.deployment.difference import UPDATABLE, distinct_name
from alerting_assets.deployment.identity import SyncState, marker_of
from alerting_assets.deployment.lease import Lease
from alerting_assets.deployment.outcome import Outcome, Status, SyncResult
from alerting_assets.deployment.plan import Action, Plan, PlannedAction
from alerting_assets.deployment.write_back import store_nonces, write_back
from alerting_assets.errors import (
    SyncStopped,
    WorkspaceConflict,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceUnavailable,
)
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.workspace.port import RemoteAlert, Workspace

CREATE_ROUNDS = 8
"""A creation whose answer is lost is looked for and, if it is not there, sent again, this many times in all."""


def apply_plan(
    plan: Plan,
    state: Mapping[str, SyncState],
    *,
    workspace: Workspace,
    lakehouse: Lakehouse,
    lease: Lease,
    now: Callable[[], datetime],
    max_concurrency: int,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
    on_end: Callable[[Collection[Outcome]], None] = lambda _outcomes: None,
) -> SyncResult:
    """The plan was made under the same lease. on_progress: (actions done, actions in all). on_end: is told what was done, also when
    an exception ends it.

    One alert's failure is that alert's ERROR. A refused token, a lost lease and an interrupt (Ctrl-C, a run that Dagster
    terminates) start no further request; what was done until then is written back before the exception goes on."""
    execution = _Execution(plan, workspace, lakehouse, lease, now, max_concurrency, on_progress)
    try:
        execution.run()
    finally:
        outcomes = execution.outcomes.values()
        on_end(outcomes)
        write_back(lakehouse, outcomes, state, plan.host, now())
    return SyncResult(plan, tuple(execution.outcomes[id(planned)] for planned in plan.actions))


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
    ) -> None:
        self._plan = plan
        self._workspace = workspace
        self._lakehouse = lakehouse
        self._lease = lease
        self._now = now
        self._max_concurrency = max_concurrency
        self._on_progress = on_progress
        self.outcomes: dict[int, Outcome] = {}
        """By id() of the planned action."""

    def run(self) -> None:
        for planned in self._plan.actions:
            if not planned.writes:
                status = Status.INVALID if planned.action is Action.HELD else Status.UNCHANGED
                error = planned.held_reason or None
                self._done(Outcome(planned, status, planned.remote_id, planned.remote_name, planned.nonce, error))
        changes = [planned for planned in self._plan.actions if planned.writes and planned.action is not Action.CREATE]
        self._each(changes, self._change)
        self._create(self._plan.of(Action.CREATE))

    def _change(self, planned: PlannedAction) -> Outcome:
        assert planned.remote_id is not None
        if planned.action is Action.DELETE:
            self._workspace.trash_alert(planned.remote_id)
            return Outcome(planned, Status.DELETED)
        assert planned.body is not None
        body = {name: planned.body[name] for name in UPDATABLE if name in planned.body}
        mask = [difference.path for difference in planned.fields]
        try:
            answer = self._workspace.update_alert(planned.remote_id, body, mask)
        except WorkspaceConflict:
            body["display_name"] = distinct_name(body["display_name"], planned.alert_id)
            answer = self._workspace.update_alert(planned.remote_id, body, mask)
        name = answer.body.get("display_name")
        status, error = (Status.INVALID, planned.held_reason) if planned.held_reason else (Status.UPDATED, None)
        return Outcome(planned, status, planned.remote_id, name, planned.nonce, error)

    def _create(self, creations: Sequence[PlannedAction]) -> None:
        """Nonces are stored before the requests are sent, so that an alert whose answer never came is found again."""
        pending = list(creations)
        nonces: dict[str, str] = {}
        superseded: set[str] = set()
        for attempt in range(CREATE_ROUNDS):
            if not pending:
                break
            superseded |= {nonces[planned.alert_id] for planned in pending if planned.alert_id in nonces}
            nonces = {planned.alert_id: secrets.token_hex(16) for planned in pending}
            store_nonces(self._lakehouse, nonces, self._plan.host)
            pending = self._each(pending, partial(self._create_one, nonces))
            if pending:
                time.sleep(min(0.1 * 2**attempt, 2.0))
                pending = self._look_for(pending, nonces)
        for planned in pending:
            error = f"no answer to {CREATE_ROUNDS} attempts to create it; the next sync looks for it first"
            self._done(Outcome(planned, Status.ERROR, nonce=nonces[planned.alert_id], error=error))
        if superseded:
            self._trash_latecomers(superseded)

    def _look_for(self, unclear: Sequence[PlannedAction], nonces: Mapping[str, str]) -> list[PlannedAction]:
        """Records those that were created after all; returns the others."""
        there = {nonce: alert for alert in self._workspace.list_alerts() if (nonce := _nonce_of(alert)) is not None}
        for planned in unclear:
            if alert := there.get(nonces[planned.alert_id]):
                self._done(_created(planned, alert, nonces[planned.alert_id]))
        return [planned for planned in unclear if nonces[planned.alert_id] not in there]

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

        def one(planned: PlannedAction) -> Outcome | None:
            self._lease.check()
            try:
                return send(planned)
            except (WorkspaceDenied, SyncStopped):
                raise
            except WorkspaceError as error:
                return Outcome(planned, Status.ERROR, planned.remote_id, planned.remote_name, planned.nonce, str(error))

        pool = ThreadPoolExecutor(self._max_concurrency, thread_name_prefix="apply")
        sent = {pool.submit(one, planned): planned for planned in actions}
        try:
            for future in as_completed(sent):
                if outcome := future.result():
                    self._done(outcome)
        except BaseException as error:
            if not isinstance(error, Exception):
                self._workspace.stop()  # an interrupt: threads that wait for their turn, or to repeat a request, end now
            raise
        finally:
            # Whatever ended it: nothing new starts, and what is under way is waited for and recorded.
            pool.shutdown(cancel_futures=True)
            answered = [future.result() for future in sent if not future.cancelled() and future.exception() is None]
            self.outcomes.update({id(outcome.planned): outcome for outcome in answered if outcome})
        return [planned for future, planned in sent.items() if future.result() is None]

    def _done(self, outcome: Outcome) -> None:
        self.outcomes[id(outcome.planned)] = outcome
        self._on_progress(len(self.outcomes), len(self._plan.actions))


def _created(planned: PlannedAction, alert: RemoteAlert, nonce: str) -> Outcome:
    return Outcome(planned, Status.CREATED, alert.id, alert.body.get("display_name"), nonce)


def _nonce_of(alert: RemoteAlert) -> str | None:
    marker = marker_of(alert)
    return marker.nonce if marker and alert.is_active else None

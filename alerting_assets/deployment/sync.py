"""The whole way from checked alerts to a workspace that is as configured: lease, look, plan, apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from alerting_assets.configuration import (
    ConfiguredAlert,
    Row,
    channel_problems,
    read_rows,
    silences_in,
    target_in,
    to_alerts,
)
from alerting_assets.deployment.actions import Reason
from alerting_assets.deployment.apply import SyncResult, apply_plan
from alerting_assets.deployment.identity import read_state
from alerting_assets.deployment.lease import Position, held_lease, read_position
from alerting_assets.deployment.observe import observe
from alerting_assets.deployment.plan import Choices, DesiredAlert, Plan, make_plan, without_mass_deletion
from alerting_assets.deployment.recording import Record, expected_outcomes, recorded
from alerting_assets.deployment.registry import Registry, read_registry
from alerting_assets.deployment.silence_work import silenced_alerts
from alerting_assets.errors import SyncStopped
from alerting_assets.lakehouse.port import Lakehouse, TableVersion
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets.settings import Settings
from alerting_assets.validation import AlertVerdict, alert_verdicts, policy_of
from alerting_assets.workspace.port import Workspace

_NOT_VALIDATED = (
    "was never validated in its present form; run `alerting validate`, or materialize validated_queries for it"
)

SHOWN = 5
"""How many alerts a message names."""


@dataclass(frozen=True)
class Syncer:
    """One sync of an environment with a workspace.

    only: the alerts that this sync is about; None: all of them, and whatever is no longer configured.
    accept_empty: the workspace shows none of ours, and a person said that they are really gone.
    max_delete_percent: how many percent of the deployed alerts one sync may remove; None: any number.
    lease_wait_seconds: how long another sync is waited for.
    started_by, syncs_avoided: for the metrics."""

    workspace: Workspace
    environment: str
    max_concurrency: int
    only: frozenset[str] | None = None
    accept_empty: bool = False
    choices: Choices = field(default_factory=Choices)
    max_delete_percent: int | None = 20
    lease_wait_seconds: float = 0.0
    started_by: str = "python"
    syncs_avoided: int = 0

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        workspace: Workspace,
        only: frozenset[str] | None = None,
        *,
        keep_remote: bool = False,
        allow_deletes: bool = False,
        **options: Any,
    ) -> Self:
        return cls(
            workspace,
            settings.environment,
            settings.max_concurrency,
            only,
            choices=Choices(settings.delete_disabled, keep_remote),
            max_delete_percent=None if allow_deletes else settings.max_delete_percent,
            lease_wait_seconds=settings.lease_wait_seconds,
            **options,
        )

    def plan(self, rows: Iterable[Row], desired: Sequence[DesiredAlert], registry: Registry) -> Plan:
        """What is to be done. Reads the workspace, unless the sync is about no alert, and writes nothing. registry: what is remembered of
        this environment's deployments.

        Raises WorkspaceError, and SyncStopped when the workspace's list cannot be believed."""
        if self.only is not None and not self.only:
            return Plan(self.environment, self.workspace.host, ())
        state = registry.with_ids(read_state(rows), self.workspace.host)
        observed = observe(
            self.workspace,
            state.values(),
            environment=self.environment,
            running={wanted.alert_id for wanted in desired if wanted.is_enabled and wanted.compiled is not None},
            max_concurrency=self.max_concurrency,
            accept_empty=self.accept_empty,
        )
        plan = make_plan(
            desired,
            observed.alerts,
            state,
            environment=self.environment,
            host=self.workspace.host,
            choices=self.choices,
            registry=registry,
            unseen=observed.unseen,
        )
        if self.max_delete_percent is not None:
            plan = without_mass_deletion(plan, self.max_delete_percent)
        return plan if self.only is None else plan.restricted_to(self.only)

    def registry(self, lakehouse: Lakehouse) -> Registry:
        return read_registry(lakehouse, self.environment, self.workspace.host)

    def sync(
        self,
        lakehouse: Lakehouse,
        read: Callable[[], tuple[Sequence[Row], Sequence[DesiredAlert]]],
        now: Callable[[], datetime],
        on_progress: Callable[[int, int], None] = lambda _done, _all: None,
        *,
        up_to: TableVersion | None = None,
    ) -> SyncResult:
        """Plan and apply under the lease.

        read: returns the rows of alert_configurations and what they ask for. It is called under the lease, so that no other sync's
            work is missed.
        up_to: the version of the `Work` that `only` comes from, which the sync then remembers as deployed."""
        with (
            self._recorded(lakehouse, now) as record,
            held_lease(lakehouse, self.environment, now, wait_seconds=self.lease_wait_seconds) as lease,
        ):
            position = up_to or lakehouse.version(ALERT_CONFIGURATIONS.name)
            rows, desired = read()
            if up_to is not None and self.only is not None:
                record.settled = [row["last_sync_status"] for row in rows if row["alert_id"] not in self.only]
            registry = self.registry(lakehouse)
            plan = self.plan(rows, desired, registry)
            result = apply_plan(
                plan,
                read_state(rows),
                registry,
                workspace=self.workspace,
                lakehouse=lakehouse,
                lease=lease,
                now=now,
                max_concurrency=self.max_concurrency,
                on_progress=on_progress,
                on_end=record.keep,
            )
            if self._is_complete(result, up_to) and self._is_news(lakehouse, position):
                commit = lakehouse.commit(ALERT_CONFIGURATIONS.name, position.version)
                lease.remember(Position(self.workspace.host, position, commit))
            return result

    def dry_run(
        self,
        lakehouse: Lakehouse,
        read: Callable[[], tuple[Sequence[Row], Sequence[DesiredAlert]]],
        now: Callable[[], datetime],
    ) -> Plan:
        """Make the plan, and store a row of metrics that counts what it would do. Nothing else is written, and no lease is taken."""
        with self._recorded(lakehouse, now, dry_run=True) as record:
            plan = self.plan(*read(), self.registry(lakehouse))
            record.keep(expected_outcomes(plan))
        return plan

    def _recorded(
        self, lakehouse: Lakehouse, now: Callable[[], datetime], *, dry_run: bool = False
    ) -> AbstractContextManager[Record]:
        return recorded(
            lakehouse,
            self.workspace,
            self.environment,
            now,
            started_by=self.started_by,
            syncs_avoided=self.syncs_avoided,
            dry_run=dry_run,
        )

    def _is_complete(self, result: SyncResult, up_to: TableVersion | None) -> bool:
        """Whether everything that is not true yet stands in a row. A removal that failed does not: its row is gone."""
        lost = any(not outcome.planned.is_configured for outcome in result.errors)
        return (self.only is None or up_to is not None) and not lost

    def _is_news(self, lakehouse: Lakehouse, position: TableVersion) -> bool:
        """Whether the position is newer than the one that is known to be deployed: a run may be late."""
        known = read_position(lakehouse, self.environment)
        if known is None or known.host != self.workspace.host or not known.fits(lakehouse):
            return True
        return position.version > known.version.version


@dataclass(frozen=True)
class AdmissionPolicy:
    """strict: one enabled alert that is not fit stops the deployment of all. unsupported: what the engine at hand cannot judge is
    deployed, as long as it is proven to only read."""

    strict: bool = False
    unsupported: bool = False


def admission_policy(settings: Settings) -> AdmissionPolicy:
    return AdmissionPolicy(settings.strict, settings.deploy_unsupported)


def desired_alerts(
    alerts: Iterable[ConfiguredAlert],
    verdicts: Mapping[str, AlertVerdict | None],
    admission: AdmissionPolicy = AdmissionPolicy(),
) -> list[DesiredAlert]:
    """Only an alert with a good verdict is deployed (docs/architecture.md, "Quarantine, not stoppage").

    Raises SyncStopped where the policy is strict and an enabled alert is not fit."""
    desired = []
    unfit = []
    for alert in alerts:
        verdict = verdicts.get(alert.alert_id)
        why, reason = (Reason.QUARANTINED, verdict.reason) if verdict else (Reason.NOT_VALIDATED, _NOT_VALIDATED)
        if verdict and alert.compiled and verdict.may_be_deployed(unsupported=admission.unsupported):
            reason = channel_problems(alert.compiled)
            if not reason:
                desired.append(DesiredAlert.deploy(alert.compiled))
                continue
            why = Reason.NO_DESTINATION
        desired.append(
            DesiredAlert.held(alert.alert_id, reason, is_enabled=alert.is_enabled, why=why, routed_to=alert.routed_to)
        )
        if verdict and alert.is_enabled:
            unfit.append(f"{alert.alert_id}: {reason}")
    if admission.strict and unfit:
        more = f", and {len(unfit) - SHOWN} more" if len(unfit) > SHOWN else ""
        raise SyncStopped(
            f"ALERTING_STRICT is on and {len(unfit)} of {len(desired)} alerts are not fit, so none is deployed: "
            f"{' | '.join(unfit[:SHOWN])}{more}"
        )
    return desired


def read_desired(
    lakehouse: Lakehouse, settings: Settings, host: str, now: datetime, known: Iterable[ConfiguredAlert] = ()
) -> tuple[list[Row], list[DesiredAlert]]:
    """The rows of alert_configurations, and what they and the silences ask for by the verdicts that are stored. host: of the workspace.
    known: alerts read a moment ago, without their silences."""
    rows = read_rows(lakehouse)
    alerts = to_alerts(rows, target_in(lakehouse, settings, host), known)
    verdicts = alert_verdicts(lakehouse, alerts, policy_of(settings))
    alerts = silenced_alerts(alerts, rows, silences_in(lakehouse, now), host)
    return rows, desired_alerts(alerts, verdicts, admission_policy(settings))

"""The whole way from checked alerts to a workspace that is as configured: lease, look, plan, apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerting_assets.configuration import ConfiguredAlert, Row
from alerting_assets.deployment.apply import apply_plan
from alerting_assets.deployment.lease import held_lease
from alerting_assets.deployment.observe import observe
from alerting_assets.deployment.outcome import SyncResult
from alerting_assets.deployment.plan import DesiredAlert, Plan, make_plan, read_state
from alerting_assets.errors import SyncStopped
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets.validation import AlertVerdict
from alerting_assets.workspace.port import Workspace

NOT_VALIDATED = (
    "was never validated in its present form; run `alerting validate`, or materialize validated_queries for it"
)

SHOWN = 5
"""Alerts that a message names."""


@dataclass(frozen=True)
class Syncer:
    """only: the alerts that this sync is about; None: all, and whatever is no longer configured."""

    workspace: Workspace
    environment: str
    max_concurrency: int
    only: frozenset[str] | None = None
    accept_empty: bool = False

    def plan(self, rows: Iterable[Row], desired: Sequence[DesiredAlert]) -> Plan:
        """Reads the workspace, writes nothing. Raises WorkspaceError; SyncStopped when its list cannot be believed."""
        state = read_state(rows)
        remote = observe(
            self.workspace,
            state.values(),
            environment=self.environment,
            max_concurrency=self.max_concurrency,
            accept_empty=self.accept_empty,
        )
        plan = make_plan(desired, remote, state, environment=self.environment, host=self.workspace.host)
        return plan if self.only is None else plan.restricted_to(self.only)

    def sync(
        self,
        lakehouse: Lakehouse,
        read: Callable[[], tuple[Sequence[Row], Sequence[DesiredAlert]]],
        now: Callable[[], datetime],
        on_progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> SyncResult:
        """read: rows of alert_configurations and what they ask for; called under the lease, so that no other sync's work is missed."""
        with held_lease(lakehouse, self.environment, now) as lease:
            rows, desired = read()
            return apply_plan(
                self.plan(rows, desired),
                read_state(rows),
                workspace=self.workspace,
                lakehouse=lakehouse,
                lease=lease,
                now=now,
                max_concurrency=self.max_concurrency,
                on_progress=on_progress,
            )


@dataclass(frozen=True)
class Gate:
    """strict: one enabled alert that is not fit stops the deployment of all. unsupported: what the engine at hand cannot judge is
    deployed, as long as it is proven to only read."""

    strict: bool = False
    unsupported: bool = False


def gate_of(settings: Settings) -> Gate:
    return Gate(settings.strict, settings.deploy_unsupported)


def desired_alerts(
    alerts: Iterable[ConfiguredAlert], verdicts: Mapping[str, AlertVerdict | None], gate: Gate = Gate()
) -> list[DesiredAlert]:
    """Deployed is what has a verdict, and a good one (DESIGN decision 4). Raises SyncStopped where the gate is strict."""
    desired = []
    unfit = []
    for alert in alerts:
        verdict = verdicts.get(alert.alert_id)
        if verdict is None:
            desired.append(DesiredAlert.held(alert.alert_id, NOT_VALIDATED))
        elif alert.compiled is None or not verdict.may_be_deployed(unsupported=gate.unsupported):
            desired.append(DesiredAlert.held(alert.alert_id, verdict.reason))
            if alert.compiled is None or alert.compiled.is_enabled:
                unfit.append(f"{alert.alert_id}: {verdict.reason}")
        else:
            desired.append(DesiredAlert.deploy(alert.compiled))
    if gate.strict and unfit:
        more = f", and {len(unfit) - SHOWN} more" if len(unfit) > SHOWN else ""
        raise SyncStopped(
            f"ALERTING_STRICT is on and {len(unfit)} of {len(desired)} alerts are not fit, so none is deployed: "
            f"{' | '.join(unfit[:SHOWN])}{more}"
        )
    return desired

"""Every sync leaves a row of metrics, however it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from alerting_assets.deployment.actions import Outcome
from alerting_assets.deployment.metrics import SyncMetrics, measure, store_metrics
from alerting_assets.deployment.plan import Plan
from alerting_assets.errors import AlertingError
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.workspace.port import Workspace

_log = logging.getLogger(__name__)


@dataclass
class Record:
    """What a sync tells while it works. settled: the last_sync_status of each alert that it is not about."""

    outcomes: Collection[Outcome] = ()
    settled: Sequence[str | None] = ()

    def keep(self, outcomes: Collection[Outcome]) -> None:
        self.outcomes = outcomes


@contextmanager
def recorded(
    lakehouse: Lakehouse,
    workspace: Workspace,
    environment: str,
    now: Callable[[], datetime],
    *,
    started_by: str,
    syncs_avoided: int = 0,
    dry_run: bool = False,
) -> Iterator[Record]:
    """Store one row when the block ends. An exception is noted in the row and goes on."""
    record, run_id, started_at = Record(), str(uuid4()), now()
    sent, retries = workspace.reads + workspace.writes, workspace.retries

    def metrics(error: str | None = None) -> SyncMetrics:
        count = workspace.reads + workspace.writes - sent
        return measure(
            run_id=run_id,
            environment=environment,
            started_by=started_by,
            started_at=started_at,
            ended_at=now(),
            outcomes=tuple(record.outcomes),
            settled=record.settled,
            requests=workspace.requests[-count:] if count else (),
            retries=workspace.retries - retries,
            dry_run=dry_run,
            syncs_avoided=syncs_avoided,
            error=error,
        )

    try:
        yield record
    except BaseException as error:
        text = str(error) if isinstance(error, AlertingError) else type(error).__name__
        try:
            store_metrics(lakehouse, metrics(text))
        except AlertingError as second:
            _log.warning("the metrics of the sync that failed could not be stored: %s", second)
        raise
    store_metrics(lakehouse, metrics())


def expected_outcomes(plan: Plan) -> list[Outcome]:
    """As if the plan were carried out and all went well."""
    return [Outcome(planned, planned.status) for planned in plan.actions]

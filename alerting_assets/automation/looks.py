"""What the sensor and the schedule share: each looks every few seconds or minutes whether there is something to start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache

import dagster as dg

from alerting_assets.automation.seen_runs import UNDER_WAY
from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.settings import Settings

DEAD_AFTER = timedelta(hours=1)
"""A run that is under way for longer was killed together with the process that watched it."""


def run_under_way(
    instance: dg.DagsterInstance, now: datetime, *, job: str | None = None, tags: dict[str, str] | None = None
) -> str | None:
    """The beginning of the id of a run of this job, or with these tags, that is under way; None where there is none."""
    wanted = dg.RunsFilter(job_name=job, tags=tags, statuses=UNDER_WAY, created_after=now - DEAD_AFTER)
    found = instance.get_run_records(wanted, limit=1)
    return found[0].dagster_run.run_id[:8] if found else None


@contextmanager
def lakehouse_of_looks(settings: Settings) -> Iterator[Lakehouse]:
    """One lakehouse for all looks of this process: a look every few seconds should not create tables, or start an engine, each time.
    After an error the next look opens it anew, since its tables may have been removed under it."""
    try:
        yield _lakehouse(settings)
    except LakehouseError:
        _lakehouse.cache_clear()
        raise


@cache
def _lakehouse(settings: Settings) -> Lakehouse:
    lakehouse = open_lakehouse(settings)
    create_tables(lakehouse)
    return lakehouse

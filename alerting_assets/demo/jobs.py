"""What runs on a schedule: jobs and pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from alerting_assets.demo.incidents import INGEST_JOBS, Incident, Kind, under_way
from alerting_assets.demo.simulate import (
    USERS,
    WORKSPACES,
    Simulation,
    generator,
    ids,
    moments,
    season,
    table_of,
    take,
    timestamps,
)
from alerting_assets.demo.tables import FACT_JOB_RUN_TIMELINE, FACT_PIPELINE_UPDATE_TIMELINE

RUNS_AN_HOUR = 45.0
JOBS = (
    *INGEST_JOBS,
    "billing_export",
    "daily_report",
    "features_build",
    "model_training",
    "quality_checks",
    "dim_refresh",
    "gold_rollup",
)
JOB_IDS = 101 + np.arange(len(JOBS))
JOB_MINUTES = np.array([6, 5, 8, 12, 20, 35, 55, 4, 9, 25])
JOB_FAILS = np.array([0.02, 0.03, 0.02, 0.0, 0.01, 0.03, 0.04, 0.01, 0.01, 0.02])

UPDATES_AN_HOUR = 8.0
PIPELINES = ("orders_bronze", "orders_silver", "events_silver", "sessions_gold", "customer_360", "finance_marts")
PIPELINE_IDS = tuple(f"7d1f0c3e-52a8-4b6e-9c41-0000000000{number:02}" for number in range(1, len(PIPELINES) + 1))
PIPELINE_MINUTES = np.array([4, 7, 9, 14, 22, 30])
UPDATE_RESULTS = ("COMPLETED", "FAILED", "CANCELED")


def _runs(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = generator(seed, 2, start)
    count = int(random.poisson(RUNS_AN_HOUR * (0.5 + 0.5 * season(start))))
    ends = moments(random, start, count)
    job = random.integers(0, len(JOBS), count)
    slow = under_way(incidents, Kind.SLOW_JOBS, start)
    seconds = JOB_MINUTES[job] * 60.0 * random.lognormal(0.0, 0.25, count) * (slow.magnitude if slow else 1.0)
    failing = under_way(incidents, Kind.JOB_FAILURES, start)
    probability = np.where(
        (job < len(INGEST_JOBS)) & (failing is not None), failing.magnitude if failing else 0.0, JOB_FAILS[job]
    )
    failed = random.random(count) < probability
    return table_of(
        FACT_JOB_RUN_TIMELINE,
        run_id=ids("r", start, count),
        workspace_id=random.choice(WORKSPACES, count),
        job_id=JOB_IDS[job],
        job_name=take(JOBS, job),
        start_time=timestamps(ends - (seconds * 1_000_000).astype(np.int64)),
        end_time=timestamps(ends),
        duration_seconds=seconds,
        result_state=take(("SUCCEEDED", "FAILED"), failed.astype(np.int64)),
        trigger_type=take(("PERIODIC", "ONETIME", "CONTINUOUS"), random.choice(3, count, p=[0.85, 0.1, 0.05])),
        run_as=take(USERS, random.integers(0, len(USERS), count)),
    )


def _updates(seed: int, start: datetime, _: Sequence[Incident]) -> pa.Table:
    random = generator(seed, 7, start)
    count = int(random.poisson(UPDATES_AN_HOUR * (0.5 + 0.5 * season(start))))
    ends = moments(random, start, count)
    pipeline = random.integers(0, len(PIPELINES), count)
    lasted = PIPELINE_MINUTES[pipeline] * 60e6 * random.lognormal(0.0, 0.3, count)
    return table_of(
        FACT_PIPELINE_UPDATE_TIMELINE,
        update_id=ids("p", start, count),
        workspace_id=random.choice(WORKSPACES, count),
        pipeline_id=take(PIPELINE_IDS, pipeline),
        pipeline_name=take(PIPELINES, pipeline),
        period_start_time=timestamps(ends - lasted.astype(np.int64)),
        period_end_time=timestamps(ends),
        result_state=take(UPDATE_RESULTS, random.choice(len(UPDATE_RESULTS), count, p=[0.97, 0.02, 0.01])),
        trigger_type=take(("JOB_TASK", "API_CALL", "USER_ACTION"), random.choice(3, count, p=[0.8, 0.12, 0.08])),
    )


SIMULATIONS = (
    Simulation(FACT_JOB_RUN_TIMELINE, "end_time", _runs),
    Simulation(FACT_PIPELINE_UPDATE_TIMELINE, "period_end_time", _updates),
)

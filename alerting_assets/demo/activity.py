"""What people and services ask for: statements on warehouses, actions in the workspace, calls of serving endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from alerting_assets.demo.incidents import (
    BURSTING_WAREHOUSE,
    INTRUDER,
    RELOADING_WAREHOUSE,
    Incident,
    Kind,
    under_way,
)
from alerting_assets.demo.simulate import (
    SERVICE_ACCOUNTS,
    USERS,
    WORKSPACES,
    Simulation,
    dates,
    generator,
    ids,
    moments,
    season,
    table_of,
    take,
    timestamps,
)
from alerting_assets.demo.tables import FACT_AUDIT_LOGS, FACT_ENDPOINT_USAGE, FACT_QUERY_HISTORY

EVENTS_AN_HOUR = 90.0
ACTIONS = ("login", "accessTable", "accessCatalog", "accessSchema", "runCommand", "getSecret", "createCluster")
ACTION_SERVICES = ("accounts", "unityCatalog", "unityCatalog", "unityCatalog", "notebook", "secrets", "clusters")
ACTION_WEIGHTS = np.array([0.14, 0.34, 0.08, 0.10, 0.24, 0.05, 0.05])
FAILED_SHARE = 0.015
RARE_ACTIONS = ("generateDbToken", "updatePermissions")
RARE_SERVICES = ("accounts", "unityCatalog")
RARE_A_DAY = np.array([2.0, 10.0])
ADDRESSES = tuple(f"10.0.{number}.17" for number in range(8))
INGESTION_MINUTES = 4.0

STATEMENTS_AN_HOUR = 60.0
WAREHOUSES = ("4b1f7a9c02d86e35", BURSTING_WAREHOUSE, RELOADING_WAREHOUSE)
PEAKS = ((Kind.BURST, BURSTING_WAREHOUSE), (Kind.WEEKLY_RELOAD, RELOADING_WAREHOUSE))
STATEMENT_MS = 2_500.0
WAITING_SHARE = 0.02
DASHBOARDS = "svc-dashboards@example.com"
STATEMENT_RESULTS = ("FINISHED", "FAILED", "CANCELED")

CALLS_AN_HOUR = 60.0
ENDPOINTS = ("chat-assistant", "fraud-score", "recommendations", "search-embeddings")
ENDPOINT_MS = np.array([1_800.0, 45.0, 80.0, 30.0])
REFUSED_MS = 4.0
STATUS_CODES = np.array([200, 429, 500, 503])
STATUS_WEIGHTS = np.array([0.985, 0.010, 0.003, 0.002])


def _statements(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = generator(seed, 5, start)
    count = int(random.poisson(STATEMENTS_AN_HOUR * season(start)))
    ends = moments(random, start, count)
    queueing = under_way(incidents, Kind.QUEUEING, start)
    waited = _waited(random, count, queueing)
    total = waited + (STATEMENT_MS * random.lognormal(0.0, 1.2, count)).astype(np.int64)
    workspace = random.choice(WORKSPACES, count)
    warehouse = random.choice(len(WAREHOUSES), count, p=[0.5, 0.3, 0.2])
    user = random.integers(0, len(USERS), count)
    status = random.choice(3, count, p=[0.96, 0.03, 0.01])
    read = (50e6 * random.lognormal(0.0, 1.8, count)).astype(np.int64)

    # Numbered behind the others: an hour of which a demo holds the first half goes on without doubles.
    for kind, name in PEAKS:
        peak = under_way(incidents, kind, start)
        more = int(random.poisson(peak.magnitude)) if peak else 0
        ends = np.concatenate([ends, moments(random, start, more)])
        waits = _waited(random, more, queueing)
        waited = np.concatenate([waited, waits])
        total = np.concatenate([total, waits + (STATEMENT_MS * random.lognormal(-2.0, 0.5, more)).astype(np.int64)])
        workspace = np.concatenate([workspace, np.full(more, WORKSPACES[0])])
        warehouse = np.concatenate([warehouse, np.full(more, WAREHOUSES.index(name))])
        user = np.concatenate([user, np.full(more, len(USERS) + SERVICE_ACCOUNTS.index(DASHBOARDS))])
        status = np.concatenate([status, np.zeros(more, dtype=np.int64)])
        read = np.concatenate([read, (5e6 * random.lognormal(0.0, 1.0, more)).astype(np.int64)])
    rows = table_of(
        FACT_QUERY_HISTORY,
        statement_id=ids("s", start, len(ends)),
        workspace_id=workspace,
        warehouse_id=take(WAREHOUSES, warehouse),
        executed_by=take((*USERS, *SERVICE_ACCOUNTS), user),
        start_time=timestamps(ends - total * 1_000),
        end_time=timestamps(ends),
        execution_status=take(STATEMENT_RESULTS, status),
        total_duration_ms=total,
        waiting_at_capacity_duration_ms=waited,
        read_bytes=read,
    )
    return rows.take(pa.array(np.argsort(ends, kind="stable"))) if len(ends) > count else rows


def _waited(random: np.random.Generator, count: int, queueing: Incident | None) -> np.ndarray[Any, np.dtype[np.int64]]:
    waits = random.random(count) < (queueing.magnitude if queueing else WAITING_SHARE)
    long = random.uniform(60_000, 180_000, count) if queueing else random.lognormal(np.log(4_000), 0.5, count)
    return np.where(waits, long, 0.0).astype(np.int64)


def _audit(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = generator(seed, 3, start)
    usual = int(random.poisson(EVENTS_AN_HOUR * season(start)))
    burst = under_way(incidents, Kind.FAILED_ACCESS, start)
    extra = int(random.poisson(burst.magnitude)) if burst else 0
    count = usual + extra
    times = moments(random, start, count)
    intruder = np.zeros(count, dtype=bool)
    intruder[random.permutation(count)[:extra]] = True
    action = np.where(intruder, 1, random.choice(len(ACTIONS), count, p=ACTION_WEIGHTS))
    failed = intruder | (random.random(count) < FAILED_SHARE)
    user = np.where(intruder, len(USERS), random.integers(0, len(USERS), count))
    workspace = random.choice(WORKSPACES, count)
    address = random.integers(0, len(ADDRESSES), count)

    # Later than the others and numbered behind them: an hour of which a demo holds the first half goes on without doubles.
    rare = np.repeat(np.arange(len(RARE_ACTIONS)), random.poisson(RARE_A_DAY / 24))
    if len(rare):
        by_service = random.integers(0, len(SERVICE_ACCOUNTS), len(rare)) + len(USERS) + 1
        by_person = random.integers(0, len(USERS), len(rare))
        times = np.concatenate([times, moments(random, start, len(rare))])
        action = np.concatenate([action, rare + len(ACTIONS)])
        failed = np.concatenate([failed, np.zeros(len(rare), dtype=bool)])
        user = np.concatenate([user, np.where(rare == 0, by_service, by_person)])
        workspace = np.concatenate([workspace, random.choice(WORKSPACES, len(rare))])
        address = np.concatenate([address, random.integers(0, len(ADDRESSES), len(rare))])
    ingested = times + (INGESTION_MINUTES * 60e6 * random.lognormal(0.0, 0.65, len(times))).astype(np.int64)
    rows = table_of(
        FACT_AUDIT_LOGS,
        event_id=ids("e", start, len(times)),
        workspace_id=workspace,
        event_time=timestamps(times),
        event_date=dates(times),
        user_name=take((*USERS, INTRUDER, *SERVICE_ACCOUNTS), user),
        source_ip_address=take(ADDRESSES, address),
        service_name=take((*ACTION_SERVICES, *RARE_SERVICES), action),
        action_name=take((*ACTIONS, *RARE_ACTIONS), action),
        action_result=take(("SUCCESS", "FAILURE"), failed.astype(np.int64)),
        ingested_at=timestamps(ingested),
    )
    return rows.take(pa.array(np.argsort(times, kind="stable"))) if len(rare) else rows


def _calls(seed: int, start: datetime, _: Sequence[Incident]) -> pa.Table:
    random = generator(seed, 8, start)
    count = int(random.poisson(CALLS_AN_HOUR * season(start)))
    endpoint = random.choice(len(ENDPOINTS), count, p=[0.15, 0.35, 0.3, 0.2])
    status = random.choice(STATUS_CODES, count, p=STATUS_WEIGHTS)
    usual = np.where(status == 429, REFUSED_MS, ENDPOINT_MS[endpoint])
    return table_of(
        FACT_ENDPOINT_USAGE,
        request_id=ids("c", start, count),
        workspace_id=random.choice(WORKSPACES, count),
        endpoint_name=take(ENDPOINTS, endpoint),
        requester=take((*USERS, *SERVICE_ACCOUNTS), random.integers(0, len(USERS) + len(SERVICE_ACCOUNTS), count)),
        request_time=timestamps(moments(random, start, count)),
        status_code=status,
        execution_duration_ms=np.ceil(usual * random.lognormal(0.0, 0.4, count)).astype(np.int64),
    )


SIMULATIONS = (
    Simulation(FACT_QUERY_HISTORY, "end_time", _statements),
    Simulation(FACT_AUDIT_LOGS, "event_time", _audit),
    Simulation(FACT_ENDPOINT_USAGE, "request_time", _calls),
)

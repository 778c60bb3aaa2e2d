"""The simulator: each hour of each table from a generator of its own, keyed by (seed, table, hour).

So an hour looks the same whether it is generated alone, with 90 days, or in parts; only its incidents come from outside.
Volumes follow the working week and the time of day (UTC), with a slow trend and noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.demo.incidents import HOUR, INGEST_JOBS, INTRUDER, STALE_TABLE_NAME, Incident, Kind, under_way
from alerting_assets.demo.tables import FACT_AUDIT_LOGS, FACT_JOB_RUN_TIMELINE, FACT_TABLE_FRESHNESS, FACT_USAGE
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import TableSpec

HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TREND_START = datetime(2026, 1, 1, tzinfo=UTC)
TREND_A_DAY = 0.0006

USAGE_AN_HOUR = 540.0
RUNS_AN_HOUR = 45.0
EVENTS_AN_HOUR = 90.0

WORKSPACES = np.array([1111, 2222, 3333, 4444])
SKUS = (
    "JOBS_COMPUTE",
    "ALL_PURPOSE_COMPUTE",
    "SQL_COMPUTE",
    "SERVERLESS_SQL_COMPUTE",
    "DLT_CORE_COMPUTE",
    "MODEL_SERVING",
)
PRODUCTS = ("JOBS", "ALL_PURPOSE", "SQL", "SQL", "DLT", "MODEL_SERVING")
PRICES = np.array([0.15, 0.55, 0.22, 0.70, 0.20, 0.07])
SKU_WEIGHTS = np.array([0.38, 0.17, 0.14, 0.16, 0.10, 0.05])
TEAMS = ("core", "growth", "finance", "research", "platform")
USERS = tuple(f"user{number:02}@example.com" for number in range(40))
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
JOB_MINUTES = np.array([6, 5, 8, 12, 20, 35, 55, 4, 9, 25])
JOB_FAILS = np.array([0.02, 0.03, 0.02, 0.0, 0.01, 0.03, 0.04, 0.01, 0.01, 0.02])
ACTIONS = ("login", "accessTable", "accessCatalog", "accessSchema", "runCommand", "getSecret", "createCluster")
ACTION_SERVICES = ("accounts", "unityCatalog", "unityCatalog", "unityCatalog", "notebook", "secrets", "clusters")
ACTION_WEIGHTS = np.array([0.14, 0.34, 0.08, 0.10, 0.24, 0.05, 0.05])
FAILED_SHARE = 0.015
UNTAGGED_SHARE = 0.12

WATCHED = (
    # table, domain, hours between loads, SLA in hours, rows
    (STALE_TABLE_NAME, "sales", 1, 4, 4_200_000),
    ("customers", "sales", 24, 36, 310_000),
    ("shipments", "sales", 2, 6, 1_900_000),
    ("ledger", "finance", 6, 12, 8_700_000),
    ("invoices", "finance", 4, 12, 2_300_000),
    ("budgets", "finance", 24, 36, 40_000),
    ("events", "product", 1, 3, 96_000_000),
    ("sessions", "product", 1, 4, 12_000_000),
    ("features", "research", 12, 24, 5_500_000),
    ("predictions", "research", 3, 8, 1_100_000),
)


@dataclass(frozen=True)
class Simulation:
    """One table: `hour(start)` yields its rows whose `time_column` lies in that hour."""

    spec: TableSpec
    time_column: str
    hour: Callable[[int, datetime, Sequence[Incident]], pa.Table]

    def rows(self, seed: int, after: datetime, until: datetime, incidents: Sequence[Incident]) -> Iterator[pa.Table]:
        """One table an hour, of the rows in (after, until]."""
        start = after.replace(minute=0, second=0, microsecond=0)
        while start <= until:
            rows = self.hour(seed, start, incidents)
            times = rows.column(self.time_column).cast(pa.int64()).to_numpy()
            yield rows.filter(pa.array((times > _us(after)) & (times <= _us(until))))
            start += HOUR


def _usage(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = _random(seed, 1, start)
    count = int(random.poisson(USAGE_AN_HOUR * season(start)))
    ends = _moments(random, start, count)
    sku = random.choice(len(SKUS), count, p=SKU_WEIGHTS)
    spike = under_way(incidents, Kind.COST_SPIKE, start)
    quantity = random.lognormal(0.7, 0.8, count) * (spike.magnitude if spike else 1.0)
    untagged = under_way(incidents, Kind.UNTAGGED, start)
    tagged = random.random(count) >= (untagged.magnitude if untagged else UNTAGGED_SHARE)
    team = random.integers(0, len(TEAMS), count)
    return _table(
        FACT_USAGE,
        record_id=_ids("u", start, count),
        workspace_id=random.choice(WORKSPACES, count),
        sku_name=_take(SKUS, sku),
        billing_origin_product=_take(PRODUCTS, sku),
        usage_start_time=_timestamps(ends - HOUR_US),
        usage_end_time=_timestamps(ends),
        usage_date=_dates(ends - HOUR_US),
        usage_unit=_take(("DBU",), np.zeros(count, dtype=np.int64)),
        usage_quantity=quantity,
        list_price=PRICES[sku],
        list_cost=quantity * PRICES[sku],
        run_as=_take(USERS, random.integers(0, len(USERS), count)),
        custom_tags=_tags(tagged, team),
    )


def _runs(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = _random(seed, 2, start)
    count = int(random.poisson(RUNS_AN_HOUR * (0.5 + 0.5 * season(start))))
    ends = _moments(random, start, count)
    job = random.integers(0, len(JOBS), count)
    slow = under_way(incidents, Kind.SLOW_JOBS, start)
    seconds = JOB_MINUTES[job] * 60.0 * random.lognormal(0.0, 0.25, count) * (slow.magnitude if slow else 1.0)
    failing = under_way(incidents, Kind.JOB_FAILURES, start)
    probability = np.where(
        (job < len(INGEST_JOBS)) & (failing is not None), failing.magnitude if failing else 0.0, JOB_FAILS[job]
    )
    failed = random.random(count) < probability
    return _table(
        FACT_JOB_RUN_TIMELINE,
        run_id=_ids("r", start, count),
        workspace_id=random.choice(WORKSPACES, count),
        job_id=job + 101,
        job_name=_take(JOBS, job),
        start_time=_timestamps(ends - (seconds * 1_000_000).astype(np.int64)),
        end_time=_timestamps(ends),
        duration_seconds=seconds,
        result_state=_take(("SUCCEEDED", "FAILED"), failed.astype(np.int64)),
        trigger_type=_take(("PERIODIC", "ONETIME", "CONTINUOUS"), random.choice(3, count, p=[0.85, 0.1, 0.05])),
        run_as=_take(USERS, random.integers(0, len(USERS), count)),
    )


def _audit(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = _random(seed, 3, start)
    usual = int(random.poisson(EVENTS_AN_HOUR * season(start)))
    burst = under_way(incidents, Kind.FAILED_ACCESS, start)
    extra = int(random.poisson(burst.magnitude)) if burst else 0
    count = usual + extra
    times = _moments(random, start, count)
    intruder = np.zeros(count, dtype=bool)
    intruder[random.permutation(count)[:extra]] = True
    action = np.where(intruder, 1, random.choice(len(ACTIONS), count, p=ACTION_WEIGHTS))
    failed = intruder | (random.random(count) < FAILED_SHARE)
    user = np.where(intruder, len(USERS), random.integers(0, len(USERS), count))
    return _table(
        FACT_AUDIT_LOGS,
        event_id=_ids("e", start, count),
        workspace_id=random.choice(WORKSPACES, count),
        event_time=_timestamps(times),
        event_date=_dates(times),
        user_name=_take((*USERS, INTRUDER), user),
        source_ip_address=_take(tuple(f"10.0.{number}.17" for number in range(8)), random.integers(0, 8, count)),
        service_name=_take(ACTION_SERVICES, action),
        action_name=_take(ACTIONS, action),
        action_result=_take(("SUCCESS", "FAILURE"), failed.astype(np.int64)),
    )


def _freshness(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = _random(seed, 4, start)
    rows: list[dict[str, Any]] = []
    for name, domain, hours, sla, size in WATCHED:
        stale = under_way(incidents, Kind.STALE_TABLE, start) if name == STALE_TABLE_NAME else None
        loaded = _last_load(stale.starts_at if stale else start, hours)
        rows.append(
            {
                "observed_at": start,
                "table_name": name,
                "data_domain": domain,
                "record_updated_timestamp": loaded,
                "hours_since_update": (start - loaded) / HOUR,
                "freshness_sla_hours": float(sla),
                "row_count": int(size * (1 + 0.02 * random.random())),
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(FACT_TABLE_FRESHNESS))


SIMULATIONS = (
    Simulation(FACT_USAGE, "usage_end_time", _usage),
    Simulation(FACT_JOB_RUN_TIMELINE, "end_time", _runs),
    Simulation(FACT_AUDIT_LOGS, "event_time", _audit),
    Simulation(FACT_TABLE_FRESHNESS, "observed_at", _freshness),
)


def season(start: datetime) -> float:
    """Factor of an hour: weekends are half as busy, the afternoon (UTC) is busiest, and there is a slow trend."""
    week = (1.0, 1.03, 1.05, 1.02, 0.95, 0.52, 0.48)[start.weekday()]
    day = 1 + 0.6 * float(np.sin((start.hour - 8) / 24 * 2 * np.pi))
    return week * day * max(0.5, 1 + TREND_A_DAY * (start - TREND_START).days)


def _random(seed: int, table: int, start: datetime) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, table, _us(start) // HOUR_US]))


def _moments(random: np.random.Generator, start: datetime, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return _us(start) + np.sort(random.integers(0, HOUR_US, count))


def _last_load(at: datetime, hours: int) -> datetime:
    """Loads start at multiples of their interval and take ten minutes."""
    interval = hours * HOUR
    ready = at - timedelta(minutes=10)
    return ready - (ready - EPOCH) % interval


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _ids(prefix: str, start: datetime, count: int) -> pa.Array:
    numbers = pc.utf8_lpad(pa.array(np.arange(count)).cast(pa.string()), 4, "0")
    return pc.binary_join_element_wise(f"{prefix}{start:%Y%m%d%H}", numbers, "-")


def _take(words: Sequence[str], index: Any) -> pa.Array:
    return pa.array(words).take(pa.array(index))


def _timestamps(us: Any) -> pa.Array:
    return pa.array(us, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _dates(us: Any) -> pa.Array:
    return pa.array((us // (24 * HOUR_US)).astype(np.int32)).cast(pa.date32())


def _tags(tagged: Any, team: Any) -> pa.Array:
    """{team, cost_center} where tagged, NULL elsewhere."""
    teams = _take(TEAMS, team[tagged])
    centers = _take(tuple(f"cc-{100 + number}" for number in range(len(TEAMS))), team[tagged])
    entries = len(teams)
    items = pa.concat_arrays([teams, centers]).take(pa.array(np.arange(2 * entries).reshape(2, -1).T.ravel()))
    keys = pa.array(["team", "cost_center"]).take(pa.array(np.tile([0, 1], entries)))
    offsets = np.concatenate([[0], np.cumsum(2 * tagged)]).astype(np.int32)
    return pa.MapArray.from_arrays(pa.array(offsets), keys, items, mask=pa.array(~tagged))


def _table(spec: TableSpec, **columns: Any) -> pa.Table:
    schema = arrow_schema(spec)
    return pa.Table.from_arrays([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)

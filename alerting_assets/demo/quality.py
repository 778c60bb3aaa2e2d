"""Ten watched tables: how old they are, and what is in their columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from alerting_assets.demo.incidents import (
    HOUR,
    NULLS_COLUMN_NAME,
    NULLS_TABLE_NAME,
    STALE_TABLE_NAME,
    Incident,
    Kind,
    under_way,
)
from alerting_assets.demo.simulate import EPOCH, Simulation, generator, table_of, take, timestamps, us
from alerting_assets.demo.tables import FACT_COLUMN_PROFILE, FACT_TABLE_FRESHNESS
from alerting_assets.lakehouse.arrow import arrow_schema

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
SIZES = np.array([size for *_, size in WATCHED])

UNIQUE = 2**62
PROFILED = (
    # table, column, usual share of NULLs, how many different values there can be
    ("orders", "order_id", 0.0, UNIQUE),
    ("orders", "customer_id", 0.004, 310_000),
    ("orders", "status", 0.001, 6),
    ("customers", "customer_id", 0.0, UNIQUE),
    ("customers", "email", 0.02, 305_000),
    ("customers", "country", 0.008, 62),
    ("shipments", "shipment_id", 0.0, UNIQUE),
    ("shipments", "order_id", 0.002, 1_750_000),
    ("shipments", "carrier", 0.012, 9),
    ("ledger", "entry_id", 0.0, UNIQUE),
    ("ledger", "account", 0.0, 420),
    ("ledger", "cost_center", 0.018, 5),
    ("invoices", "invoice_id", 0.0, UNIQUE),
    ("invoices", "customer_id", 0.001, 290_000),
    ("invoices", "paid_on", 0.025, 1_400),
    ("budgets", "budget_id", 0.0, UNIQUE),
    ("budgets", "cost_center", 0.0, 5),
    ("budgets", "approved_by", 0.022, 35),
    ("events", "event_id", 0.0, UNIQUE),
    ("events", "session_id", 0.006, 12_000_000),
    ("events", "event_type", 0.0, 48),
    ("sessions", "session_id", 0.0, UNIQUE),
    ("sessions", "customer_id", 0.025, 260_000),
    ("sessions", "device", 0.01, 14),
    ("features", "customer_id", 0.0, 300_000),
    ("features", "feature_name", 0.0, 180),
    ("features", "feature_value", 0.015, 900_000),
    ("predictions", "prediction_id", 0.0, UNIQUE),
    ("predictions", "model_version", 0.0, 12),
    ("predictions", "score", 0.003, 1_000),
)
PROFILED_TABLE = np.array([[name for name, *_ in WATCHED].index(table) for table, *_ in PROFILED])
COLUMN_NAMES = pa.array([column for _, column, *_ in PROFILED])
NULL_SHARES = np.array([share for *_, share, _ in PROFILED])
DISTINCT = np.array([distinct for *_, distinct in PROFILED])
LOSES_VALUES = np.array([profiled[:2] == (NULLS_TABLE_NAME, NULLS_COLUMN_NAME) for profiled in PROFILED])


def _freshness(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    counts = _row_counts(seed, start)
    rows: list[dict[str, Any]] = []
    for (name, domain, hours, sla, _), count in zip(WATCHED, counts.tolist(), strict=True):
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
                "row_count": count,
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(FACT_TABLE_FRESHNESS))


def _row_counts(seed: int, start: datetime) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The numbers of rows of the watched tables in one hour; they are the same in both demo tables that tell of them."""
    return (SIZES * (1 + 0.02 * generator(seed, 4, start).random(len(WATCHED)))).astype(np.int64)


def _last_load(at: datetime, hours: int) -> datetime:
    """The start of the last load that has ended by a moment. Loads start at multiples of their interval, in hours, and take ten minutes."""
    interval = hours * HOUR
    ready = at - timedelta(minutes=10)
    return ready - (ready - EPOCH) % interval


def _profiles(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = generator(seed, 9, start)
    counts = _row_counts(seed, start)[PROFILED_TABLE]
    share = NULL_SHARES * random.uniform(0.85, 1.15, len(PROFILED))
    lost = under_way(incidents, Kind.NULLS, start)
    if lost:
        share = np.where(LOSES_VALUES, lost.magnitude, share)
    nulls = random.binomial(counts, share)
    return table_of(
        FACT_COLUMN_PROFILE,
        observed_at=timestamps(np.full(len(PROFILED), us(start))),
        table_name=take(tuple(name for name, *_ in WATCHED), PROFILED_TABLE),
        column_name=COLUMN_NAMES,
        row_count=counts,
        null_count=nulls,
        distinct_count=np.minimum(DISTINCT, counts - nulls),
    )


SIMULATIONS = (
    Simulation(FACT_TABLE_FRESHNESS, "observed_at", _freshness),
    Simulation(FACT_COLUMN_PROFILE, "observed_at", _profiles, every_hours=6),
)

"""The simulator: each hour of each table from a generator of its own, keyed by (seed, table, hour).

So an hour looks the same whether it is generated alone, with 90 days, or in parts; only its incidents come from outside.
Volumes follow the working week and the time of day (UTC), with a slow trend and noise. The tables are in `spend`, `jobs`,
`activity` and `quality`. A column that comes later is drawn last, so that the older ones keep their values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.demo.incidents import HOUR, Incident
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import TableSpec

HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TREND_START = datetime(2026, 1, 1, tzinfo=UTC)
TREND_A_DAY = 0.0006

WORKSPACES = np.array([1111, 2222, 3333, 4444])
USERS = tuple(f"user{number:02}@example.com" for number in range(40))
SERVICE_ACCOUNTS = ("svc-airflow@example.com", "svc-dashboards@example.com", "svc-webshop@example.com")


@dataclass(frozen=True)
class Simulation:
    """One table of the demo. `hour(seed, start, incidents)` gives its rows whose `time_column` lies in that hour; it is called
    where the hour of the day is a multiple of `every_hours`."""

    spec: TableSpec
    time_column: str
    hour: Callable[[int, datetime, Sequence[Incident]], pa.Table]
    every_hours: int = 1

    def rows(self, seed: int, after: datetime, until: datetime, incidents: Sequence[Incident]) -> Iterator[pa.Table]:
        """The rows in (after, until], as one Arrow table for each call of `hour`."""
        start = after.replace(hour=after.hour - after.hour % self.every_hours, minute=0, second=0, microsecond=0)
        while start <= until:
            rows = self.hour(seed, start, incidents)
            if start <= after or start + HOUR > until:
                times = rows.column(self.time_column).cast(pa.int64()).to_numpy()
                rows = rows.filter(pa.array((times > us(after)) & (times <= us(until))))
            yield rows
            start += self.every_hours * HOUR


def season(start: datetime) -> float:
    """The factor by which an hour is busier than the average: weekends are half as busy, the afternoon (UTC) is busiest, and there
    is a slow trend."""
    week = (1.0, 1.03, 1.05, 1.02, 0.95, 0.52, 0.48)[start.weekday()]
    day = 1 + 0.6 * float(np.sin((start.hour - 8) / 24 * 2 * np.pi))
    return week * day * max(0.5, 1 + TREND_A_DAY * (start - TREND_START).days)


def generator(seed: int, table: int, start: datetime) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, table, us(start) // HOUR_US]))


def moments(random: np.random.Generator, start: datetime, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return us(start) + np.sort(random.integers(0, HOUR_US, count))


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def ids(prefix: str, start: datetime, count: int) -> pa.Array:
    return pc.binary_join_element_wise(f"{prefix}{start:%Y%m%d%H}", _numbers().slice(0, count), "-")


@cache
def _numbers() -> pa.Array:
    return pa.array([f"{number:04}" for number in range(10_000)])


def take(words: tuple[str, ...], index: Any) -> pa.Array:
    return _words(words).take(pa.array(index))


@cache
def _words(words: tuple[str, ...]) -> pa.Array:
    return pa.array(words)


def timestamps(us: Any) -> pa.Array:
    return pa.array(us, pa.int64()).view(pa.timestamp("us", tz="UTC"))


def dates(us: Any) -> pa.Array:
    return pa.array((us // (24 * HOUR_US)).astype(np.int32)).view(pa.date32())


def table_of(spec: TableSpec, **columns: Any) -> pa.Table:
    schema = _schema(spec)
    return pa.Table.from_arrays([_array(columns[field.name], field.type) for field in schema], schema=schema)


_schema = cache(arrow_schema)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)

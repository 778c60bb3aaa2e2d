"""The demo tables in a lakehouse: built once, moved up to now on request; each table is one commit, so nothing is ever half there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.demo import activity, jobs, quality, spend
from alerting_assets.demo.incidents import HOUR, Incident, Kind, incidents_for
from alerting_assets.demo.simulate import Simulation
from alerting_assets.demo.tables import DEMO_INCIDENTS, DEMO_TABLES
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse

SIMULATIONS = (*spend.SIMULATIONS, *jobs.SIMULATIONS, *activity.SIMULATIONS, *quality.SIMULATIONS)
DAYS = 90
SEED = 20260101

Progress = Callable[[int, int], None]


def build_demo(
    lakehouse: Lakehouse,
    *,
    now: datetime,
    seed: int = SEED,
    days: int = DAYS,
    on_progress: Progress = lambda _done, _all: None,
) -> dict[str, int]:
    """Fill the tables that are empty with the days up to now, and return how many rows were appended to each table. A build that
    was killed is completed."""
    return _fill(lakehouse, now, seed, now - timedelta(days=days), on_progress, refresh=False)


def refresh_demo(
    lakehouse: Lakehouse, *, now: datetime, seed: int = SEED, on_progress: Progress = lambda _done, _all: None
) -> dict[str, int]:
    """Append what lies between the newest row of each table and now; rows that are there never change."""
    return _fill(lakehouse, now, seed, now - timedelta(days=DAYS), on_progress, refresh=True)


def demo_ends_at(lakehouse: Lakehouse) -> datetime | None:
    """The moment up to which every demo table reaches; None when one of them is empty."""
    ends = []
    for simulation in SIMULATIONS:
        newest = _newest(lakehouse, simulation)
        if newest is None:
            return None
        ends.append(newest + (simulation.every_hours - 1) * HOUR)
    return min(ends)


def _fill(
    lakehouse: Lakehouse, now: datetime, seed: int, begin: datetime, on_progress: Progress, *, refresh: bool
) -> dict[str, int]:
    for spec in DEMO_TABLES:
        lakehouse.create_table(spec)
    incidents = _read_incidents(lakehouse)
    due = {}
    for simulation in SIMULATIONS:
        newest = _newest(lakehouse, simulation)
        if newest is None or (refresh and newest < now):
            due[simulation] = newest or begin
    appended: dict[str, int] = {}
    if not due:
        return appended
    # Stored before the rows that they shape, so that a build which was killed is completed with the same ones.
    new = incidents_for(now, since={simulation.spec.name: after for simulation, after in due.items()}, known=incidents)
    if new:
        rows = pa.Table.from_pylist([asdict(one) for one in new], schema=arrow_schema(DEMO_INCIDENTS))
        lakehouse.append(DEMO_INCIDENTS.name, rows)
        appended[DEMO_INCIDENTS.name] = len(new)
    incidents += new
    for done, (simulation, after) in enumerate(due.items()):
        on_progress(done, len(due))
        rows = pa.concat_tables(simulation.rows(seed, after, now, incidents))
        if rows.num_rows:
            lakehouse.append(simulation.spec.name, rows)
            appended[simulation.spec.name] = rows.num_rows
    on_progress(len(due), len(due))
    return appended


def _newest(lakehouse: Lakehouse, simulation: Simulation) -> datetime | None:
    """The time of the newest row of a table; everything up to it is there. None for an empty table."""
    times = lakehouse.read(simulation.spec.name, [simulation.time_column]).column(0)
    newest: datetime | None = pc.max(times).as_py()
    return newest


def _read_incidents(lakehouse: Lakehouse) -> list[Incident]:
    rows = lakehouse.read(DEMO_INCIDENTS.name).to_pylist()
    return sorted(
        (Incident(**{**row, "kind": Kind(row["kind"])}) for row in rows), key=lambda incident: incident.starts_at
    )

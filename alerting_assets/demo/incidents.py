"""What goes wrong in the demo, and when: relative to the moment of generation, so that something is always happening now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

HOUR = timedelta(hours=1)


class Kind(StrEnum):
    COST_SPIKE = "COST_SPIKE"
    """magnitude: factor on every cost."""
    JOB_FAILURES = "JOB_FAILURES"
    """magnitude: probability that a run of INGEST_JOBS fails."""
    SLOW_JOBS = "SLOW_JOBS"
    """magnitude: factor on durations."""
    FAILED_ACCESS = "FAILED_ACCESS"
    """magnitude: refused attempts an hour, by one user."""
    STALE_TABLE = "STALE_TABLE"
    """STALE_TABLE_NAME is not updated; magnitude is not used."""
    UNTAGGED = "UNTAGGED"
    """magnitude: probability that a record bears no tags."""
    QUEUEING = "QUEUEING"
    """magnitude: share of statements that wait for a warehouse, one to three minutes."""
    NULLS = "NULLS"
    """magnitude: share of NULLs in NULLS_COLUMN_NAME of NULLS_TABLE_NAME."""
    WEEKLY_RELOAD = "WEEKLY_RELOAD"
    """magnitude: statements an hour on RELOADING_WAREHOUSE. Planned, and so no incident; but it looks like BURST."""
    BURST = "BURST"
    """magnitude: statements an hour on BURSTING_WAREHOUSE."""


INGEST_JOBS = ("orders_ingest", "events_ingest", "clickstream_ingest")
STALE_TABLE_NAME = "orders"
NULLS_TABLE_NAME, NULLS_COLUMN_NAME = "orders", "customer_id"
INTRUDER = "svc-legacy@example.com"
RELOADING_WAREHOUSE, BURSTING_WAREHOUSE = "c86d02e94f5b713a", "9e30c5d1f7a2486b"
WEEK_HOURS = 7 * 24


@dataclass(frozen=True)
class Incident:
    incident_id: str
    kind: Kind
    domain: str
    table_name: str
    starts_at: datetime
    ends_at: datetime
    magnitude: float
    description: str


_RECIPE: tuple[tuple[Kind, str, str, float, float, float, str], ...] = (
    # kind, domain, table, hours before now it starts, hours it lasts, magnitude, description
    (Kind.COST_SPIKE, "COST", "fact_usage", 1500, 8, 3.0, "a backfill was started twice"),
    (Kind.COST_SPIKE, "COST", "fact_usage", 690, 12, 2.5, "a cluster was left running"),
    (Kind.COST_SPIKE, "COST", "fact_usage", 14, 12, 4.0, "a streaming job scales without a limit"),
    (Kind.UNTAGGED, "COST", "fact_usage", 1100, 72, 0.6, "a new team forgot its tags"),
    (Kind.JOB_FAILURES, "RELIABILITY", "fact_job_run_timeline", 1300, 10, 0.8, "the source system was down"),
    (Kind.JOB_FAILURES, "RELIABILITY", "fact_job_run_timeline", 16, 15, 0.9, "a column was renamed upstream"),
    (Kind.SLOW_JOBS, "PERFORMANCE", "fact_job_run_timeline", 880, 20, 4.0, "the wrong instance type"),
    (Kind.FAILED_ACCESS, "SECURITY", "fact_audit_logs", 1000, 3, 120.0, "a rotated credential was still in use"),
    (
        Kind.FAILED_ACCESS,
        "SECURITY",
        "fact_audit_logs",
        9,
        6,
        90.0,
        "a service account tries tables that it may not see",
    ),
    (Kind.STALE_TABLE, "QUALITY", "fact_table_freshness", 1200, 30, 1.0, "the load was paused over a weekend"),
    (Kind.STALE_TABLE, "QUALITY", "fact_table_freshness", 40, 48, 1.0, "the load hangs, and nobody has noticed yet"),
    (Kind.QUEUEING, "PERFORMANCE", "fact_query_history", 820, 6, 0.3, "a report was opened by a whole department"),
    (Kind.QUEUEING, "PERFORMANCE", "fact_query_history", 5, 8, 0.4, "a warehouse was made smaller"),
    *(
        (
            Kind.WEEKLY_RELOAD,
            "PERFORMANCE",
            "fact_query_history",
            1 + WEEK_HOURS * week,
            2,
            450.0,
            "planned: reports are reloaded once a week",
        )
        for week in reversed(range(13))
    ),
    (Kind.BURST, "PERFORMANCE", "fact_query_history", 1, 2, 450.0, "a dashboard refreshes itself every second"),
    (Kind.NULLS, "QUALITY", "fact_column_profile", 1150, 36, 0.2, "a join missed the customers of a new region"),
    (Kind.NULLS, "QUALITY", "fact_column_profile", 30, 40, 0.35, "the shop sends orders of guests without a customer"),
)


def incidents_for(now: datetime, *, since: Mapping[str, datetime], known: Sequence[Incident] = ()) -> list[Incident]:
    """The incidents of the recipe for the tables in `since`, cut to start after that moment, so that rows which are there never
    change. They lie on whole hours, as the simulator works.

    Where one of the same kind in `known` still covers the start, the new one starts when that one is over, if that is before now.
    What is weekly stays at its hour of the week."""
    now = _hour(now)
    weekly = next((one.starts_at for one in known if one.kind is Kind.WEEKLY_RELOAD), None)
    found = []
    for kind, domain, table, before, hours, magnitude, description in _RECIPE:
        if table not in since:
            continue
        begins = now - before * HOUR
        if kind is Kind.WEEKLY_RELOAD and weekly is not None:
            begins += (weekly - begins) % (WEEK_HOURS * HOUR)
        starts_at = max(begins, _hour(since[table]) + HOUR)
        ends_at = begins + hours * HOUR
        while former := under_way(known, kind, starts_at):
            starts_at = former.ends_at
        if starts_at >= ends_at or starts_at > now:
            continue
        name = f"{kind}-{starts_at:%Y%m%dT%H%M}"
        found.append(Incident(name, kind, domain, table, starts_at, ends_at, magnitude, description))
    return found


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def under_way(incidents: Sequence[Incident], kind: Kind, at: datetime) -> Incident | None:
    """The latest incident of this kind that covers the moment, or None."""
    return next(
        (
            incident
            for incident in reversed(incidents)
            if incident.kind is kind and incident.starts_at <= at < incident.ends_at
        ),
        None,
    )

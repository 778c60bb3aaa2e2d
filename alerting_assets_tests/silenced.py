"""Alerts under silences: random silences around clock changes, and what the deployed alert then says, for property tests.

When a silence is, is worked out here from zones alone, minute by minute, by code that shares nothing with the product's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.rewrite import at_moment, replace_tables
from alerting_assets.alerts.silences import SilenceConfiguration, parse_silence
from alerting_assets.alerts.silencing import Silences
from alerting_assets.workspace.local.evaluate import evaluate
from alerting_assets_tests.decisions import TYPES, cases, history_table
from alerting_assets_tests.examples import compiled, configuration
from alerting_assets_tests.expected_values import range_table

MINUTE = timedelta(minutes=1)
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
CHANGES = {
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),  # by half an hour
    "Africa/Cairo": (date(2026, 4, 24), date(2026, 10, 30)),  # at midnight
    "UTC": (date(2026, 2, 28), date(2026, 12, 31)),
}
"""zone → days on which its clocks change, or near which a month ends."""


@dataclass(frozen=True)
class Recurs:
    """A silence every day, or on one day of the week."""

    silence_id: str
    weekday: int | None
    hour: int
    minute: int
    minutes: int
    zone: str

    def silence(self) -> SilenceConfiguration:
        day = "?" if self.weekday is not None else "*"
        weekday = "?" if self.weekday is None else WEEKDAYS[self.weekday]
        return parse_silence(
            silence(
                self.silence_id,
                schedule_cron=f"0 {self.minute} {self.hour} {day} * {weekday}",
                schedule_timezone=self.zone,
                duration_minutes=self.minutes,
                is_forced=True,
            )
        )

    def spans(self, around: date) -> list[tuple[datetime, datetime]]:
        """When it is, from three days before to five days after that day."""
        days = [around + timedelta(days=offset) for offset in range(-3, 6)]
        begins = [datetime.combine(day, time(self.hour, self.minute)) for day in days]
        return [_shown(begin, self.minutes, self.zone) for begin in begins if self.weekday in (None, begin.weekday())]


@dataclass(frozen=True)
class Once:
    silence_id: str
    start: datetime
    minutes: int

    def silence(self) -> SilenceConfiguration:
        return parse_silence(silence(self.silence_id, starts_at=self.start, ends_at=self.start + self.minutes * MINUTE))

    def spans(self, around: date) -> list[tuple[datetime, datetime]]:  # noqa: ARG002
        return [(self.start, self.start + self.minutes * MINUTE)]


@cache
def _shown(begin: datetime, minutes: int, zone: str) -> tuple[datetime, datetime]:
    """From the first to behind the last minute at which a clock shows a time from `begin` on, for so many minutes; twice the same where
    none does."""
    first = begin.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(hours=2)
    shown = [
        moment
        for moment in (first + number * MINUTE for number in range(minutes + 4 * 60))
        if begin <= moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < begin + minutes * MINUTE
    ]
    return (shown[0], shown[-1] + MINUTE) if shown else (first, first)


def silence(silence_id: str = "quiet", **fields: Any) -> dict[str, Any]:
    """The fields of a silence."""
    return {"silence_id": silence_id, "reason": "maintenance", "created_by": "ops@example.com", **fields}


@st.composite
def recurring(draw: st.DrawFn, silence_id: str = "recurs", zone: str | None = None) -> Recurs:
    return Recurs(
        silence_id,
        draw(st.none() | st.integers(0, 6) | st.just(6)),
        draw(st.sampled_from([0, 1, 2, 3, 23])),
        draw(st.sampled_from([0, 10, 30])),
        draw(st.sampled_from([10, 20, 60, 120, 1440, 1500])),
        zone or draw(st.sampled_from(sorted(CHANGES))),
    )


@dataclass(frozen=True)
class Quiet:
    """Silences, the moment at which they are deployed, and moments after it at which the alert is evaluated."""

    silences: tuple[Recurs | Once, ...]
    deployed_at: datetime
    moments: tuple[datetime, ...]

    def at(self, moment: datetime) -> Silences:
        return Silences([one.silence() for one in self.silences], moment)

    def is_silent(self, moment: datetime) -> bool:
        around = self.deployed_at.date()
        return any(start <= moment < end for one in self.silences for start, end in one.spans(around))


@st.composite
def quiet(draw: st.DrawFn, moments: int) -> Quiet:
    zone = draw(st.sampled_from(sorted(CHANGES)))
    day = draw(st.sampled_from(CHANGES[zone]))
    change = datetime.combine(day, time(12), ZoneInfo(zone)).astimezone(UTC)
    deployed_at = change - draw(st.integers(12 * 60, 48 * 60)) * MINUTE
    silences: list[Recurs | Once] = [draw(recurring("recurs", zone))]
    for number in range(draw(st.integers(0, 2))):
        start = deployed_at + draw(st.integers(-600, 48 * 60)) * MINUTE
        silences.append(Once(f"once-{number}", start, draw(st.integers(1, 600))))
    until = deployed_at + timedelta(hours=72)
    edges = [edge for one in silences for span in one.spans(deployed_at.date()) for edge in span]
    near = [edge + timedelta(seconds=seconds) for edge in edges for seconds in (-1, 0, 1)]
    near = sorted(moment for moment in near if deployed_at <= moment <= until)
    chosen = draw(st.lists(st.sampled_from(near or [until]), max_size=moments - 2, unique=True))
    anywhere = st.integers(0, 72 * 3600).map(lambda seconds: deployed_at + timedelta(seconds=seconds))
    chosen += draw(st.lists(anywhere, min_size=2, max_size=2))
    return Quiet(tuple(silences), deployed_at, tuple(chosen))


@st.composite
def quiet_cases(draw: st.DrawFn, moments: int) -> tuple[dict[str, Any], Quiet]:
    """An alert with its rows and history, and its silences."""
    return draw(cases(draw(st.sampled_from(list(Operator))))), draw(quiet(moments))


Ask = Callable[[Sequence[pa.Table], Callable[[Sequence[str]], str]], pa.Table]


def states(ask: Ask, case: dict[str, Any], given: Quiet) -> list[tuple[datetime, str, str]]:
    """(moment, the state of the alert as it is deployed with its silences, the state of the same alert without any), as the workspace
    decides them from the bodies that are deployed."""
    order = "" if case["fields"]["aggregation_type"] else " ORDER BY position"
    fields = {
        "alert_query_template": f"SELECT value AS v FROM ${{catalog}}.${{gold_schema}}.readings{order}",
        "aggregation_column": "v",
        "schedule_cron": "0 0 * * * ?",
        **case["fields"],
    }
    plain = compiled(**fields)
    silenced = plain.silenced(given.at(given.deployed_at).windows(configuration(**fields)))
    both = [_states(ask, case, alert, given.moments) for alert in (silenced, plain)]
    return list(zip(given.moments, *both, strict=True))


def _states(ask: Ask, case: dict[str, Any], alert: CompiledAlert, moments: Sequence[datetime]) -> list[str]:
    rows = case["rows"]
    tables = {
        "readings": pa.table(
            {"position": pa.array(range(len(rows)), pa.int32()), "value": pa.array(rows, TYPES[case["column"]][1])}
        ),
        "alert_history": history_table(case["history"]),
        **({"expected_ranges": range_table(case["ranges"])} if alert.hold is not None else {}),
    }

    def sql_of(names: Sequence[str]) -> str:
        """One query for all moments."""
        known = dict(zip(tables, names, strict=True))
        texts = [
            replace_tables(at_moment(alert.deployed_sql, moment), lambda table: known[table.parts[-1]])
            for moment in moments
        ]
        selects = [f"SELECT {number} AS n, v FROM (\n{sql}\n) AS q{number}" for number, sql in enumerate(texts)]
        return "\nUNION ALL\n".join(selects)

    answers = ask(list(tables.values()), sql_of)
    body = {**alert.body("0" * 32), "id": "1"}
    found = []
    for number, moment in enumerate(moments):
        result = answers.filter(pc.equal(answers.column("n"), number))
        found.append(evaluate(body, lambda _, result=result: result, moment).state)  # type: ignore[misc]
    return found


def expected(given: Quiet, moment: datetime, plain: str) -> str:
    """The state of a silenced alert that would have this one without silences."""
    return "OK" if given.is_silent(moment) else plain

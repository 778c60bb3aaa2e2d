"""How far apart the evaluations of a Quartz schedule are."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

from alerting_assets.quartz import FIRST_YEAR, LAST_YEAR, Quartz, parse_quartz

_DAY = 86_400
_BEGINNING = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)


@cache
def schedule_interval(cron: str) -> int | None:
    """The seconds between two evaluations; None where they are not evenly apart (`0 0 8 ? * MON-FRI`, `0 0 22-2 * * ?`). Clock changes
    are left aside.

    cron: a valid Quartz expression."""
    quartz = parse_quartz(cron)
    if len(quartz.months) < 12 or quartz.years[0] > FIRST_YEAR or quartz.years[-1] < LAST_YEAR:
        return None
    times = quartz.times_of_day
    if quartz.every_day:
        gaps = {after - before for before, after in zip(times, [*times[1:], times[0] + _DAY], strict=True)}
        return gaps.pop() if len(gaps) == 1 else None
    return 7 * _DAY if quartz.weekday is not None and len(times) == 1 else None


def schedule_notes(alert_id: str, cron: str, timezone: str, now: datetime) -> list[str]:
    """Sentences about a schedule that does not do what people expect: one that never fires again, a part that Quartz leaves aside."""
    quartz = parse_quartz(cron)
    notes = [f"{alert_id}: schedule_cron {cron!r}: {note}" for note in quartz.notes]
    if quartz.next_fire_time(now, ZoneInfo(timezone)) is None:
        notes.append(
            f"{alert_id}: schedule_cron {cron!r} never fires{_again(quartz, now)}, so the alert is never evaluated"
        )
    return notes


def _again(quartz: Quartz, now: datetime) -> str:
    return " again" if quartz.years[-1] < now.year or quartz.next_fire_time(_BEGINNING, ZoneInfo("UTC")) else ""


def in_words(seconds: float) -> str:
    """A number of seconds in words: `1 hour`, `90 minutes`, `2 days`."""
    for name, size in (("day", _DAY), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


def short_duration(seconds: float) -> str:
    """About how long that is, in two words: `45 s`, `12 min`, `3 h`, `9 d`. Rounded down, and never below zero."""
    for unit, size in (("d", 2 * _DAY), ("h", 2 * 3600), ("min", 120)):
        if seconds >= size:
            return f"{int(seconds // (size // 2))} {unit}"
    return f"{int(max(seconds, 0.0))} s"

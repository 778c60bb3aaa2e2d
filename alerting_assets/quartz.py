"""Quartz cron expressions: what they may say, and when they fire. Pure; https://www.quartz-scheduler.org, CronTrigger.

Fire times are those of Quartz 2.3 and 2.5 (`alerting_assets_tests/spark/test_quartz.py` compares them): a time that a clock change
skips does not fire, a time that comes twice fires the second time. Refused as well is what Quartz takes and reads otherwise than it
is written: characters behind a value, a second `W` or `#`, and values beside one with `W`, `#` or `L`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import product
from zoneinfo import ZoneInfo

FIRST_YEAR, LAST_YEAR = 1970, 2199
_MONTHS = dict(
    zip(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], range(1, 13), strict=True)
)
_WEEKDAYS = dict(zip(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], range(1, 8), strict=True))
_LONGEST_REPETITION = timedelta(hours=3)
"""By which clocks are set back, and more."""


class QuartzError(ValueError):
    """The text is no Quartz expression. The message names the field and what may stand there."""


@dataclass(frozen=True)
class _Field:
    """longest_step: the largest step that Quartz takes without a range."""

    name: str
    low: int
    high: int
    names: dict[str, int]
    longest_step: int
    wraps: bool = True


_SECOND = _Field("second", 0, 59, {}, 59)
_MINUTE = _Field("minute", 0, 59, {}, 59)
_HOUR = _Field("hour", 0, 23, {}, 23)
_DAY = _Field("day-of-month", 1, 31, {}, 31)
_MONTH = _Field("month", 1, 12, _MONTHS, 12)
_WEEKDAY = _Field("day-of-week", 1, 7, _WEEKDAYS, 7)
_YEAR = _Field("year", FIRST_YEAR, LAST_YEAR, {}, LAST_YEAR, wraps=False)

Days = Callable[[int, int], list[int]]
"""(year, month) → the days of that month, ascending."""


@dataclass(frozen=True)
class Quartz:
    """A parsed expression. Values are ascending. every_day: whether it fires on all days of its months. weekday: the one day of the
    week (1: Sunday) on which it fires, if it is one. notes: sentences about parts that Quartz leaves aside."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    days: Days
    every_day: bool = False
    weekday: int | None = None
    notes: tuple[str, ...] = ()

    def fire_times(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """The fire times after a moment, in UTC, without end but for the last year that Quartz knows. after: with a time zone."""
        wall = after.astimezone(zone).replace(tzinfo=None)
        for time in self.wall_times(wall - _LONGEST_REPETITION if _comes_twice(wall, zone) else wall):
            moment = time.replace(tzinfo=zone, fold=1).astimezone(UTC)
            if moment > after and moment.astimezone(zone).replace(tzinfo=None) == time:
                yield moment

    def next_fire_time(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first fire time after a moment, in UTC; None where there is none."""
        return next(self.fire_times(after, zone), None)

    @property
    def times_of_day(self) -> list[int]:
        """Seconds since midnight, ascending."""
        return [hour * 3600 + minute * 60 + second for hour, minute, second in self._clock()]

    def _clock(self) -> Iterator[tuple[int, int, int]]:
        return product(self.hours, self.minutes, self.seconds)

    def wall_times(self, start: datetime) -> Iterator[datetime]:
        """The times on the clock on the wall from about `start` on, to the minute, that the expression names, in order and each once:
        also those that a clock change skips. start: without a time zone, as what is yielded."""
        first = start.date()
        for day in self._dates(first):
            for hour in self.hours:
                if day == first and hour < start.hour:
                    continue
                for minute in self.minutes:
                    if day == first and (hour, minute) < (start.hour, start.minute):
                        continue
                    for second in self.seconds:
                        yield datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001

    def _dates(self, first: date) -> Iterator[date]:
        for year in self.years:
            for month in self.months if year >= first.year else ():
                if (year, month) >= (first.year, first.month):
                    yield from (found for day in self.days(year, month) if (found := date(year, month, day)) >= first)


@cache
def parse_quartz(text: str) -> Quartz:
    """Raises QuartzError."""
    parts = [part.upper() for part in re.split(r"[ \t]+", text.strip())]
    if len(parts) not in (6, 7):
        raise QuartzError(f"it has {len(parts) if parts != [''] else 0} fields")
    second, minute, hour, day, month, weekday = parts[:6]
    notes: list[str] = []
    seconds, minutes, hours, months = (
        _values(part, field, notes)
        for part, field in ((second, _SECOND), (minute, _MINUTE), (hour, _HOUR), (month, _MONTH))
    )
    years = _values(parts[6], _YEAR, notes) if len(parts) == 7 else tuple(range(FIRST_YEAR, LAST_YEAR + 1))
    if (day == "?") == (weekday == "?"):
        raise QuartzError("exactly one of day-of-month and day-of-week is ?")
    every_day, only = False, None
    if weekday == "?":
        days = _days_of_month(day, notes)
        every_day = len(days(2024, 1)) == 31 and len(days(2023, 2)) == 28
    else:
        days, chosen = _days_of_week(weekday, notes)
        every_day = len(chosen) == 7
        only = chosen[0] if len(chosen) == 1 else None
    return Quartz(seconds, minutes, hours, months, years, days, every_day, only, tuple(notes))


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zones, the same on every machine: those of the package tzdata, but for the one that is no place."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split()) - {"Factory"}


def _comes_twice(wall: datetime, zone: ZoneInfo) -> bool:
    aware = wall.replace(tzinfo=zone)
    return aware.utcoffset() != aware.replace(fold=1).utcoffset()


def _values(part: str, field: _Field, notes: list[str]) -> tuple[int, ...]:
    found: set[int] = set()
    for item in part.split(","):
        found |= _item(item, field, notes)
    return tuple(sorted(found))


def _item(item: str, field: _Field, notes: list[str]) -> set[int]:
    pattern = rf"(?:(\*)?|({_atom(field)})(?:-({_atom(field)}))?)(?:/(\d{{1,4}}))?"
    matched = re.fullmatch(pattern, item)
    if matched is None or not item:
        raise QuartzError(f"{field.name} {item!r} is not {_what_may_be(field)}")
    star, low, high, step = matched.groups()
    if not low and not star and step is None:
        raise QuartzError(f"{field.name} {item!r} is not {_what_may_be(field)}")
    every = int(step) if step else 1
    if step is not None and every < 1:
        raise QuartzError(f"the step of {field.name} {item!r} is at least 1")
    if step is not None and high is None and every > field.longest_step:
        raise QuartzError(f"the step of {field.name} {item!r} is at most {field.longest_step}")
    first = _number(low, field, item) if low else field.low
    if step and low and not low.isdigit():
        notes.append(f"Quartz leaves the step of {item} aside, since it begins with a name; write numbers")
        step, every = None, 1
    if high is not None:
        if low.isdigit() != high.isdigit():
            raise QuartzError(f"{field.name} {item!r} is a range of a name and a number; write two of a kind")
        last = _number(high, field, item)
    else:
        last = field.high if star or step or not low else first
    if last < first:
        if not field.wraps:
            raise QuartzError(f"{field.name} {item!r} ends before it begins")
        size = field.high - field.low + 1
        # As Quartz counts: on from the first value, round the end.
        return {(value - field.low) % size + field.low for value in range(first, last + size + 1, every)}
    return set(range(first, last + 1, every))


def _atom(field: _Field) -> str:
    names = "|".join(field.names)
    return rf"\d{{1,4}}|{names}" if names else r"\d{1,4}"


def _number(text: str, field: _Field, item: str) -> int:
    value = field.names.get(text, int(text) if text.isdigit() else -1)
    if not field.low <= value <= field.high:
        raise QuartzError(f"{field.name} {item!r} is not {_what_may_be(field)}")
    return value


def _what_may_be(field: _Field) -> str:
    names = f" or {next(iter(field.names))} to {list(field.names)[-1]}" if field.names else ""
    return f"made of {field.low} to {field.high}{names}, with , - * and /"


def _days_of_month(part: str, notes: list[str]) -> Days:
    if found := re.fullmatch(r"L(?:-(\d{1,2}))?(W)?", part):
        offset, nearest = int(found[1] or 0), found[2] is not None
        if offset > 30:
            raise QuartzError(f"day-of-month {part!r}: at most 30 days before the last")
        return lambda year, month: _single(year, month, _last(year, month) - offset, nearest=nearest)
    if found := re.fullmatch(r"(\d{1,2})W", part):
        wanted = _number(found[1], _DAY, part)
        return lambda year, month: _single(year, month, wanted, nearest=True)
    if re.search("[LW]", part):
        raise QuartzError(f"day-of-month {part!r}: L, L-3, LW and 15W stand alone, not in a list")
    values = _values(part, _DAY, notes)
    return lambda year, month: [day for day in values if day <= _last(year, month)]


def _days_of_week(part: str, notes: list[str]) -> tuple[Days, tuple[int, ...]]:
    """The days, and the days of the week that they are if nothing but that decides."""
    atom = _atom(_WEEKDAY)
    if found := re.fullmatch(rf"({atom})#(\d)", part):
        wanted, number = _number(found[1], _WEEKDAY, part), int(found[2])
        if not 1 <= number <= 5:
            raise QuartzError(f"day-of-week {part!r}: the number behind # is 1 to 5")
        return lambda year, month: _weekdays(year, month, (wanted,))[number - 1 : number], ()
    if found := re.fullmatch(rf"({atom})L", part):
        last = _number(found[1], _WEEKDAY, part)
        return lambda year, month: _weekdays(year, month, (last,))[-1:], ()
    if part == "L":
        part = "SAT"
    if re.search(r"#|L(?:,|$)", part):
        raise QuartzError(f"day-of-week {part!r}: MON#1 and FRIL stand alone, not in a list")
    values = _values(part, _WEEKDAY, notes)
    return lambda year, month: _weekdays(year, month, values), values


def _last(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _single(year: int, month: int, day: int, *, nearest: bool) -> list[int]:
    """That day if the month has it, or the working day that is nearest to it in the month."""
    last = _last(year, month)
    if not 1 <= day <= last:
        return []
    weekday = calendar.weekday(year, month, day)
    if nearest and weekday == calendar.SATURDAY:
        day += 2 if day == 1 else -1
    elif nearest and weekday == calendar.SUNDAY:
        day += -2 if day == last else 1
    return [day]


def _weekdays(year: int, month: int, wanted: tuple[int, ...]) -> list[int]:
    """wanted: 1 is Sunday."""
    first = (calendar.weekday(year, month, 1) + 1) % 7 + 1
    return [day for day in range(1, _last(year, month) + 1) if (first + day - 2) % 7 + 1 in wanted]

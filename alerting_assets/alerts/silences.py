"""One silence as people write it, a row of `alert_silences` or an entry of a YAML file, checked field by field; and when it is. Pure.

A recurring silence is a time on the clock on the wall: from when the clock first shows its begin until it last shows its end. Where
clocks are put forward in it, it is shorter, and one that lies wholly in the hour that is skipped does not come; where they are put
back, it is longer, and so never too short."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from alerting_assets.alerts.configuration import quartz_text, timezone_name
from alerting_assets.alerts.fields import NonEmpty, checked
from alerting_assets.alerts.matcher import Matcher
from alerting_assets.alerts.schedule import in_words
from alerting_assets.alerts.thresholds import FieldError
from alerting_assets.alerts.windows import Window
from alerting_assets.errors import DefinitionError, Problem
from alerting_assets.quartz import parse_quartz
from alerting_assets.settings import CHANNEL_NAME

LONGEST = timedelta(days=30)
"""What lasts longer has to be forced."""
MAX_MINUTES = 366 * 24 * 60
"""That one window of a recurring silence may last."""
MAX_TIMES_A_DAY = 48
"""That a silence may recur."""
_SECOND = timedelta(seconds=1)
_BEGINNING = datetime(1970, 1, 1)  # noqa: DTZ001 — a time on the clock on the wall


def _without_fraction(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(
            f"{value.isoformat(' ')} has no time zone; write an offset, as in 2026-12-06T02:00:00+01:00, or set schedule_timezone"
        )
    try:
        return value.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise ValueError(f"{value.isoformat(' ')} lies outside of the calendar") from None


def _no_is_false(value: Any) -> Any:
    return False if value is None else value


Moment = Annotated[datetime, AfterValidator(_without_fraction)]


class SilenceConfiguration(Matcher):
    """The columns of `alert_silences` that people own, under the same names (docs/silences.md); those of the matcher say which alerts
    are meant."""

    silence_id: Annotated[str, Field(pattern=f"^{CHANNEL_NAME.pattern}$")]
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    schedule_cron: Annotated[str, AfterValidator(quartz_text)] | None = None
    schedule_timezone: Annotated[str, AfterValidator(timezone_name)] | None = None
    duration_minutes: Annotated[int, Field(ge=1, le=MAX_MINUTES)] | None = None
    is_forced: Annotated[bool, BeforeValidator(_no_is_false)] = False
    reason: NonEmpty
    created_by: NonEmpty
    managed_by: NonEmpty = "sql"

    def row(self) -> dict[str, Any]:
        return {**self.model_dump(mode="json"), "starts_at": self.starts_at, "ends_at": self.ends_at}

    @property
    def is_recurring(self) -> bool:
        return self.schedule_cron is not None

    def is_over(self, now: datetime) -> bool:
        """Whether it never comes again."""
        if self.ends_at is not None and self.ends_at <= now:
            return True
        return self.is_recurring and self.next_window(now) is None

    def is_active(self, now: datetime) -> bool:
        window = self.next_window(now)
        return window is not None and window.start <= now

    def next_window(self, now: datetime) -> Window | None:
        """The one that is now, or else the next; None where none comes again."""
        return next(self.windows(now), None)

    def windows(self, since: datetime) -> Iterator[Window]:
        """Those that are not over at that moment, in the order in which they begin. Windows of a silence that lasts longer than its
        interval overlap."""
        if self.schedule_cron is None:
            assert self.starts_at is not None
            assert self.ends_at is not None
            if self.ends_at > since:
                yield Window(self.starts_at, self.ends_at, self.silence_id)
            return
        zone, lasts = ZoneInfo(self.schedule_timezone or "UTC"), timedelta(minutes=self.duration_minutes or 0)
        first = max(since, self.starts_at or since).astimezone(zone).replace(tzinfo=None)
        # A day more on the clock on the wall than any clock change takes.
        for begin in parse_quartz(self.schedule_cron).wall_times(first - lasts - timedelta(days=1)):
            start, end = _first_shown(begin, zone), _last_before(begin + lasts, zone)
            start, end = max(start, self.starts_at or start), min(end, self.ends_at or end)
            if self.ends_at is not None and start >= self.ends_at:
                return
            if start < end and end > since:
                yield Window(start, end, self.silence_id)

    def when_in_words(self) -> str:
        """When it is, as `0 0 2 ? * SUN in Europe/Berlin, for 2 hours`."""
        if self.schedule_cron is None:
            return f"from {_shown(self.starts_at)} until {_shown(self.ends_at)}"
        words = f"{self.schedule_cron} in {self.schedule_timezone}, for {in_words((self.duration_minutes or 0) * 60)}"
        since = f", from {_shown(self.starts_at)}" if self.starts_at else ""
        return words + since + (f", until {_shown(self.ends_at)}" if self.ends_at else "")

    @model_validator(mode="after")
    def _is_once_or_recurs(self) -> Self:
        if self.schedule_cron is None:
            if self.duration_minutes is not None:
                raise FieldError("duration_minutes", "goes with schedule_cron only; set ends_at, or schedule_cron")
            for name in ("starts_at", "ends_at"):
                if getattr(self, name) is None:
                    raise FieldError(name, "is missing; or set schedule_cron and duration_minutes, for one that recurs")
        else:
            for name in ("duration_minutes", "schedule_timezone"):
                if getattr(self, name) is None:
                    raise FieldError(name, "is missing: a silence with schedule_cron needs it")
            if len(parse_quartz(self.schedule_cron).times_of_day) > MAX_TIMES_A_DAY:
                raise FieldError("schedule_cron", f"comes more than {MAX_TIMES_A_DAY} times a day, which is the most")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise FieldError("ends_at", f"{_shown(self.ends_at)} is not after starts_at, {_shown(self.starts_at)}")
        return self

    @model_validator(mode="after")
    def _is_short_or_forced(self) -> Self:
        rule = f"a silence longer than {LONGEST.days} days needs is_forced: true (`--force`)"
        if self.is_forced:
            return self
        if self.schedule_cron is not None:
            if _lasts_on(self.schedule_cron, self.duration_minutes or 0):
                raise FieldError("duration_minutes", f"leaves no gap in {LONGEST.days} days; {rule}")
        elif self.starts_at is not None and self.ends_at is not None and self.ends_at - self.starts_at > LONGEST:
            days = (self.ends_at - self.starts_at) / timedelta(days=1)
            raise FieldError("ends_at", f"lies {days:.1f} days after starts_at; {rule}")
        return self


OWNED_SILENCE_COLUMNS = tuple(SilenceConfiguration.model_fields)
"""The columns of alert_silences that people own."""


def parse_silence(
    values: Mapping[str, Any], *, file: str | None = None, line_of: Callable[[str | None], int | None] = lambda _: None
) -> SilenceConfiguration:
    """A checked silence. Texts and times without an offset are read in its schedule_timezone. Raises DefinitionError with every problem
    found."""
    silence_id = values.get("silence_id")
    place = Problem("", silence_id=silence_id if isinstance(silence_id, str) else None, file=file)
    given = dict(values)
    for name in ("starts_at", "ends_at"):
        try:
            given[name] = read_moment(given.get(name), given.get("schedule_timezone"))
        except ValueError as error:
            raise DefinitionError(
                [Problem(str(error), name, file=file, line=line_of(name), silence_id=place.silence_id)]
            ) from None
    return checked(
        SilenceConfiguration,
        given,
        place,
        line_of,
        what="a silence",
        patterns={"silence_id": "1 to 64 of a-z, 0-9, _ and -, the first one a letter, as weekly-maintenance"},
    )


def read_moment(value: Any, zone_name: Any) -> Any:
    """A text as a moment; one without an offset is a time on the clock of that zone, where there is one. All else stays as it is.
    Raises ValueError."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{value!r} is no moment; write it as 2026-12-06T02:00:00+01:00") from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        raise ValueError(f"{value} has no time of day; write it as {value}T02:00:00+01:00")
    if not isinstance(value, datetime) or value.tzinfo is not None or not isinstance(zone_name, str):
        return value
    zone = ZoneInfo(timezone_name(zone_name))
    if not _is_shown(value, zone):
        raise ValueError(f"{value.isoformat(' ')} does not exist in {zone_name}: clocks were put forward over it")
    aware = value.replace(tzinfo=zone)
    if aware.utcoffset() != aware.replace(fold=1).utcoffset():
        raise ValueError(f"{value.isoformat(' ')} comes twice in {zone_name}; write it with an offset")
    return aware


def _is_shown(wall: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock ever shows that."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


def _first_shown(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which a clock first shows that time, or a later one because it was put forward over it."""
    if _is_shown(wall, zone):
        return wall.replace(tzinfo=zone).astimezone(UTC)
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    seconds = range(int((late - early).total_seconds()) + 1)
    shown = bisect_left(
        seconds, wall, key=lambda second: (early + second * _SECOND).astimezone(zone).replace(tzinfo=None)
    )
    return early + shown * _SECOND


def _last_before(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment up to which a clock shows earlier times, for the last time."""
    before = wall - _SECOND
    if _is_shown(before, zone):
        return before.replace(tzinfo=zone, fold=1).astimezone(UTC) + _SECOND
    return _first_shown(before, zone)


@cache
def _lasts_on(cron: str, minutes: int) -> bool:
    """Whether windows of that length follow one another without a gap for longer than `LONGEST`."""
    lasts = timedelta(minutes=minutes)
    begin = end = _BEGINNING
    for start in islice(parse_quartz(cron).wall_times(_BEGINNING), MAX_TIMES_A_DAY * (LONGEST.days + 2)):
        begin = start if start > end else begin
        end = start + lasts
        if end - begin > LONGEST:
            return True
    return False


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

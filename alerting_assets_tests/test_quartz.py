from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.schedule import schedule_interval, schedule_notes
from alerting_assets.quartz import QuartzError, parse_quartz, time_zones
from alerting_assets_tests.profile import examples
from alerting_assets_tests.quartz_texts import REFUSED, STRICTER, ZONES, expressions

pytestmark = pytest.mark.unit

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def fired(text: str, number: int, zone: str = "UTC", after: datetime = NEW_YEAR) -> list[str]:
    times = islice(parse_quartz(text).fire_times(after, ZoneInfo(zone)), number)
    return [f"{time:%m-%d %H:%M}" for time in times]


# What Quartz 2.3.2 and 2.5.2 answer, for every kind of field.
@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("0 0 8-10,14-16 * * ?", ["01-01 08:00", "01-01 09:00", "01-01 10:00", "01-01 14:00"]),
        ("0 0/5 14,18-20 * * ?", ["01-01 14:00", "01-01 14:05", "01-01 14:10"]),
        ("0 0 9 ? * MON-WED,FRI", ["01-02 09:00", "01-05 09:00", "01-06 09:00", "01-07 09:00", "01-09 09:00"]),
        ("0 0 8 1-7,15 * ?", ["01-01 08:00", "01-02 08:00"]),
        ("0 15 10 ? JAN-MAR,JUL MON-FRI", ["01-01 10:15", "01-02 10:15", "01-05 10:15"]),
        ("0 0 9 ? * MON#1", ["01-05 09:00", "02-02 09:00", "03-02 09:00"]),
        ("0 0 9 ? * FRIL", ["01-30 09:00", "02-27 09:00", "03-27 09:00"]),
        ("0 0 8 ? * L", ["01-03 08:00", "01-10 08:00"]),
        ("0 10-20/5,40 * * * ?", ["01-01 00:10", "01-01 00:15", "01-01 00:20", "01-01 00:40", "01-01 01:10"]),
        ("0 0 8 ? * MON-FRI/2", ["01-01 08:00", "01-02 08:00", "01-05 08:00", "01-06 08:00"]),
        ("0 0 8 ? * 2-6/2", ["01-02 08:00", "01-05 08:00", "01-07 08:00", "01-09 08:00"]),
        ("0 0 8 ? * FRI-MON", ["01-02 08:00", "01-03 08:00", "01-04 08:00", "01-05 08:00", "01-09 08:00"]),
        ("0 0 22-2/2 * * ?", ["01-01 02:00", "01-01 22:00", "01-02 00:00", "01-02 02:00"]),
        ("0 0 8 28-3 * ?", ["01-01 08:00", "01-02 08:00", "01-03 08:00", "01-28 08:00"]),
        ("0 0 8 L * ?", ["01-31 08:00", "02-28 08:00"]),
        ("0 0 8 L-3W * ?", ["01-28 08:00", "02-25 08:00", "03-27 08:00", "04-27 08:00", "05-28 08:00", "06-26 08:00"]),
        ("0 0 8 15W * ?", ["01-15 08:00", "02-16 08:00", "03-16 08:00", "04-15 08:00"]),
        ("0  0\t8 * * ?", ["01-01 08:00"]),
        ("0 0 0 30 2 ?", []),
        ("0 0 0 29 2 ? 2096", ["02-29 00:00"]),
    ],
)
def test_it_fires_when_quartz_does(text: str, times: list[str]) -> None:
    assert fired(text, len(times) or 1) == times


# New York's clocks go on at 2026-03-08 07:00 UTC and back at 2026-11-01 06:00 UTC.
@pytest.mark.parametrize(
    ("text", "after", "times"),
    [
        ("0 30 2 * * ?", datetime(2026, 3, 7, 12, tzinfo=UTC), ["03-09 06:30", "03-10 06:30"]),
        ("0 30 1 * * ?", datetime(2026, 10, 31, 12, tzinfo=UTC), ["11-01 06:30", "11-02 06:30"]),
        ("0 0 * * * ?", datetime(2026, 11, 1, 3, 30, tzinfo=UTC), ["11-01 04:00", "11-01 06:00", "11-01 07:00"]),
        ("0 0 * * * ?", datetime(2026, 3, 8, 5, 30, tzinfo=UTC), ["03-08 06:00", "03-08 07:00", "03-08 08:00"]),
    ],
)
def test_a_skipped_time_does_not_fire_and_a_doubled_one_fires_the_second_time(
    text: str, after: datetime, times: list[str]
) -> None:
    assert fired(text, len(times), "America/New_York", after) == times


@pytest.mark.parametrize("text", [*REFUSED, *STRICTER])
def test_what_is_no_expression_is_refused_in_words(text: str) -> None:
    with pytest.raises(QuartzError) as caught:
        parse_quartz(text)
    assert len(str(caught.value)) > 10


@given(st.text("0123456789*/-,?LW#MONFRIJAN \t", max_size=30) | st.text(max_size=20))
def test_no_text_at_all_ends_in_anything_else(text: str) -> None:
    try:
        quartz = parse_quartz(text)
    except QuartzError:
        return
    quartz.next_fire_time(NEW_YEAR, ZoneInfo("UTC"))
    schedule_interval(text)


@examples(60, 2_000)
@given(text=expressions(), zone=st.sampled_from(ZONES), after=st.integers(0, 400 * 86_400))
def test_fire_times_go_on_and_match_their_expression(text: str, zone: str, after: int) -> None:
    quartz, place = parse_quartz(text), ZoneInfo(zone)
    start = NEW_YEAR + timedelta(seconds=after)
    times = list(islice(quartz.fire_times(start, place), 20))
    assert all(earlier < later for earlier, later in pairwise([start, *times]))
    for time in times:
        local = time.astimezone(place)
        assert (local.hour in quartz.hours, local.minute in quartz.minutes, local.second in quartz.seconds) == (
            True,
        ) * 3
        assert local.day in quartz.days(local.year, local.month)
        assert quartz.next_fire_time(time - timedelta(seconds=1), place) == time


PARTS = [st.sampled_from(["0", "5", "*", "0/20", "*/7", "10-50/20"]), st.sampled_from(["0", "30", "*", "0/15", "5/10"])]
HOURS, DAYS = (
    st.sampled_from(["8", "*", "0/6", "6,18", "22-2"]),
    st.sampled_from(["* * ?", "1/1 * ?", "? * MON", "? * *"]),
)


@examples(80, 2_000)
@given(expressions() | st.tuples(*PARTS, HOURS, DAYS).map(" ".join))
def test_an_even_interval_is_that_between_all_fire_times(text: str) -> None:
    interval = schedule_interval(text)
    if interval is not None:
        times = list(islice(parse_quartz(text).fire_times(NEW_YEAR, ZoneInfo("UTC")), 200))
        assert {(later - earlier).total_seconds() for earlier, later in pairwise(times)} == {interval}


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("0 0 0 30 2 ?", "never fires, so the alert is never evaluated"),
        ("0 0 0 31 4,6 ?", "never fires, so"),
        ("0 0 8 * * ? 1999", "never fires again, so"),
        ("0 0 8 * * ? 2020-2025", "never fires again, so"),
        ("0 0 8 ? * MON-FRI/2", "Quartz leaves the step of MON-FRI/2 aside"),
    ],
)
def test_a_schedule_that_does_not_do_what_it_seems_to_is_told(cron: str, says: str) -> None:
    (note,) = schedule_notes("A-1", cron, "UTC", NEW_YEAR)
    assert note.startswith("A-1: schedule_cron")
    assert says in note


def test_a_schedule_that_fires_is_not_told() -> None:
    assert schedule_notes("A-1", "0 0 0 29 2 ?", "Europe/Berlin", NEW_YEAR) == []


def test_zones_are_places() -> None:
    assert {"UTC", "Etc/GMT+5", "GMT", "Europe/Berlin", "Asia/Kolkata"} <= time_zones()
    assert not {"localtime", "Factory", "posixrules", "posix/Europe/Berlin", "right/UTC", "posix", ""} & time_zones()

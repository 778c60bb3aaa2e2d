"""When silences are, and what is wrong with one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.silences import SilenceConfiguration, parse_silence
from alerting_assets.alerts.silencing import MAX_WINDOWS, Silences
from alerting_assets.alerts.windows import (
    Window,
    disjoint,
    read_windows,
    silence_at,
    to_come,
    windows_in_words,
    windows_text,
)
from alerting_assets.errors import DefinitionError
from alerting_assets_tests.examples import configuration
from alerting_assets_tests.profile import examples
from alerting_assets_tests.silenced import MINUTE, Quiet, quiet, silence

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALERT = configuration()
WEEKLY = {"schedule_cron": "0 0 2 ? * SUN", "schedule_timezone": "Europe/Berlin", "duration_minutes": 120}


def made(silence_id: str = "quiet", **fields: Any) -> SilenceConfiguration:
    return parse_silence(silence(silence_id, **fields))


def once(silence_id: str, start: float, hours: float) -> SilenceConfiguration:
    """start: hours from NOW."""
    return made(silence_id, starts_at=NOW + start * HOUR, ends_at=NOW + (start + hours) * HOUR)


def windows(*silences: SilenceConfiguration, now: datetime = NOW) -> tuple[Window, ...]:
    return Silences(silences, now).windows(ALERT)


@examples(30, 500)
@given(given_quiet=quiet(moments=10))
def test_windows_are_where_the_clocks_say_and_nowhere_else(given_quiet: Quiet) -> None:
    found = given_quiet.at(given_quiet.deployed_at).windows(ALERT)
    for moment in given_quiet.moments:
        assert (silence_at(found, moment) is not None) == given_quiet.is_silent(moment), moment


@examples(30, 300)
@given(given_quiet=quiet(moments=4))
def test_what_is_deployed_stays_right_while_time_passes(given_quiet: Quiet) -> None:
    """So that nothing has to be written when a window has ended."""
    deployed = given_quiet.at(given_quiet.deployed_at).windows(ALERT)
    for moment in given_quiet.moments:
        if moment.month == given_quiet.deployed_at.month:
            assert to_come(deployed, moment) == to_come(given_quiet.at(moment).windows(ALERT), moment)


def test_the_weekly_maintenance_at_two_is_as_long_as_the_clocks_make_it() -> None:
    weekly = made(**WEEKLY)

    def hours(*day: int) -> tuple[int, float]:
        window = next(weekly.windows(datetime(*day, tzinfo=UTC)))
        return window.start.hour, (window.end - window.start) / HOUR

    assert hours(2026, 3, 21) == (1, 2.0)
    assert hours(2026, 3, 28) == (1, 1.0), "from 03:00, to which the clocks are put forward, until 04:00"
    assert hours(2026, 10, 24) == (0, 3.0), "from the first 02:00 until 04:00"


def test_a_window_in_the_hour_that_is_skipped_does_not_come() -> None:
    early = made(schedule_cron="0 10 2 * * ?", schedule_timezone="Europe/Berlin", duration_minutes=20)
    days = [
        window.start.date()
        for window, _ in zip(early.windows(datetime(2026, 3, 28, tzinfo=UTC)), range(2), strict=False)
    ]
    assert [str(day) for day in days] == ["2026-03-28", "2026-03-30"]


def test_a_recurring_silence_is_bounded_by_its_begin_and_its_end() -> None:
    daily = {"schedule_cron": "0 0 12 * * ?", "schedule_timezone": "UTC", "duration_minutes": 120}
    bounded = made(**daily, starts_at=NOW + HOUR, ends_at=NOW + 25 * HOUR)
    assert windows(bounded) == (
        Window(NOW + HOUR, NOW + 2 * HOUR, "quiet"),
        Window(NOW + 24 * HOUR, NOW + 25 * HOUR, "quiet"),
    )
    assert not bounded.is_over(NOW + 24 * HOUR)
    assert bounded.is_over(NOW + 25 * HOUR)
    assert bounded.is_active(NOW + HOUR)
    assert not bounded.is_active(NOW)


def test_one_whose_schedule_names_no_day_any_more_is_over() -> None:
    last_year = made(schedule_cron="0 0 2 * * ? 2025", schedule_timezone="UTC", duration_minutes=60)
    assert last_year.is_over(NOW)
    assert windows(last_year) == ()


def test_where_silences_overlap_the_one_that_began_first_has_the_time() -> None:
    assert windows(once("b", 1, 3), once("a", 2, 4), once("inside", 1, 1)) == (
        Window(NOW + HOUR, NOW + 4 * HOUR, "b"),
        Window(NOW + 4 * HOUR, NOW + 6 * HOUR, "a"),
    )


def test_windows_that_touch_are_one_and_those_that_are_over_are_none() -> None:
    ended, running = once("ended", -3, 1), once("running", -1, 2)
    assert windows(ended, running) == (Window(NOW - HOUR, NOW + HOUR, "running"),)
    night = {"schedule_timezone": "UTC", "duration_minutes": 24 * 60}
    week = made(**night, schedule_cron="0 0 0 ? * MON-FRI", starts_at=NOW, ends_at=NOW + timedelta(days=7))
    assert [(window.end - window.start).days for window in windows(week)] == [5]


def test_recurring_windows_are_written_down_until_a_month_ahead_at_least() -> None:
    for day in (1, 15, 30):
        now = NOW.replace(day=day)
        last = windows(made(**WEEKLY), now=now)[-1]
        assert datetime(2026, 12, 27, tzinfo=UTC) < last.start < datetime(2027, 1, 1, tzinfo=UTC)
    assert windows(made(**WEEKLY), now=datetime(2026, 12, 1, tzinfo=UTC))[-1].start.month == 1


def test_many_silences_of_one_alert_make_no_endless_query() -> None:
    same = [once(f"s{number}", 1, 2) for number in range(100)]
    assert len(windows(*same)) == 1
    apart = [once(f"s{number}", 3 * number, 1) for number in range(100)]
    assert len(windows(*apart)) == 100
    often = [
        made(f"s{minute}", schedule_cron=f"0 {minute} * * * ?", schedule_timezone="UTC", duration_minutes=1)
        for minute in (0, 10, 20)
    ]
    assert len(windows(*often)) <= MAX_WINDOWS
    assert windows(*often)[-1].start > NOW + timedelta(days=1), "through tomorrow"


def test_a_silence_of_another_alert_is_nobody_elses() -> None:
    other = made(starts_at=NOW, ends_at=NOW + HOUR, match_alert_ids="SEC-*")
    assert windows(other) == ()
    assert Silences([other], NOW).active(configuration(alert_id="SEC-1")) == "quiet"
    assert Silences([other], NOW + HOUR).active(configuration(alert_id="SEC-1")) is None, "its end is not in it"
    since = Silences([other], NOW + 2 * HOUR).since(configuration(alert_id="SEC-1"), NOW - HOUR)
    assert since == (Window(NOW, NOW + HOUR, "quiet"),), "what is over is still known of the past"


windows_at = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 20), st.sampled_from("abc")).map(
        lambda drawn: Window(NOW + drawn[0] * MINUTE, NOW + (drawn[0] + drawn[1]) * MINUTE, drawn[2])
    )
)


@given(given_windows=windows_at)
def test_windows_made_disjoint_cover_the_same_and_are_remembered_as_they_are(given_windows: list[Window]) -> None:
    found = disjoint(given_windows)
    assert all(earlier.end <= later.start for earlier, later in pairwise(found))
    for minute in range(75):
        moment = NOW + minute * MINUTE
        assert (silence_at(found, moment) is None) == (silence_at(given_windows, moment) is None)
    assert read_windows(windows_text(found)) == found


@pytest.mark.parametrize("text", [None, "", "no JSON", "[[1]]", '[["a", "b", "c"]]', "5", '{"a": 1}'])
def test_a_text_that_remembers_nothing_is_no_window(text: str | None) -> None:
    assert read_windows(text) == ()


def test_windows_in_words() -> None:
    assert windows_in_words(windows(once("a", 1, 1))) == "2026-11-01 13:00 to 14:00 UTC by a"
    words = windows_in_words(windows(once("a", 1, 24), once("b", 48, 1)))
    assert words == "2026-11-01 13:00 to 2026-11-02 13:00 UTC by a, and 1 more"


ONCE = {"starts_at": "2026-12-06T02:00:00+01:00", "ends_at": "2026-12-06T04:00:00+01:00"}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({}, "starts_at", "is missing"),
        ({"starts_at": NOW}, "ends_at", "is missing"),
        ({**ONCE, "silence_id": "A B"}, "silence_id", "1 to 64 of a-z"),
        ({**ONCE, "reason": None}, "reason", ""),
        ({**ONCE, "ends_at": "2026-12-06T02:00:00+01:00"}, "ends_at", "is not after starts_at"),
        ({**ONCE, "starts_at": "2026-12-06 02:00"}, "starts_at", "has no time zone"),
        ({**ONCE, "starts_at": "tomorrow"}, "starts_at", "is no moment"),
        ({**ONCE, "starts_at": datetime(2026, 12, 6).date()}, "starts_at", "no time of day"),  # noqa: DTZ001
        ({**ONCE, "starts_at": 5}, "starts_at", ""),
        ({**ONCE, "ends_at": "9999-12-31T23:59:59-05:00"}, "ends_at", "outside of the calendar"),
        ({**ONCE, "ends_at": "2027-02-06T04:00:00+01:00"}, "ends_at", "62.1 days after starts_at"),
        ({**ONCE, "duration_minutes": 5}, "duration_minutes", "goes with schedule_cron"),
        ({**ONCE, "schedule_timezone": "Europe/Belin"}, "starts_at", ""),
        ({**WEEKLY, "schedule_timezone": None}, "schedule_timezone", "is missing"),
        ({**WEEKLY, "duration_minutes": None}, "duration_minutes", "is missing"),
        ({**WEEKLY, "schedule_cron": "every Sunday"}, "schedule_cron", "Quartz"),
        ({**WEEKLY, "schedule_cron": "0 * * * * ?", "duration_minutes": 1}, "schedule_cron", "48 times a day"),
        ({**WEEKLY, "schedule_cron": "0 0 2 * * ?", "duration_minutes": 1440}, "duration_minutes", "no gap in 30 days"),
        ({**WEEKLY, "match_domains": "COSTS"}, "match_domains", "COST"),
        ({**WEEKLY, "match_domain": "COST"}, "match_domain", "match_domains"),
    ],
)
def test_what_is_wrong_is_told_by_field(fields: dict[str, Any], field: str, words: str) -> None:
    if "Belin" in str(fields):
        fields = {**fields, "starts_at": "2026-12-06 02:00"}
    with pytest.raises(DefinitionError) as caught:
        parse_silence(silence(**fields))
    assert any(problem.field == field and words in problem.message for problem in caught.value.problems)


def test_times_without_an_offset_are_on_the_clock_of_the_silence() -> None:
    read = made(starts_at="2026-12-06 02:00", ends_at=datetime(2026, 12, 6, 4), schedule_timezone="Europe/Berlin")  # noqa: DTZ001
    assert read.starts_at == datetime(2026, 12, 6, 1, tzinfo=UTC)
    assert read.ends_at == datetime(2026, 12, 6, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "words"), [("2026-03-29 02:30", "does not exist"), ("2026-10-25 02:30", "comes twice")]
)
def test_a_time_that_a_clock_change_makes_unclear_is_refused(time: str, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        made(starts_at=time, ends_at="2026-12-06T04:00:00+01:00", schedule_timezone="Europe/Berlin")


def test_what_lasts_longer_than_thirty_days_is_forced() -> None:
    assert made(starts_at=NOW, ends_at=NOW + timedelta(days=31), is_forced=True).is_active(NOW)
    assert made(starts_at=NOW, ends_at=NOW + timedelta(days=30), is_forced=None).is_active(NOW)
    always = {"schedule_cron": "0 0 0 * * ?", "schedule_timezone": "UTC", "duration_minutes": 1440}
    assert made(**always, is_forced=True).is_active(NOW)
    assert made(**{**always, "duration_minutes": 1439}).in_words() == "every alert"

"""Which alerts the silences are about, and the windows that are deployed with each. Pure.

Windows of recurring silences are written down ahead of time, up to a horizon that moves in steps, so that what is deployed changes with
it about once a month, and is right until then with nobody's process running. It is never less than a month away. An alert with more than
`MAX_WINDOWS` until then has those up to the end of next week, or of tomorrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from alerting_assets.alerts.matcher import Matchable
from alerting_assets.alerts.silences import SilenceConfiguration
from alerting_assets.alerts.windows import Window, Windows, disjoint, silence_at

MAX_WINDOWS = 200
"""Of an alert, as long as a nearer horizon can help: a window takes about 150 characters of the deployed query."""


class Silences:
    """All silences that can be used, at a moment."""

    def __init__(self, silences: Iterable[SilenceConfiguration], now: datetime) -> None:
        self.now = now
        self.all = tuple(sorted(silences, key=lambda one: one.silence_id))
        self._to_come = tuple(one for one in self.all if not one.is_over(now))
        self._windows: dict[tuple[str, ...], Windows] = {}

    def of(self, alert: Matchable) -> tuple[SilenceConfiguration, ...]:
        """Those that are about the alert, and not over."""
        return tuple(one for one in self._to_come if one.matches(alert))

    def windows(self, alert: Matchable) -> Windows:
        """Those that are not over, up to the horizon."""
        silences = self.of(alert)
        key = tuple(one.silence_id for one in silences)
        if key not in self._windows:
            self._windows[key] = _planned(silences, self.now)
        return self._windows[key]

    def active(self, alert: Matchable) -> str | None:
        """The silence_id of the silence that it is under now."""
        return silence_at(self.windows(alert), self.now)

    def since(self, alert: Matchable, moment: datetime) -> Windows:
        """Its windows between that moment and now."""
        return disjoint(
            window for one in self.all if one.matches(alert) for window in _between(one, moment, self.now + _INSTANT)
        )


NO_SILENCES = Silences((), datetime.min.replace(tzinfo=UTC))

_INSTANT = timedelta(microseconds=1)


def _planned(silences: Sequence[SilenceConfiguration], now: datetime) -> Windows:
    windows: Windows = ()
    for since, until in _horizons(now):
        windows = disjoint(window for one in silences for window in _between(one, since, until))
        if len(windows) <= MAX_WINDOWS:
            break
    return tuple(window for window in windows if window.end > now)


def _between(silence: SilenceConfiguration, since: datetime, until: datetime) -> Iterator[Window]:
    if not silence.is_recurring:
        return silence.windows(since)
    return takewhile(lambda window: window.start < until, silence.windows(since))


def _horizons(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """(beginning, horizon) of the present month, week and day in UTC, with the one behind it."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    yield month, (month + timedelta(days=70)).replace(day=1)
    week = day - timedelta(days=day.weekday())
    yield week, week + timedelta(days=14)
    yield day, day + timedelta(days=2)

"""What was told and what was held lately, on one side of an alert: that bounds every hold."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from alerting_assets.anomaly.hours import DAY
from alerting_assets.anomaly.method import Method


class Holding:
    """Folded over the hours in order, one `record` for each hour with values over the threshold; values times the side's sign.

    It can be made anew from the history of `persistence_days` and a day, and is never asked about an hour before one that it recorded."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._told: deque[tuple[int, float]] = deque()
        self._chain: tuple[int, int] | None = None
        self._unbroken: tuple[int, int] | None = None
        self._persistence = _Persistence(method)
        self._told_persistence: int | None = None

    def record(self, hour: int, *, told: float | None, held_by_season: bool, persistent: bool) -> None:
        """What became of an hour with values over the threshold.

        told: the highest value that was told; None where none was.
        held_by_season: whether one was held that no memory of what was told holds as well.
        persistent: whether the hour's range was closed because the threshold was exceeded for too long."""
        self._persistence.add(hour)
        unbroken = self._unbroken is not None and hour - self._unbroken[1] <= self._method.episode_pause_hours
        start = self._unbroken[0] if self._unbroken is not None and unbroken and told is None else hour
        self._unbroken = (start, hour)
        if told is not None:
            # One that is later and higher says all that an earlier and lower one does.
            while self._told and self._told[-1][1] <= told:
                self._told.pop()
            self._told.append((hour, told))
            self._chain = None
            if persistent:
                self._told_persistence = hour
            return
        alive = self._chain is not None and self._is_alive(hour)
        if held_by_season or alive:
            self._chain = (self._chain[0] if self._chain is not None and alive else hour, hour)

    def hold_is_over(self, hour: int) -> bool:
        """Whether the season has held for so long that the next value over the threshold is told."""
        limit = self._method.hold_hours
        return limit is not None and self._chain is not None and self._is_alive(hour) and hour - self._chain[0] >= limit

    def is_unbroken(self, hour: int) -> bool:
        """Whether an episode has gone on for so long, since it began or was last told, that it is told again whatever was told before."""
        limit, run = self._method.hold_hours, self._unbroken
        return (
            limit is not None
            and run is not None
            and hour - run[1] <= self._method.episode_pause_hours
            and hour - run[0] >= limit
        )

    def is_persistent(self, hour: int) -> bool:
        """Whether, with this hour, the threshold would be exceeded longer than ever lately. Told once in `persistence_hours`."""
        recently = (
            self._told_persistence is not None and hour - self._told_persistence <= self._method.persistence_hours
        )
        return not recently and self._persistence.is_unusual(hour)

    def remembered(self, hour: int, season: float, forgotten: Sequence[tuple[int, int]]) -> float | None:
        """The level that was told lately, faded towards what the season expects; None where nothing was.

        forgotten: first and last hours of true incidents, whose levels nobody expects."""
        while self._told and self._told[0][0] < hour - self._method.memory_hours:
            self._told.popleft()
        levels = [
            level - max(level - season, 0.0) * (hour - when) / self._method.memory_fade_hours
            for when, level in self._told
            if not any(start <= when <= end for start, end in forgotten)
        ]
        return max(levels, default=None)

    def _is_alive(self, hour: int) -> bool:
        return self._chain is not None and hour - self._chain[1] <= self._method.hold_pause_hours


class _Persistence:
    """How many hours over the threshold there were within `persistence_hours`, and the most that there ever were in the days before."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._hours: list[int] = []
        self._counts: list[int] = []
        self._waiting = 0
        self._most: deque[tuple[int, int]] = deque()

    def add(self, hour: int) -> None:
        self._counts.append(self._within(hour) + 1)
        self._hours.append(hour)

    def is_unusual(self, hour: int) -> bool:
        least = self._method.persistence_least
        if least is None:
            return False
        while self._waiting < len(self._hours) and self._hours[self._waiting] <= hour - self._method.persistence_hours:
            when, count = self._hours[self._waiting], self._counts[self._waiting]
            while self._most and self._most[-1][1] <= count:
                self._most.pop()
            self._most.append((when, count))
            self._waiting += 1
        while self._most and self._most[0][0] <= hour - self._method.persistence_days * DAY:
            self._most.popleft()
        most = self._most[0][1] if self._most else 0
        return self._within(hour) + 1 > max(most, least)

    def _within(self, hour: int) -> int:
        return len(self._hours) - bisect_left(self._hours, hour - self._method.persistence_hours + 1)

"""What suppression would have done to a history: by episode, and against incidents that are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alerting_assets.alerts.reasons import Reason
from alerting_assets.anomaly.method import METHOD
from alerting_assets.anomaly.series import HOUR, Booleans, Integers, Series
from alerting_assets.anomaly.walk import Decisions

HELD_BY = (Reason.USUAL, Reason.RECURRENCE, Reason.TOLD)


class Span(NamedTuple):
    """From when until when, both included, in seconds since 1970."""

    start: int
    end: int


def episodes(at: Integers) -> list[Span]:
    """Times over the threshold, in order, as runs with pauses of a few hours at most."""
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) > METHOD.episode_pause_hours * HOUR) + 1
    return [Span(int(run[0]), int(run[-1])) for run in np.split(at, breaks)]


@dataclass(frozen=True)
class Summary:
    """episodes, told: runs over the threshold, and those of which something was told. held_by: evaluations that each reason held.
    with_range: the share of evaluations that had a range. longest_hold_hours: from the first to the last held in a row, with none told
    and no pause that ends a chain between them."""

    evaluations: int
    over_threshold: int
    notified: int
    suppressed: int
    episodes: int
    episodes_told: int
    held_by: dict[str, int]
    with_range: float
    longest_hold_hours: float


def summary_of(series: Series, decisions: Decisions) -> Summary:
    over = episodes(series.at[series.met])
    told_at = series.at[decisions.notified]
    counted = Counter(
        basis for basis, held in zip(decisions.held_by, decisions.suppressed.tolist(), strict=True) if held
    )
    return Summary(
        evaluations=len(series.at),
        over_threshold=int(series.met.sum()),
        notified=len(told_at),
        suppressed=int(decisions.suppressed.sum()),
        episodes=len(over),
        episodes_told=sum(_is_told(one, told_at) for one in over),
        held_by={basis.value: counted[basis] for basis in HELD_BY},
        with_range=float(np.isfinite(decisions.score).mean()) if len(series.at) else 0.0,
        longest_hold_hours=_longest_hold(series.at[series.met], decisions.suppressed[series.met]) / HOUR,
    )


def _longest_hold(at: Integers, held: Booleans) -> int:
    longest, start, last = 0, None, 0
    for when, is_held in zip(at.tolist(), held.tolist(), strict=True):
        if not is_held:
            start = None
            continue
        if start is None or when - last > METHOD.hold_pause_hours * HOUR:
            start = when
        last = when
        longest = max(longest, when - start)
    return longest


def _is_told(span: Span, told_at: Integers) -> bool:
    first = np.searchsorted(told_at, span.start)
    return bool(first < len(told_at) and told_at[first] <= span.end)


@dataclass(frozen=True)
class Judgement:
    """Suppression against known incidents. An episode is false when it meets no incident.

    false, false_told: episodes without and with suppression. caught, kept: incidents that are told without and with it.
    delays: hours by which each kept one is told later."""

    false: int
    false_told: int
    caught: int
    kept: int
    delays: tuple[float, ...]

    @property
    def lost(self) -> int:
        return self.caught - self.kept


def judge(met_at: Integers, told_at: Integers, incidents: Sequence[Span]) -> Judgement:
    """Whether incidents are told is judged by what is told within them.

    met_at, told_at: when the threshold was exceeded, and when that was told."""
    over = episodes(met_at)
    is_false = [not any(one.start <= known.end and one.end >= known.start for known in incidents) for one in over]
    told = [_is_told(one, told_at) for one in over]
    delays, caught = [], 0
    for known in incidents:
        before, after = (_first_within(known, at) for at in (met_at, told_at))
        caught += before is not None
        if before is not None and after is not None:
            delays.append((after - before) / HOUR)
    return Judgement(
        false=sum(is_false),
        false_told=sum(a and b for a, b in zip(is_false, told, strict=True)),
        caught=caught,
        kept=len(delays),
        delays=tuple(delays),
    )


def _first_within(span: Span, at: Integers) -> int | None:
    index = np.searchsorted(at, span.start)
    return int(at[index]) if index < len(at) and at[index] <= span.end else None

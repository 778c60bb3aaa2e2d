"""Every number that the seasonal method rests on, in one place; docs/anomaly.md says how they were chosen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """Margins are in units of scale, and everything else counts hours, days and weeks: nothing depends on the unit of the value.

    min_history_days: with less history there is no range, and so nothing is held.
    weeks: how far back a training looks.
    phase_width: hours of the day on either side that count as the same phase.
    min_values: with fewer values a phase has no range.
    scale_floor: the least scale of a phase, as a share of the median of all phases.
    margins, told_share, margin_days, few_episodes, usual_margin: the margin is the smallest of `margins` with which at most `told_share`
        of the episodes of the last `margin_days` would have been told; with less than `few_episodes` it is `usual_margin`. None of
        `margins`: the expected value alone holds nothing.
    recurrence: a level that was reached on so many days at the same phase is expected there again; 0: none is.
    memory_hours, memory_fade_hours, memory_margin: a level that was told is expected again for `memory_hours`, and up to `memory_margin`
        more; it fades towards what the season expects, at a pace that would take `memory_fade_hours`.
    rise_margin, rise_values: a rise from one hour to the next that exceeds the highest at the same phase by so much is told, where that
        many rises are known and the level it leads to is none that recurs. None: it is not.
    hold_hours, hold_pause_hours: values that the season holds form a chain, which outlives pauses of `hold_pause_hours`; `hold_hours`
        after its start the season holds no more until one is told. None: it always holds.
    episode_pause_hours: a longer pause begins another episode.
    persistence_hours, persistence_days, persistence_least: more hours over the threshold within `persistence_hours` than ever in
        `persistence_days` before, and than `persistence_least`, are told. None: they are not."""

    min_history_days: int = 14
    weeks: int = 8
    phase_width: int = 1
    min_values: int = 6
    scale_floor: float = 0.25
    margins: tuple[float, ...] = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0)
    told_share: float = 0.3
    margin_days: int = 28
    few_episodes: int = 3
    usual_margin: float = 3.0
    recurrence: int = 2
    memory_hours: int = 120
    memory_fade_hours: float = 180.0
    memory_margin: float = 0.5
    rise_margin: float | None = 0.5
    rise_values: int = 20
    hold_hours: int | None = 23
    hold_pause_hours: int = 48
    episode_pause_hours: int = 3
    persistence_hours: int = 24
    persistence_days: int = 28
    persistence_least: int | None = 6


METHOD = Method()

"""What became lately of the evaluations over the threshold: the memory that every hold is bounded by, and the share that was held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.alerts.reasons import Reason
from alerting_assets.anomaly import METHOD, Holding, Method, Side
from alerting_assets.anomaly.series import HOUR, Booleans, Integers
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.sql_literal import moment_literal
from alerting_assets.suppression.histories import MET, Evaluations, read_evaluations
from alerting_assets.suppression.modelled import ModelledAlert

DAYS = METHOD.persistence_days + 1
"""Of which a holding can be made anew (`Holding`)."""
BUDGET_DAYS = 28
BUDGET_LEAST = 20
"""With fewer evaluations over the threshold a share of them says nothing."""
DECLARED = (Reason.EVENT.value, Reason.LABELLED.value)
"""What people said themselves: evaluations that are held for it count neither as told nor as held."""
SEASONAL = (Reason.USUAL.value, Reason.RECURRENCE.value)


class HourOver(NamedTuple):
    """An hour with values over the threshold on one side, as `Holding.record` takes it."""

    hour: int
    told: float | None
    held_by_season: bool
    persistent: bool


@dataclass
class Lately:
    """Of one alert.

    over: its hours over the threshold of the last `DAYS`, by side and in order.
    peaks: the highest value, times the side's sign, of the present hour so far and of the one before: (hour, side) → value.
    decided, held: how many of its evaluations over the threshold of the last `BUDGET_DAYS` a model was asked about, and how many of them
        it held, or would have held."""

    over: dict[Side, list[HourOver]] = field(default_factory=dict)
    peaks: dict[tuple[int, Side], float] = field(default_factory=dict)
    decided: int = 0
    held: int = 0

    @property
    def held_share(self) -> float:
        """0 where nothing was decided."""
        return self.held / self.decided if self.decided else 0.0

    def is_over_budget(self, budget: float) -> bool:
        return self.decided >= BUDGET_LEAST and self.held_share > budget

    def holdings(self, sides: Sequence[Side], method: Method, end: int) -> dict[Side, Holding]:
        """The memory of each side of what happened before an hour. end: since 1970."""
        found = {}
        for side in sides:
            found[side] = Holding(method)
            for one in self.over.get(side, ()):
                if one.hour < end:
                    hour, told, held_by_season, persistent = one
                    found[side].record(hour, told=told, held_by_season=held_by_season, persistent=persistent)
        return found

    def before(self, hour: int) -> dict[Side, float]:
        """The highest values of the hour before it."""
        return {side: peak for (when, side), peak in self.peaks.items() if when == hour - 1}


def read_lately(lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], now: datetime) -> dict[str, Lately]:
    """What became of each of these alerts, by alert_id; one statement for all of them."""
    before = int(now.timestamp()) // HOUR - 1
    since = moment_literal(datetime.fromtimestamp(before * HOUR, UTC))
    found = read_evaluations(
        lakehouse,
        alerts,
        now - timedelta(days=DAYS),
        now,
        where=f"{MET} OR evaluated_at >= {since}",
        columns=("ml_suppressed", "ml_shadow", "ml_reason", "silence_id"),
    )
    lately = [Lately() for _ in alerts]
    reason = found.rest.column("ml_reason")
    held = _flags(found.rest.column("ml_suppressed")) | _flags(found.rest.column("ml_shadow"))
    declared = held & _is_one_of(reason, DECLARED)
    counted = found.met & ~declared & _flags(pc.is_null(found.rest.column("silence_id")))
    by_season = held & _is_one_of(reason, SEASONAL)
    persistent = _is_one_of(reason, [Reason.PERSISTENCE.value])
    breach = found.breach()
    for side in Side:
        rows = np.flatnonzero(counted & (breach == side.sign))
        for number, hour in _hours_over(found, side, rows, ~held, by_season, persistent):
            lately[number].over.setdefault(side, []).append(hour)
        _add_peaks(lately, found, side, before)
    is_asked = counted & _flags(pc.is_valid(reason)) & (found.at >= int(now.timestamp()) - BUDGET_DAYS * 24 * HOUR)
    for part, number in found.parts():
        lately[number].decided = int(is_asked[part].sum())
        lately[number].held = int((is_asked[part] & held[part]).sum())
    return {alert.alert_id: one for alert, one in zip(alerts, lately, strict=True)}


def _hours_over(
    found: Evaluations, side: Side, rows: Integers, told: Booleans, by_season: Booleans, persistent: Booleans
) -> Iterator[tuple[int, HourOver]]:
    """The hours over the threshold, each with the place of its alert. rows: those that are over it on this side."""
    if not len(rows):
        return
    alert, hour = found.alert[rows], found.at[rows] // HOUR
    first = np.flatnonzero(np.append(True, (np.diff(alert) != 0) | (np.diff(hour) != 0)))
    value = side.sign * found.value[rows]
    # Infinity is no level that could be expected again.
    level = np.maximum.reduceat(np.where(told[rows] & np.isfinite(value), value, -np.inf), first)
    is_told, season, too_long = (np.logical_or.reduceat(flags[rows], first) for flags in (told, by_season, persistent))
    columns = (alert[first], hour[first], level, is_told, season, too_long)
    for number, when, highest, any_told, any_season, any_too_long in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        yield number, HourOver(when, highest if any_told else None, any_season, any_too_long)


def _add_peaks(lately: Sequence[Lately], found: Evaluations, side: Side, since: int) -> None:
    """since: hour since 1970."""
    rows = np.flatnonzero((found.at >= since * HOUR) & np.isfinite(found.value))
    for number, at, value in zip(
        found.alert[rows].tolist(), found.at[rows].tolist(), found.value[rows].tolist(), strict=True
    ):
        peaks, key = lately[number].peaks, (at // HOUR, side)
        peaks[key] = max(peaks.get(key, side.sign * value), side.sign * value)


def _flags(column: pa.ChunkedArray) -> Booleans:
    """NULL is false."""
    return np.asarray(pc.fill_null(column, False).to_numpy(), dtype=bool)


def _is_one_of(column: pa.ChunkedArray, words: Sequence[str]) -> Booleans:
    return _flags(pc.is_in(column, pa.array(words, pa.string())))

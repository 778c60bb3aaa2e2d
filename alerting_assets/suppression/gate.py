"""Whether what was learned may serve: a replay of the last weeks, alert by alert.

An alert that fails is left out of the bundle, so that nothing is held back of it; the others serve. Only where many fail, the fault is
not theirs, and the version before goes on serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from alerting_assets.anomaly import METHOD, Decisions, Model, Series, Span, judge, walk_forward
from alerting_assets.anomaly.series import HOUR
from alerting_assets.suppression.lately import BUDGET_LEAST
from alerting_assets.suppression.modelled import ModelledAlert
from alerting_assets.suppression.tiers import NONE, tier_of

REPLAYED = timedelta(days=28)
MOST_FAIL = 0.2
"""With a greater share of the alerts that have a season, and more than one, nothing is promoted."""


@dataclass(frozen=True)
class GateRow:
    """What the replay says of one alert.

    tier: NONE or SEASONAL (`tiers`). met, held: evaluations over the threshold of the last weeks, and how many of them
    would have been held. incidents, lost: that people labelled as true and that the threshold tells, and how many of them nothing would
    have told. failure: why it is left out; None: it serves, or has nothing to serve."""

    alert_id: str
    tier: str
    met: int
    held: int
    incidents: int
    lost: int
    failure: str | None

    @property
    def held_share(self) -> float:
        return self.held / self.met if self.met else 0.0


@dataclass(frozen=True)
class Gate:
    """rows: one an alert. refusal: why nothing is promoted; None: it may be."""

    rows: tuple[GateRow, ...]
    refusal: str | None

    @property
    def failed(self) -> list[GateRow]:
        return [row for row in self.rows if row.failure is not None]


def gate_row(alert: ModelledAlert, series: Series, model: Model, now: datetime) -> tuple[GateRow, Decisions]:
    """The replay of one alert."""
    decisions = walk_forward(series, replace(METHOD, hold_hours=alert.hold_hours), alert.ml_threshold)
    since = int((now - REPLAYED).timestamp())
    replayed = series.at >= since
    met, held = series.met & replayed, decisions.suppressed & replayed
    known = [
        Span(one.start, int(now.timestamp()) if one.end is None else one.end)
        for one in series.not_learned
        if one.start >= since and not one.is_planned
    ]
    judged = judge(series.at[met], series.at[met & ~held], known)
    counts = int(np.count_nonzero(met)), int(np.count_nonzero(held))
    tier, _ = tier_of(series, model)
    failure = None
    if judged.lost:
        times = "; ".join(_words(one) for one in known)
        failure = (
            f"{judged.lost} of {judged.caught} incidents that people labelled as true would not be told (of {times})"
        )
    elif counts[0] >= BUDGET_LEAST and counts[1] > alert.budget * counts[0]:
        failure = (
            f"{counts[1]} of {counts[0]} evaluations over the threshold would be held, more than its ml_suppression_budget of "
            f"{alert.budget:.0%}; put the threshold where it means something, or raise the budget"
        )
    return GateRow(alert.alert_id, tier, *counts, judged.caught, judged.lost, failure), decisions


def decide_gate(rows: Sequence[GateRow]) -> Gate:
    able = [row for row in rows if row.tier != NONE or row.failure is not None]
    failed = [row for row in rows if row.failure is not None]
    refusal = None
    if len(failed) > 1 and len(failed) > MOST_FAIL * len(able):
        refusal = f"{len(failed)} of {len(able)} alerts fail the replay of the last {REPLAYED.days} days"
    return Gate(tuple(rows), refusal)


def _words(span: Span) -> str:
    start, end = (np.datetime64(second // HOUR * HOUR, "s") for second in span)
    return f"{start} to {end} UTC"

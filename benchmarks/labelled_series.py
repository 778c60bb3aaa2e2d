"""Series of a folder with labelled incidents, and rules on them: what the two benchmarks of suppression share.

The folder holds data/<group>/<name>.csv (timestamp,value) and labels/combined_windows.json ({"group/name.csv": [[start, end], …]}), as
the Numenta Anomaly Benchmark has it. Each series is taken by the hour, and those of less than three weeks are left out."""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from alerting_assets.anomaly import Judgement, Series, Side, Span, judge
from alerting_assets.anomaly.series import HOUR, Booleans, Floats, Integers

LEAST_DAYS = 21
FIRST = 0.3
"""The share of a series that its threshold comes from; the rest is judged."""

Decide = Callable[[Series], Booleans]
"""From a series to which of its evaluations are held."""


@dataclass(frozen=True)
class Labelled:
    name: str
    at: Integers
    value: Floats
    incidents: tuple[Span, ...]

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]

    def rule(self, quantile: float) -> Series:
        """An alert that fires over this quantile of the first part."""
        threshold = np.quantile(self.value[: self.first], quantile)
        return series_of(self.at, self.value, self.value > threshold)

    @property
    def first(self) -> int:
        return int(len(self.at) * FIRST)


def series_of(at: Integers, value: Floats, met: Booleans) -> Series:
    return Series(at, value, met.astype(np.int64), (Side.ABOVE,))


def read_labelled(folder: Path) -> list[Labelled]:
    found = []
    for name, windows in sorted(json.loads((folder / "labels" / "combined_windows.json").read_text()).items()):
        at, value = _hourly(folder / "data" / name)
        if (at[-1] - at[0]) // (24 * HOUR) >= LEAST_DAYS:
            found.append(Labelled(name, at, value, tuple(Span(_seconds(a), _seconds(b)) for a, b in windows)))
    return found


def judged(one: Labelled, series: Series, held: Booleans) -> Judgement:
    """On the part of the series that the threshold does not come from."""
    start = one.at[one.first]
    counts = series.met & (series.at >= start)
    return judge(
        series.at[counts], series.at[counts & ~held], [known for known in one.incidents if known.start >= start]
    )


def total(judgements: Sequence[Judgement]) -> dict[str, float | int | None]:
    false, told = sum(one.false for one in judgements), sum(one.false_told for one in judgements)
    delays = [delay for one in judgements for delay in one.delays]
    return {
        "false_episodes": false,
        "false_episodes_told": told,
        "cut": round(1 - told / false, 4) if false else None,
        "incidents_caught": sum(one.caught for one in judgements),
        "incidents_kept": sum(one.kept for one in judgements),
        "median_delay_hours": round(statistics.median(delays), 1) if delays else None,
        "max_delay_hours": round(max(delays), 1) if delays else None,
    }


def clopper_pearson(failures: int, trials: int, confidence: float = 0.95) -> float:
    """The highest rate of failure that is compatible with what was seen, one-sided."""
    if failures >= trials:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        rate = (low + high) / 2
        seen = math.fsum(math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(failures + 1))
        low, high = (rate, high) if seen > 1 - confidence else (low, rate)
    return high


def _hourly(file: Path) -> tuple[Integers, Floats]:
    hours: dict[int, list[float]] = {}
    with file.open(newline="") as rows:
        for row in csv.DictReader(rows):
            hours.setdefault(_seconds(row["timestamp"]) // HOUR * HOUR, []).append(float(row["value"]))
    at = sorted(hours)
    return np.array(at, dtype=np.int64), np.array([statistics.fmean(hours[one]) for one in at])


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())

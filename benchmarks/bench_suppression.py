"""Incidents put into series, and whether suppression still tells them: by kind and by size, with a bound of the rate at which one is
lost. Then what a backtest costs: CPU seconds of 100,000 evaluations. Prints JSON.

    python benchmarks/bench_suppression.py [--trials 600] [--data FOLDER]

Each trial puts one incident into one series, at a random place after its first 30 %, from which the threshold comes. Its size is in
distances between the median and the threshold, above the threshold. It is told if something within it is told at most 24 hours after
the threshold was first exceeded in it. The series are generated (calm, weekly peaks over the threshold, a trend, bursts, counts); with
--data they are those of a folder as labelled_series.py reads it."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from labelled_series import FIRST, clopper_pearson, read_labelled

from alerting_assets.anomaly import Series, Side, walk_forward
from alerting_assets.anomaly.series import HOUR, Floats, Integers

KINDS = ("spike", "dip", "level shift", "trend", "flat line")
SIZES = (0.5, 1.0, 2.0)
IN_TIME = 24
"""Hours."""
DAYS = 84


def generated(seed: int) -> tuple[Integers, Floats]:
    """Twelve weeks, hour by hour."""
    rng = np.random.default_rng(seed)
    hour = np.arange(DAYS * 24)
    day, week = np.sin(hour * 2 * np.pi / 24), hour % 168
    noise = rng.normal(size=len(hour))
    shapes = (
        100 + 20 * day + 5 * noise,
        100 + 20 * day + 5 * noise + 60 * ((week >= 32) & (week < 35)) * rng.uniform(0.5, 1.2, len(hour)),
        100 + 20 * day + 5 * noise + 0.01 * hour,
        100 * np.exp(0.3 * day + 0.4 * noise),
        rng.poisson(3 + 2 * day).astype(float),
    )
    return 1_750_000_000 // HOUR * HOUR + hour * HOUR, shapes[seed % len(shapes)]


def trial(
    at: Integers, calm: Floats, kind: str, size: float, rng: np.random.Generator
) -> tuple[float | None, bool] | None:
    """Hours until the incident is told, None for never, and whether it is told at the first value over the threshold. None where the
    threshold is not exceeded in it."""
    first = int(len(at) * FIRST)
    side = Side.BELOW if kind == "dip" else Side.ABOVE
    threshold = np.quantile(calm[:first], 0.01 if side is Side.BELOW else 0.99)
    middle = np.median(calm[:first])
    target = threshold + side.sign * size * (abs(threshold - middle) or 1.0)
    length = {"spike": rng.integers(1, 4), "dip": rng.integers(1, 7), "level shift": 96, "trend": 120, "flat line": 48}[
        kind
    ]
    start = int(rng.integers(first + 24, len(at) - length - 1))
    inside = slice(start, start + int(length))
    value = calm.copy()
    match kind:
        case "spike" | "dip":
            value[inside] = side.sign * np.maximum(side.sign * value[inside], side.sign * target)
        case "level shift":
            value[inside] += target - middle
        case "trend":
            value[inside] += np.linspace(0, 1, int(length)) * (target - middle)
        case _:
            value[inside] = target
    met = side.sign * value > side.sign * threshold
    over = at[inside][met[inside]]
    if not len(over):
        return None
    decisions = walk_forward(Series(at, value, np.where(met, side.sign, 0), (side,)))
    told = at[inside][decisions.notified[inside]]
    return (float(told[0] - over[0]) / HOUR if len(told) else None), bool(len(told) and told[0] == over[0])


def injected(series: Sequence[tuple[Integers, Floats]], trials: int) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    cases = [(kind, size) for kind in KINDS for size in SIZES]
    outcomes: list[tuple[str, float, float | None, bool]] = []
    for number in range(trials):
        kind, size = cases[number % len(cases)]
        at, calm = series[number // len(cases) % len(series)]
        found = trial(at, calm, kind, size, rng)
        if found is not None:
            outcomes.append((kind, size, *found))
    by_kind = {kind: _rates([one for one in outcomes if one[0] == kind]) for kind in KINDS}
    by_size = {size: _rates([one for one in outcomes if one[1] == size]) for size in SIZES}
    return {**_rates(outcomes), "by_kind": by_kind, "by_size": by_size}


def _rates(outcomes: Sequence[tuple[str, float, float | None, bool]]) -> dict[str, Any]:
    in_time = sum(delay is not None and delay <= IN_TIME for _, _, delay, _ in outcomes)
    never = sum(delay is None for _, _, delay, _ in outcomes)
    return {
        "incidents": len(outcomes),
        "told_at_once": sum(at_once for *_, at_once in outcomes),
        "told_within_24_h": in_time,
        "never_told": never,
        "missed_rate_at_most": round(clopper_pearson(len(outcomes) - in_time, len(outcomes)), 4),
    }


def cost(step: int, share: float) -> float:
    """CPU seconds of 100,000 evaluations that are so many seconds apart and over the threshold in that share."""
    at = np.arange(100_000) * step
    value = 10 + 5 * np.sin(at * 2 * np.pi / 86_400) + np.random.default_rng(0).normal(size=len(at))
    series = Series(at, value, (value > np.quantile(value, 1 - share)).astype(np.int64), (Side.ABOVE,))
    seconds = []
    for _ in range(3):
        started = time.process_time()
        walk_forward(series)
        seconds.append(time.process_time() - started)
    return round(statistics.median(seconds), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=600)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    real = arguments.data and [(one.at, one.value) for one in read_labelled(arguments.data)]
    figures = {
        "series": "labelled" if real else "generated",
        "injected": injected(real or [generated(seed) for seed in range(10)], arguments.trials),
        "cpu_seconds_of_100,000_evaluations": {
            "hourly, 5 % over the threshold": cost(3600, 0.05),
            "every 5 minutes, 5 % over the threshold": cost(300, 0.05),
            "hourly, all over the threshold": cost(3600, 1.0),
        },
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

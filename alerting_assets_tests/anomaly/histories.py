"""Histories of alerts, hour by hour."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np

from alerting_assets.anomaly import NotLearned, Series, Side
from alerting_assets.anomaly.series import HOUR, Booleans, Floats, Integers

START = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
"""A Monday."""
START_HOUR = START // HOUR


def hourly(count: int, start: int = START) -> Integers:
    return start + HOUR * np.arange(count)


def waves(days: int, seed: int = 0, noise: float = 4.0) -> Floats:
    """A day's rhythm about 100, highest at 06:00 UTC, on a grid of 1/64."""
    hour = np.arange(24 * days)
    value = 100 + 20 * np.sin(hour * 2 * np.pi / 24) + noise * np.random.default_rng(seed).normal(size=len(hour))
    return np.round(value * 64) / 64


def over(
    value: Any,
    threshold: float,
    *,
    at: Integers | None = None,
    side: Side = Side.ABOVE,
    zone: tzinfo = UTC,
    not_learned: tuple[NotLearned, ...] = (),
) -> Series:
    """An alert with a threshold on one side."""
    values: Floats = np.asarray(value, dtype=np.float64)
    met: Booleans = side.sign * values > side.sign * threshold
    times = hourly(len(values)) if at is None else at
    return Series(times, values, np.where(met, side.sign, 0), (side,), zone, not_learned)

"""How often drift is seen where nothing lasting happened, and how soon where a level shifted.

    python benchmarks/drift_on_labelled_series.py FOLDER

FOLDER as labelled_series.py has it. Prints JSON: of the labelled series, looked at daily, the days on which something was said, those that
drift and the greatest difference of shares; and by the height of a shift, in standard deviations of a generated series' noise, how many of
40 series were found and the median of hours until then."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from labelled_series import read_labelled, series_of

from alerting_assets.anomaly import Drift, drift_of
from alerting_assets.anomaly.series import HOUR

NOISE, SERIES, DAYS, SHIFTED_DAYS = 4.0, 40, 70, 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    labelled = in_labelled(parser.parse_args().folder)
    generated = {height: after_a_shift(height) for height in (0, 3, 6, 9, 12, 20)}
    print(json.dumps({"labelled": labelled, "shifts": generated}, indent=2))


def in_labelled(folder: Path) -> dict[str, Any]:
    found = list[Drift]()
    for one in read_labelled(folder):
        series = one.rule(0.99)
        first, last = int(series.at[0]) // HOUR, int(series.at[-1]) // HOUR
        looks = (drift_of(series, hour) for hour in range(first + 21 * 24, last, 24))
        found += [drift for drift in looks if drift is not None]
    return {
        "days": len(found),
        "drifted": sum(one.has_drifted for one in found),
        "greatest": round(max(one.lately - one.before for one in found), 2),
    }


def after_a_shift(height: float) -> dict[str, Any]:
    chance, hour = np.random.default_rng(1), np.arange(24 * DAYS)
    begin, until = len(hour) - 24 * SHIFTED_DAYS, list[int]()
    for _ in range(SERIES):
        value = 100 + 15 * np.sin(hour * 2 * np.pi / 24) + chance.normal(0, NOISE, len(hour))
        value[begin:] += height * NOISE
        series = series_of(hour * HOUR, value, np.zeros(len(hour), dtype=bool))
        looks = ((after, drift_of(series, begin + after)) for after in range(0, 24 * SHIFTED_DAYS, 6))
        until += [after for after, drift in looks if drift is not None and drift.has_drifted][:1]
    return {"found": len(until), "median_hours": statistics.median(until) if until else None}


if __name__ == "__main__":
    main()

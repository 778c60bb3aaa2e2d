"""Suppression on real series with labelled incidents: what it cuts and what it loses, what each part of it contributes, and simple
controls that any claim must beat. Prints JSON.

    python benchmarks/suppression_on_labelled_series.py FOLDER [--cross-validate]

FOLDER is described in labelled_series.py; the data itself is not in this repository. The rule of each series is a value over the 99th
percentile of its first 30 %; other percentiles stand beside it, since one rule has few incidents.
--cross-validate: for each group of series, the setting that is best on the other groups, and what it does on this one."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from labelled_series import Decide, Labelled, judged, read_labelled, total

from alerting_assets.anomaly import METHOD, Judgement, Method, Series, walk_forward
from alerting_assets.anomaly.backtest import episodes
from alerting_assets.anomaly.series import HOUR, Booleans

RULE = 0.99
RULES = (0.95, 0.97, 0.98, 0.99, 0.995)
WITHOUT = {
    "what is usual": {"margins": ()},
    "recurrence": {"recurrence": 0},
    "the memory of what was told": {"memory_hours": 0},
    "everything but that memory": {"margins": (), "recurrence": 0},
    "the limit of rises": {"rise_margin": None},
    "the chained hold": {"hold_hours": None},
    "the persistence guard": {"persistence_least": None},
}
SETTINGS = [
    replace(
        METHOD, told_share=share, memory_hours=hours, memory_fade_hours=fade, memory_margin=margin, rise_margin=rise
    )
    for share, (hours, fade), margin, rise in product(
        (0.3, 0.5),
        ((48, 1e9), (72, 1e9), (96, 1e9), (120, 120.0), (120, 180.0), (144, 180.0)),
        (0.5, 1.0),
        (None, 0.5),
    )
]


ENOUGH = 0.65

Result = dict[str, dict[float, Judgement]]
"""By series and percentile."""


def by(method: Method) -> Decide:
    return lambda series: walk_forward(series, method).suppressed


def snooze(hours: int) -> Decide:
    """After one is told, nothing is for so many hours."""

    def decide(series: Series) -> Booleans:
        held, until = np.zeros(len(series.at), dtype=bool), -(10**12)
        for index in np.flatnonzero(series.met).tolist():
            held[index] = series.at[index] < until
            if not held[index]:
                until = int(series.at[index]) + hours * HOUR
        return held

    return decide


def two_in_a_row(series: Series) -> Booleans:
    before = np.isin(series.at - HOUR, series.at[series.met])
    return series.met & ~before


def at_random(seed: int) -> Decide:
    """As many episodes of each series are dropped as suppression drops, but any of them."""

    def decide(series: Series) -> Booleans:
        told = series.at[walk_forward(series).notified]
        over = episodes(series.at[series.met])
        kept = sum(bool(((told >= one.start) & (told <= one.end)).any()) for one in over)
        chosen = random.Random(f"{seed} {len(series.at)}").sample(over, len(over) - kept)
        held = np.zeros(len(series.at), dtype=bool)
        for one in chosen:
            held |= (series.at >= one.start) & (series.at <= one.end)
        return held & series.met

    return decide


def judgements(data: Sequence[Labelled], decide: Decide, quantile: float = RULE) -> list[Judgement]:
    found = []
    for one in data:
        series = one.rule(quantile)
        found.append(judged(one, series, decide(series)))
    return found


def controls(data: Sequence[Labelled]) -> dict[str, Any]:
    trials = [total(judgements(data, at_random(seed))) for seed in range(20)]
    mean = {
        name: round(statistics.fmean(trial[name] or 0 for trial in trials), 3) for name in ("cut", "incidents_kept")
    }
    return {
        "episodes dropped at random, mean of 20": mean,
        "a blind snooze of 72 h": total(judgements(data, snooze(72))),
        "two hours in a row": total(judgements(data, two_in_a_row)),
    }


def cross_validate(data: Sequence[Labelled]) -> dict[str, Any]:
    """Two ways to choose a setting on the other groups, both among those that lose fewest incidents over all rules and tell none more
    than a day late by the first rule: the one that cuts most, and the most cautious one that cuts enough."""
    results = [{one.name: _of_rules(one, method) for one in data} for method in SETTINGS]
    cuts = [total(_all(result, list(result)))["cut"] or 0.0 for result in results]
    return {
        "settings": len(SETTINGS),
        "cut_of_all_settings_all_rules": {"least": min(cuts), "median": statistics.median(cuts), "most": max(cuts)},
        "cuts most": _folds(data, results, lambda _, cut: (cut,)),
        f"cuts {ENOUGH:.0%} with the least delay": _folds(data, results, lambda delay, cut: (cut >= ENOUGH, -delay)),
    }


def _folds(
    data: Sequence[Labelled], results: Sequence[Result], merit: Callable[[float, float], tuple[float, ...]]
) -> Any:
    folds: dict[str, Any] = {}
    left_out: list[Judgement] = []
    for group in sorted({one.group for one in data}):
        inside = [one.name for one in data if one.group != group]
        outside = [one.name for one in data if one.group == group]
        best = max(range(len(SETTINGS)), key=lambda index, names=inside: _merit(results[index], names, merit))
        left = [results[best][name][RULE] for name in outside]
        left_out += left
        every_rule = total(_all(results[best], outside))
        folds[group] = {"chosen": _differs(SETTINGS[best]), "left_out": total(left), "left_out_all_rules": every_rule}
    return {"left_out_together": total(left_out), "groups": folds}


def _merit(
    result: Result, names: Sequence[str], merit: Callable[[float, float], tuple[float, ...]]
) -> tuple[float | bool, ...]:
    of_rule, every = total([result[name][RULE] for name in names]), _all(result, names)
    delay = statistics.fmean(delay for one in every for delay in one.delays)
    in_time = (of_rule["max_delay_hours"] or 0) <= 24
    return -sum(one.lost for one in every), in_time, *merit(delay, of_rule["cut"] or 0.0)


def _all(result: Result, names: Sequence[str]) -> list[Judgement]:
    return [judgement for name in names for judgement in result[name].values()]


def _of_rules(one: Labelled, method: Method) -> dict[float, Judgement]:
    found = {}
    for quantile in RULES:
        series = one.rule(quantile)
        found[quantile] = judged(one, series, walk_forward(series, method).suppressed)
    return found


def _differs(method: Method) -> dict[str, Any]:
    plain = asdict(METHOD)
    return {name: value for name, value in asdict(method).items() if value != plain[name]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cross-validate", action="store_true")
    arguments = parser.parse_args()
    data = read_labelled(arguments.folder)
    started = time.process_time()
    ours = judgements(data, by(METHOD))
    seconds = time.process_time() - started
    figures: dict[str, Any] = {
        "series": len(data),
        "evaluations": sum(len(one.at) for one in data),
        "cpu_seconds": round(seconds, 2),
        "suppression": total(ours),
        "by_rule": {quantile: total(judgements(data, by(METHOD), quantile)) for quantile in RULES},
        "without": {name: total(judgements(data, by(replace(METHOD, **change)))) for name, change in WITHOUT.items()},
        "controls": controls(data),
    }
    if arguments.cross_validate:
        figures["cross_validation"] = cross_validate(data)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

"""The daily training: what is usual for every alert with a model, judged by a replay, and registered as a new version."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from alerting_assets.anomaly import METHOD, Decisions, Series, train
from alerting_assets.anomaly.series import HOUR
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.suppression.bundle import Bundle, LearnedAlert
from alerting_assets.suppression.gate import REPLAYED, Gate, GateRow, decide_gate, gate_row
from alerting_assets.suppression.histories import histories
from alerting_assets.suppression.modelled import ModelledAlert
from alerting_assets.suppression.registry import ModelRegistry, Version
from alerting_assets.suppression.tiers import NONE, SEASONAL

PICTURES = 4
_log = logging.getLogger(__name__)
Progress = Callable[[int, int], None]


class _Replayed(NamedTuple):
    alert: ModelledAlert
    row: GateRow
    series: Series
    decisions: Decisions


@dataclass(frozen=True)
class Training:
    """version: that was registered; None without alerts that have a model. is_serving: whether it serves since. pictures: alert_id → PNG
    of its last weeks, as they would have been decided."""

    gate: Gate
    version: Version | None
    is_serving: bool
    seconds: float
    pictures: dict[str, bytes]


def train_models(
    lakehouse: Lakehouse,
    registry: ModelRegistry,
    alerts: Sequence[ModelledAlert],
    now: datetime,
    on_progress: Progress = lambda _done, _all: None,
) -> Training:
    """Train, judge, register and, where the gate lets it, promote. An alert that cannot be trained costs itself.

    Raises ModelStoreError, with the version before serving on, and LakehouseError."""
    started = time.monotonic()
    if not alerts:
        return Training(decide_gate(()), None, False, 0.0, {})
    found = histories(lakehouse, alerts, now)
    rows, learned, replayed = list[GateRow](), dict[str, LearnedAlert](), list[_Replayed]()
    for done, alert in enumerate(alerts):
        on_progress(done, len(alerts))
        series = found.pop(alert.alert_id)
        # The isolation boundary: whatever is wrong with one alert's history, the others are trained.
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows has no range, and is told
                model = train(series, int(now.timestamp()) // HOUR)
                row, decisions = gate_row(alert, series, model, now)
        except Exception as error:  # noqa: BLE001 — told by the check and in the log
            _log.exception("alert %s cannot be trained", alert.alert_id)
            rows.append(
                GateRow(alert.alert_id, NONE, 0, 0, 0, 0, f"cannot be trained: {type(error).__name__}: {error}")
            )
            continue
        rows.append(row)
        if row.failure is None and row.tier != NONE:
            learned[alert.alert_id] = LearnedAlert(alert.measured_hash, model)
        if row.met:
            replayed = sorted([*replayed, _Replayed(alert, row, series, decisions)], key=lambda one: -one.row.held)[
                :PICTURES
            ]
    on_progress(len(alerts), len(alerts))
    gate = decide_gate(rows)
    pictures = {one.alert.alert_id: _picture(one, now) for one in replayed}
    version = registry.record(
        Bundle(now, learned),
        passed=gate.refusal is None,
        parameters=asdict(METHOD),
        metrics={**metrics_of(gate), "seconds": time.monotonic() - started},
        pictures={f"{alert_id}.png": picture for alert_id, picture in pictures.items()},
        tables={"gate": [asdict(row) for row in rows]},
    )
    if gate.refusal is None:
        registry.serve(version.version)
    return Training(gate, version, gate.refusal is None, time.monotonic() - started, pictures)


def metrics_of(gate: Gate) -> dict[str, float]:
    met, held = sum(row.met for row in gate.rows), sum(row.held for row in gate.rows)
    return {
        "alerts": len(gate.rows),
        "alerts_seasonal": sum(row.tier == SEASONAL for row in gate.rows),
        "alerts_failed": len(gate.failed),
        "evaluations_over_threshold": met,
        "evaluations_held": held,
        "held_share": held / met if met else 0.0,
        "labelled_incidents": sum(row.incidents for row in gate.rows),
        "labelled_incidents_lost": sum(row.lost for row in gate.rows),
    }


def gate_table(gate: Gate, most: int = 200) -> list[dict[str, Any]]:
    """Rows for people: those that fail first, then those of which most is held."""
    ordered = sorted(gate.rows, key=lambda row: (row.failure is None, -row.held, row.alert_id))
    return [
        {
            "alert_id": row.alert_id,
            "tier": row.tier,
            "over the threshold": row.met,
            "would be held": row.held,
            "share": f"{row.held_share:.0%}",
            "true incidents": row.incidents,
            "lost": row.lost,
            "left out because": row.failure,
        }
        for row in ordered[:most]
    ]


def _picture(replayed: _Replayed, now: datetime) -> bytes:
    from alerting_assets.anomaly.chart import chart_png

    alert, row, series, decisions = replayed
    since = int((now - REPLAYED).timestamp())
    lately = slice(int(np.searchsorted(series.at, since)), None)
    shown = Series(series.at[lately], series.value[lately], series.breach[lately], series.sides, series.zone)
    cut = Decisions(**{one.name: getattr(decisions, one.name)[lately] for one in fields(Decisions)})
    title = f"{row.alert_id}: {row.held} of {row.met} evaluations over the threshold would have been held back (UTC)"
    return chart_png(title, shown, np.full(len(shown.at), alert.threshold), cut, inches=11.0)

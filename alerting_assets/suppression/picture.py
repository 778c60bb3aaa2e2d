"""A picture of an alert's values against the ranges that decided about them, and the ranges of the next hours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alerting_assets.anomaly import Decisions, Series
from alerting_assets.anomaly.chart import chart_png
from alerting_assets.anomaly.series import Floats
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets.sql_literal import moment_literal, text_literal
from alerting_assets.suppression.histories import breach_of, read_evaluations
from alerting_assets.suppression.lately import Lately
from alerting_assets.suppression.modelled import ModelledAlert

DAYS = 7
INCHES = 7.0
_BOUNDS = ("lower", "upper", "expected")


def most_held(alerts: Iterable[tuple[ModelledAlert, Lately]]) -> ModelledAlert | None:
    """The alert whose picture says most: that of which most was held, by alert_id where it is the same; None where there is none."""
    found = min(alerts, key=lambda pair: (-pair[1].held, pair[0].alert_id), default=None)
    return found and found[0]


def picture_of(lakehouse: Lakehouse, alert: ModelledAlert, now: datetime, days: int = DAYS) -> bytes:
    """A PNG image of the last days, and of the hours for which ranges are written."""
    columns = ("lower", "upper", "expected", "ml_score", "ml_suppressed", "ml_shadow", "threshold_value")
    past = read_evaluations(lakehouse, [alert], now - timedelta(days=days), now, columns=columns)
    where = f"alert_id = {text_literal(alert.alert_id)} AND model_name = {text_literal(alert.model_name)}"
    ahead = lakehouse.read(
        EXPECTED_RANGES.name,
        ["valid_from", *_BOUNDS],
        where=f"{where} AND valid_from > {moment_literal(now)}",
        order_by="valid_from",
    )
    more = ahead.num_rows
    held = np.asarray(
        pc.or_kleene(past.rest.column("ml_suppressed"), pc.fill_null(past.rest.column("ml_shadow"), False)).to_numpy(),
        dtype=bool,
    )
    nothing = np.full(more, np.nan)
    value, met = np.append(past.value, nothing), np.append(past.met, np.zeros(more, dtype=bool))
    starts = ahead.column("valid_from").cast(pa.int64()).to_numpy() // 1_000_000
    series = Series(np.append(past.at, starts), value, breach_of(alert.condition, value, met), alert.sides, alert.zone)
    lower, upper, expected = (np.append(_floats(past.rest, name), _floats(ahead, name)) for name in _BOUNDS)
    has_range = np.isfinite(lower[len(past.at) :]) | np.isfinite(upper[len(past.at) :])
    score = np.append(_floats(past.rest, "ml_score"), np.where(has_range, 0.0, np.nan))
    suppressed = np.append(held & past.met, np.zeros(more, dtype=bool))
    threshold = np.append(_floats(past.rest, "threshold_value"), nothing)
    told = series.met & ~suppressed
    reasons = [None] * len(series.at)
    decisions = Decisions(lower, upper, expected, np.full(len(value), np.nan), score, suppressed, told, [*reasons])
    return chart_png(alert.alert_id, series, threshold, decisions, inches=INCHES)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)

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
from alerting_assets.suppression.histories import breach_of, histories, read_evaluations
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
    # What was only backfilled is drawn as values, without a range.
    known = histories(lakehouse, [alert], now, days)[alert.alert_id]
    is_new = ~np.isin(known.at, past.at)
    starts = ahead.column("valid_from").cast(pa.int64()).to_numpy() // 1_000_000
    before, after = int(is_new.sum()), ahead.num_rows
    nothing = np.full(before, np.nan)

    def joined(own: Floats, coming: Floats) -> Floats:
        return np.concatenate([nothing, own, coming])

    at = np.concatenate([known.at[is_new], past.at, starts])
    value = np.concatenate([known.value[is_new], past.value, np.full(after, np.nan)])
    met = np.concatenate([known.met[is_new], past.met, np.zeros(after, dtype=bool)])
    held = np.asarray(
        pc.or_kleene(past.rest.column("ml_suppressed"), pc.fill_null(past.rest.column("ml_shadow"), False)).to_numpy(),
        dtype=bool,
    )
    suppressed = np.concatenate([np.zeros(before, dtype=bool), held & past.met, np.zeros(after, dtype=bool)])
    told = np.concatenate([np.zeros(before, dtype=bool), past.met & ~held, np.zeros(after, dtype=bool)])
    lower, upper, expected = (joined(_floats(past.rest, name), _floats(ahead, name)) for name in _BOUNDS)
    has_range = np.isfinite(_floats(ahead, "lower")) | np.isfinite(_floats(ahead, "upper"))
    score = joined(_floats(past.rest, "ml_score"), np.where(has_range, 0.0, np.nan))
    threshold = joined(_floats(past.rest, "threshold_value"), np.full(after, np.nan))
    threshold[:before] = alert.threshold
    order = np.argsort(at, kind="stable")
    series = Series(
        at[order], value[order], breach_of(alert.condition, value[order], met[order]), alert.sides, alert.zone
    )
    decisions = Decisions(
        lower[order],
        upper[order],
        expected[order],
        np.full(len(at), np.nan),
        score[order],
        suppressed[order],
        told[order],
        held_by=[None for _ in at],
    )
    return chart_png(alert.alert_id, series, threshold[order], decisions, inches=INCHES)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)

"""From a query and three weeks of data to a peak that is held and one that is told: backfill, training, ranges, evaluation."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from alerting_assets.alerts.operators import State
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.configuration import read_rows, to_alerts
from alerting_assets.configuration.rows import as_table
from alerting_assets.evaluation.decide import decide
from alerting_assets.evaluation.run import evaluate_alerts
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, ALERT_HISTORY
from alerting_assets.settings import Settings
from alerting_assets.suppression.backfill import backfill
from alerting_assets.suppression.modelled import modelled_alerts
from alerting_assets.suppression.refresh import refresh
from alerting_assets.suppression.registry import ModelRegistry, loader
from alerting_assets.suppression.train import train_models
from alerting_assets_tests.examples import TARGET, configuration
from alerting_assets_tests.suppression.worlds import DAY, HOUR

pytestmark = pytest.mark.integration

LOADS = TableSpec("loads", "Rows loaded.", (Column("at", "timestamp"), Column("cost", "double")), ("at",))
MONDAY = datetime(2026, 3, 30, 9, tzinfo=UTC)
"""At nine on Mondays a batch of three times as much comes in."""
DAYS = 21
FIVE_MINUTES = timedelta(minutes=5)


def load_at(hour: datetime, chance: np.random.Generator) -> float:
    is_batch = hour.weekday() == 0 and hour.hour == 9
    return 150.0 if is_batch else float(np.round(50 + chance.normal(scale=3), 2))


def test_a_weekly_peak_is_held_and_the_same_height_at_an_odd_hour_is_told(
    lakehouse: EmbeddedLakehouse, tmp_path: Path, empty_store: Path
) -> None:
    chance = np.random.default_rng(7)
    lakehouse.create_table(LOADS)
    hours = [MONDAY - DAYS * DAY + n * HOUR for n in range((DAYS + 1) * 24)]
    at = [hour - timedelta(minutes=20) for hour in hours]  # within the hour that an evaluation looks back at
    cost = [load_at(hour, chance) for hour in hours]
    odd = MONDAY + 5 * HOUR
    cost[hours.index(odd)] = cost[hours.index(MONDAY)]
    lakehouse.append("loads", pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "cost": cost}))
    alert = configuration(
        alert_query_template="SELECT cost FROM ${catalog}.${gold_schema}.loads WHERE at > NOW() - INTERVAL 1 HOUR AND at <= NOW()",
        schedule_cron="0 0 * * * ?",
        ml_model_enabled=True,
        ml_shadow=False,
    )
    lakehouse.append(ALERT_CONFIGURATIONS.name, as_table([alert], MONDAY - 60 * DAY))
    configured = to_alerts(read_rows(lakehouse), TARGET)
    compiled = [one.compiled for one in configured if one.compiled is not None]

    (filled,) = backfill(lakehouse, compiled, MONDAY - FIVE_MINUTES, days=DAYS)
    assert (filled.refused, filled.failed) == (None, 0)
    assert filled.moments > 20 * 24

    settings = Settings(home=tmp_path)
    shutil.copytree(empty_store, tmp_path, dirs_exist_ok=True)
    trained = train_models(lakehouse, ModelRegistry(settings), modelled_alerts(configured), MONDAY - FIVE_MINUTES)
    assert trained.is_serving
    load = loader(settings)

    def look(moment: datetime) -> dict[str, Any]:
        refresh(lakehouse, modelled_alerts(configured), moment - FIVE_MINUTES, load)
        (evaluation,) = evaluate_alerts(lakehouse, compiled, moment)
        deployed = decide(compiled[0], lakehouse.query(at_moment(compiled[0].sql, moment)))
        assert deployed == evaluation.decision
        (row,) = lakehouse.read(ALERT_HISTORY.name, order_by="evaluated_at DESC", limit=1).to_pylist()
        return dict(row)

    peak = look(MONDAY)
    assert (peak["evaluation_status"], peak["threshold_met"], peak["ml_suppressed"]) == (State.SUPPRESSED, True, True)
    assert peak["ml_reason"] == "RECURRENCE"
    assert peak["query_result_value"] < peak["upper"]
    told = look(odd)
    assert told["query_result_value"] == peak["query_result_value"]
    assert (told["evaluation_status"], told["threshold_met"], told["ml_reason"]) == (State.TRIGGERED, True, "OUTSIDE")
    assert told["ml_score"] > 0
